"""Judging folders of maps: right numbers, every problem named at once, nothing half-written."""

from __future__ import annotations

import csv
import json
import tarfile

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from pipeline_src.cli.judge import judge
from pipeline_src.counting import multiclass
from pipeline_src.counting.multiclass import MultiClassStatistic
from pipeline_src.counting.regions import RegionStatistics, regions
from pipeline_src.counting.statistic import Statistic
from pipeline_src.counting.whole_maps import NAMES, whole_map_measures
from pipeline_src.errors import UserError
from pipeline_src.judging import folder as judging
from pipeline_src.judging.arrays import fitted, read_map
from pipeline_src.judging.files import Unusable, pairs
from pipeline_src.judging.folder import judge_folder
from pipeline_src.judging.masks import USUAL, Meaning, read_mask
from pipeline_src.metrics import metrics
from pipeline_src.metrics.images import per_image


def scene(seed):
    rng = np.random.default_rng(seed)
    yy, xx = np.mgrid[:40, :50]
    mask = (np.hypot(yy - 20, xx - 20 - seed) < 10).astype(np.uint8)
    f = 1 / (1 + np.exp(-(3 * (mask - 0.5) + rng.normal(0, 2, mask.shape)) * 2))
    return f.astype(np.float32), mask


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Five maps, in every format that is read, and their masks; without drawing, which takes longer than the rest."""
    monkeypatch.setattr(judging, "_diagram", lambda *_: None)
    maps, masks = tmp_path / "maps", tmp_path / "masks"
    maps.mkdir(), masks.mkdir()
    for k in range(5):
        f, mask = scene(k)
        if k == 0:
            cv2.imwrite(str(maps / "a0.png"), np.uint8(np.round(f * 255)))
        elif k == 1:
            cv2.imwrite(str(maps / "a1.png"), np.uint16(np.round(f * 65535)))
        elif k == 2:
            np.save(maps / "a2.npy", f)
        elif k == 3:
            np.savez_compressed(maps / "a3.npz", f.astype(np.float64))
        else:
            np.save(maps / "a4.npy", f[None])
        if k < 4:
            cv2.imwrite(str(masks / f"a{k}.png"), mask * 255)
        else:
            np.save(masks / "a4.npy", mask.astype(bool))
    return maps, masks


def expected(maps, masks):
    statistic = Statistic.empty()
    for path in sorted(maps.iterdir()):
        mask = next(masks.glob(path.stem + ".*"))
        statistic.add(read_map(path), read_mask(mask)[0], path.stem)
    return statistic


def test_every_format_is_judged_and_all_is_written(folders, tmp_path, monkeypatch):
    monkeypatch.undo()
    maps, masks = folders
    out = tmp_path / "out"
    result = judge_folder(maps, masks, "mine", out, resamples=50, workers=1)
    assert json.loads((out / "metrics.json").read_text()) == json.loads(json.dumps(result))
    assert {p.name for p in out.iterdir()} >= {"metrics.json", "statistic.npz", "images.csv", "reliability-raw.svg"}
    assert (result["name"], result["n_images"], result["n_pixels"], result["bins"]) == ("mine", 5, 5 * 2000, 10)
    statistic = expected(maps, masks)
    assert Statistic.load(out / "statistic.npz")[0] == statistic
    names = "ece ece_equal_mass ece_sweep ece_debiased smooth_ece oe ue accuracy brier nll entropy mae max_f"
    for protocol in ("raw", "stretched"):
        for name in names.split():
            value = getattr(metrics, name)(getattr(statistic, protocol))
            assert result[protocol][name] == value
            low, high = result["intervals"][protocol][name]
            assert low <= high
        for name in ("s_measure", "e_measure", "weighted_f"):
            low, high = result["intervals"][protocol][name]
            assert 0 < low <= result[protocol][name] <= high < 1
    rows = list(csv.DictReader((out / "images.csv").open()))
    assert sorted(r["id"] for r in rows) == ["a0", "a1", "a2", "a3", "a4"]
    assert [float(r["raw_ece"]) for r in rows] == sorted((float(r["raw_ece"]) for r in rows), reverse=True)
    assert not result["warnings"]
    assert 0 < result["bounds"]["raw"]["ece_equal_mass"] < 0.02 and 0 < result["bounds"]["raw"]["auc"] < 1e-3


def test_each_image_by_itself(folders, tmp_path):
    maps, masks = folders
    judge_folder(maps, masks, "mine", tmp_path / "out", resamples=0, workers=1)
    rows = {r["id"]: r for r in csv.DictReader((tmp_path / "out" / "images.csv").open())}
    for path in maps.iterdir():
        alone = Statistic.empty()
        alone.add(read_map(path), read_mask(next(masks.glob(path.stem + ".*")))[0], path.stem)
        row = rows[path.stem]
        for name in ("accuracy", "nll", "brier", "entropy", "mae", "max_f"):
            assert float(row[f"stretched_{name}"]) == pytest.approx(getattr(metrics, name)(alone.stretched), rel=1e-5)
        assert float(row["raw_ece"]) == pytest.approx(metrics.ece(alone.raw), abs=5e-3)
        gap = float(row["raw_confidence"]) - float(row["raw_accuracy"])
        assert gap == pytest.approx(float(row["raw_gap"]), abs=2e-6)


def test_the_ece_of_each_image_is_exact_for_8_bit_maps():
    together, alone = Statistic.empty(), {}
    for k in range(6):
        f, mask = scene(k)
        alone[str(k)] = Statistic.empty()
        for statistic in (together, alone[str(k)]):
            statistic.add(np.uint8(np.round((0.3 + 0.6 * f) * 255)), mask, str(k))
    [(_, table)] = per_image(together.raw)
    for k, name in enumerate(together.raw.rows.ids):
        for key in ("ece", "oe"):
            assert table[key][k] == pytest.approx(getattr(metrics, key)(alone[name].raw), abs=1e-12)


@pytest.mark.filterwarnings("ignore")
def test_whole_map_metrics_are_those_of_pysodmetrics(folders, tmp_path):
    import py_sod_metrics

    maps, masks = folders
    for path in [*maps.iterdir(), *masks.iterdir()]:
        if not path.name.startswith("a0"):
            path.unlink()
    result = judge_folder(maps, masks, "mine", tmp_path / "out", resamples=0, workers=1)
    v, mask = cv2.imread(str(maps / "a0.png"), 0), cv2.imread(str(masks / "a0.png"), 0)
    peers = py_sod_metrics.Smeasure(), py_sod_metrics.Emeasure(), py_sod_metrics.WeightedFmeasure()
    for peer in peers:
        peer.step(v, mask)  # stretches by itself
    found = result["stretched"]
    assert result["bounds"] == {"raw": {}, "stretched": {}}  # the one map has 8 bits: exact
    assert found["s_measure"] == pytest.approx(peers[0].get_results()["sm"], abs=1e-12)
    assert found["e_measure"] == pytest.approx(peers[1].get_results()["em"]["curve"].mean(), abs=1e-12)
    assert found["weighted_f"] == pytest.approx(peers[2].get_results()["wfm"], abs=1e-12)


def test_all_problems_are_told_at_once_and_nothing_is_written(folders, tmp_path):
    maps, masks = folders
    (maps / "a0.png").write_bytes(b"no image")
    np.save(maps / "a2.npy", np.float32([[0.5, 1.5]]))
    np.save(maps / "a4.npy", np.int64([[0, 1]]))
    np.save(masks / "a4.npy", np.float32([[7, 300]]))
    cv2.imwrite(str(masks / "a1.png"), np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8))
    with pytest.raises(UserError) as told:
        judge_folder(maps, masks, "mine", tmp_path / "out")
    for words in ("a0.png: not readable", "a2.npy: values from 0.5 to 1.5", "a4.npy", "a1.png: a colour image"):
        assert words in str(told.value)
    assert not (tmp_path / "out").exists()


def test_missing_partners_and_double_stems_are_told_at_once(folders, tmp_path):
    maps, masks = folders
    (masks / "a1.png").unlink()
    (maps / "a2.npy").unlink()
    np.save(maps / "a0.npy", np.zeros((4, 4), np.float32))
    with pytest.raises(UserError) as told:
        judge_folder(maps, masks, "mine", tmp_path / "out")
    for words in ("a1.png: no mask", "a2.png: no prediction map", "a0.npy and a0.png: the same stem"):
        assert words in str(told.value)
    (maps / "a3.npz").write_bytes(b"no array")
    with pytest.raises(UserError, match=r"4 file\(s\)") as told:  # partners and contents together
        judge_folder(maps, masks, "mine", tmp_path / "out")
    for words in ("a1.png: no mask", "a3.npz: not readable"):
        assert words in str(told.value)
    for path in masks.iterdir():
        path.rename(path.with_name("b" + path.name))
    with pytest.raises(UserError, match="no mask"):
        judge_folder(maps, masks, "mine", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no file with one of") as told:
        judge_folder(tmp_path / "empty", tmp_path / "nowhere", "mine", tmp_path / "out")
    assert "nowhere: no such folder" in str(told.value)


def test_other_sizes_are_resized_and_grey_pixels_cut_with_a_warning(folders, tmp_path):
    maps, masks = folders
    f, mask = scene(2)
    np.save(maps / "a2.npy", cv2.resize(f, (25, 20)))
    grey = mask * 255
    grey[0, :7] = 100
    cv2.imwrite(str(masks / "a0.png"), grey)
    np.save(maps / "a3.npy", np.full((40, 50), 0.25, np.float32)), (maps / "a3.npz").unlink()
    result = judge_folder(maps, masks, "mine", tmp_path / "out", resamples=0, whole=False)
    text = " ".join(result["warnings"])
    assert "1 map(s) had another size" in text and "a2" in text
    assert "7 mask pixel(s)" in text and "1 map(s) hold one value" in text
    assert result["n_pixels"] == 5 * 2000


def test_without_masks_all_is_background(folders, tmp_path):
    maps, _ = folders
    result = judge_folder(maps, None, "mine", tmp_path / "out", resamples=20, workers=1)
    assert result["raw"]["max_f"] is None and "foreground" in result["undefined"]["raw"]["max_f"]
    assert result["raw"]["weighted_f"] is None and result["intervals"]["raw"]["weighted_f"] is None
    assert result["raw"]["accuracy"] < 1 and result["raw"]["s_measure"] is not None


def test_ignored_pixels_and_region_bands(folders, tmp_path):
    maps, masks = folders
    _, mask = scene(0)
    marked = mask * 255
    marked[:5] = 77
    cv2.imwrite(str(masks / "a0.png"), marked)
    result = judge_folder(maps, masks, "mine", tmp_path / "out", resamples=0, whole=False, ignore=77, border=3)
    assert result["n_pixels"] == 5 * 2000 - 5 * 50
    parts = result["regions"]["raw"]
    assert sum(parts[name]["n_pixels"] for name in parts) == result["n_pixels"]
    weighted = sum(part["n_pixels"] * part["brier"] for part in parts.values()) / result["n_pixels"]
    assert weighted == pytest.approx(result["raw"]["brier"], abs=1e-9)


def test_where_no_pixel_counts_all_is_null_with_a_reason(folders, tmp_path):
    maps, masks = folders
    for path in masks.iterdir():
        path.unlink()
    for k in range(5):
        cv2.imwrite(str(masks / f"a{k}.png"), np.full((40, 50), 9, np.uint8))
    result = judge_folder(maps, masks, "mine", tmp_path / "out", ignore=9, resamples=10, workers=1)
    assert result["n_pixels"] == 0
    for key in ("raw", "stretched"):
        assert set(result[key].values()) == {None} == set(result["intervals"][key].values())
        assert set(result["undefined"][key]) == set(result[key])


def test_resamples_without_a_pixel_leave_no_interval_and_say_nothing(folders, tmp_path, recwarn):
    maps, masks = folders
    for name in ("a0", "a1", "a2", "a3"):
        cv2.imwrite(str(masks / f"{name}.png"), np.full((40, 50), 9, np.uint8))
    result = judge_folder(maps, masks, "mine", tmp_path / "out", ignore=9, resamples=20, whole=False)
    assert result["n_pixels"] == 2000 and result["raw"]["ece"] > 0
    assert result["intervals"]["raw"]["ece"] is None and [str(w) for w in recwarn] == []


def test_what_cannot_be_written_or_counted_is_told_before_reading(folders, tmp_path, monkeypatch):
    maps, masks = folders
    monkeypatch.setattr(judging, "pairs", None)  # not even called
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        judge_folder(maps, masks, "mine", tmp_path / "file")
    with pytest.raises(UserError, match="number of bins"):
        judge_folder(maps, masks, "mine", tmp_path / "out", bins=11)


def test_no_old_result_stays_beside_half_a_new_one(folders, tmp_path, monkeypatch):
    maps, masks = folders
    judge_folder(maps, masks, "mine", tmp_path / "out", resamples=0, whole=False)

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(judging, "write_images", full)
    with pytest.raises(OSError, match="no space"):
        judge_folder(maps, masks, "mine", tmp_path / "out", resamples=0, whole=False)
    assert not (tmp_path / "out" / "metrics.json").exists()


def test_regions_by_distance():
    truth = np.zeros((9, 21), np.uint8)
    truth[:, 10:] = 1
    truth[0] = 255
    parts = regions(truth, width=2)
    assert np.flatnonzero(parts["border"][4]).tolist() == [8, 9, 10, 11]
    assert np.flatnonzero(parts["interior"][4]).tolist() == list(range(12, 21))
    assert np.flatnonzero(parts["background"][4]).tolist() == list(range(8))
    assert not any(part[0].any() for part in parts.values())
    assert not regions(np.zeros((4, 4), np.uint8))["border"].any()

    statistic = RegionStatistics(width=2)
    f = np.linspace(0.2, 0.8, truth.size, dtype=np.float32).reshape(truth.shape)
    statistic.add(f, truth, "a")
    whole = Statistic.empty()
    whole.add(f, truth, "a")
    for protocol in ("raw", "stretched"):  # each region is stretched as the map is, not by itself
        total = sum(getattr(s, protocol).count for s in statistic.by_name.values())
        assert np.array_equal(total, getattr(whole, protocol).count)


def test_the_verb(folders, tmp_path):
    maps, masks = folders
    app = typer.Typer()
    app.command()(judge)
    out = tmp_path / "out"
    told = CliRunner().invoke(
        app,
        [*("--pred", str(maps), "--mask", str(masks), "--out", str(out), "--protocol", "stretched"), "--no-whole-maps"],
    )
    assert told.exit_code == 0, told.output
    for words in ("maps: 5 images, 10,000 pixels", "ece", "off by at most ece_equal_mass", "variance of training"):
        assert words in told.output
    result = json.loads((out / "metrics.json").read_text())
    assert "raw" not in result and set(result["intervals"]) == {"stretched"}
    for wrong in (["--pred", str(maps)], ["--pred", str(maps), "--mask", str(masks), "--ood"]):
        assert isinstance(CliRunner().invoke(app, [*wrong, "--out", str(out)]).exception, UserError)
    wrong = CliRunner().invoke(app, ["--pred", str(maps), "--ood", "--out", str(tmp_path / "no"), "--bins", "11"])
    assert isinstance(wrong.exception, UserError) and not (tmp_path / "no").exists()


def test_reading_files(tmp_path):
    np.save(tmp_path / "half.npy", np.float16([[0.5]]))
    assert read_map(tmp_path / "half.npy").dtype == np.float32
    np.savez(tmp_path / "two.npz", a=np.zeros(1), b=np.zeros(1))
    with pytest.raises(Unusable, match="2 arrays"):
        read_map(tmp_path / "two.npz")
    np.save(tmp_path / "nan.npy", np.float32([[np.nan]]))
    with pytest.raises(Unusable, match="probabilities"):
        read_map(tmp_path / "nan.npy")
    np.save(tmp_path / "object.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    with pytest.raises(Unusable, match="not readable"):
        read_map(tmp_path / "object.npy")
    cv2.imwrite(str(tmp_path / "01.png"), np.uint8([[0, 1, 1]]))
    assert read_mask(tmp_path / "01.png", Meaning(top=1))[0].tolist() == [[0, 1, 1]]
    cv2.imwrite(str(tmp_path / "grey.png"), np.uint8([[0, 127, 128, 255]]))
    assert read_mask(tmp_path / "grey.png")[0].tolist() == [[0, 0, 1, 1]] and read_mask(tmp_path / "grey.png")[1] == 2
    assert read_mask(tmp_path / "grey.png", Meaning(127))[0].tolist() == [[0, 255, 1, 1]]
    cv2.imwrite(str(tmp_path / "rgb.png"), np.full((2, 2, 3), 255, np.uint8))
    assert read_mask(tmp_path / "rgb.png")[0].tolist() == [[1, 1], [1, 1]]
    assert fitted(np.uint8([[0, 200]]), (1, 4)).dtype == np.uint8


@pytest.mark.parametrize("name", ["ECSSD", "DTD"])
def test_maps_of_a_published_model_give_its_authors_numbers(downloads, tmp_path, name):
    """U2-Net's maps against what the released evaluation program prints for them."""
    saved = downloads / "predictions"
    if not (saved / "U2Net" / f"{name}.tar").is_file():
        pytest.skip(f"no saved maps of {name}")
    with tarfile.open(saved / "U2Net" / f"{name}.tar") as archive:
        archive.extractall(tmp_path / "maps", filter="data")
    with tarfile.open(downloads / "archives" / f"{name}.tar") as archive:
        archive.extractall(tmp_path / "set", filter="data")
    masks = tmp_path / "set" / "GT"
    stems = {path.stem for path in (tmp_path / "maps").iterdir()}
    for path in masks.iterdir():
        if path.stem not in stems:
            path.unlink()
    result = judge_folder(tmp_path / "maps", masks, "U2Net", tmp_path / "out", whole=False, resamples=0)
    reference = json.loads((saved / "reference.json").read_text())[name]
    for key in ("ece", "oe", "accuracy", "ece_debiased_authors"):
        assert result["raw"][key] == pytest.approx(reference[key], abs=2e-6), key
    # Theirs leaves out and repeats pixels where ties meet edges taken from a sample: of the same size only.
    theirs = reference["ece_equal_mass_authors"]
    assert 0.5 * theirs < result["raw"]["ece_equal_mass"] < 1.5 * theirs
    assert abs(result["raw"]["ece"] - result["stretched"]["ece"]) > 1e-4


def test_maps_of_several_classes(tmp_path):
    maps, masks = tmp_path / "maps", tmp_path / "masks"
    maps.mkdir(), masks.mkdir()
    statistic = MultiClassStatistic.empty(4)
    for k in range(4):
        rng = np.random.default_rng(k)
        z = rng.normal(0, 2, (4, 20, 30))
        p = (np.exp(z) / np.exp(z).sum(axis=0)).astype(np.float32)
        truth = rng.integers(0, 4, (20, 30)).astype(np.uint8)
        truth[:2] = 11
        np.savez_compressed(maps / f"m{k}.npz", p)
        cv2.imwrite(str(masks / f"m{k}.png"), truth)
        statistic.add(p, truth, f"m{k}", ignore=11)
    result = judge_folder(maps, masks, "four", tmp_path / "out", ignore=11, resamples=30)
    assert (result["n_classes"], result["n_pixels"]) == (4, 4 * 18 * 30)
    assert result["raw"] == multiclass.summary(statistic)[0]
    low, high = result["intervals"]["raw"]["ece"]
    assert low < result["raw"]["ece"] < high
    rows = list(csv.DictReader((tmp_path / "out" / "images.csv").open()))
    assert 0 < result["bounds"]["raw"]["ece_equal_mass"] < 0.02 and set(result["bounds"]["raw"]) == {
        "ece_equal_mass",
        "ece_sweep",
    }
    assert len(rows) == 4 and float(rows[0]["raw_ece"]) >= float(rows[-1]["raw_ece"]) > 0
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["raw"] == result["raw"]

    with pytest.raises(UserError, match="several classes"):
        judge_folder(maps, masks, "four", tmp_path / "no", ignore=11, protocols=("stretched",))
    np.savez(maps / "m1.npz", p * 2)
    np.save(masks / "m2.npy", np.float32(truth)), (masks / "m2.png").unlink()
    with pytest.raises(UserError) as told:
        judge_folder(maps, masks, "four", tmp_path / "no", ignore=None)
    for words in ("m1.npz: values from", "m2.npy: an array", "m3"):  # without --ignore, class 11 does not exist
        assert words in str(told.value)
    assert not (tmp_path / "no").exists()


def test_pairs_are_in_the_order_of_their_stems_and_whole_maps_too(folders):
    maps, masks = folders
    (maps / ".hidden.png").write_bytes(b""), (maps / "notes.txt").write_text("no map")
    found = pairs(maps, masks)
    assert [pair.stem for pair in found] == ["a0", "a1", "a2", "a3", "a4"]
    assert all(pair.map.is_file() and pair.mask.is_file() and pair.map.stem == pair.mask.stem for pair in found)
    of_all = judging.whole_maps(found, USUAL, workers=2)
    last = whole_map_measures(*judging.read(found[4])[:2])
    for protocol in ("raw", "stretched"):
        assert dict(zip(NAMES, of_all[protocol][4], strict=True)) == last[protocol]
