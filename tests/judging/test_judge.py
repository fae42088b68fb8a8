"""Judging folders of maps: right numbers, every problem named at once, nothing half-written."""

from __future__ import annotations

import csv
import json
import os

import cv2
import numpy as np
import pytest
from damaged import full_disk

from pipeline_src.analysis.resampling import resample_counts
from pipeline_src.counting.statistic import TwoClassStatistic
from pipeline_src.counting.whole_maps import MEASURES, whole_map_measures
from pipeline_src.errors import UserError
from pipeline_src.files import read_sums, sha256
from pipeline_src.judging import folder as judging
from pipeline_src.judging.arrays import fitted, mask_values, read_map
from pipeline_src.judging.files import UnusableFileError, pair_files
from pipeline_src.judging.folder import judge_folder
from pipeline_src.judging.masks import USUAL, Meaning, truth_of
from pipeline_src.judging.two_classes import count, read
from pipeline_src.judging.whole_images import whole_images
from pipeline_src.metrics.per_image import per_image
from pipeline_src.metrics.protocol_counts import ProtocolCounts
from pipeline_src.metrics.summary import value


def scene(seed):
    rng = np.random.default_rng(seed)
    yy, xx = np.mgrid[:40, :50]
    mask = (np.hypot(yy - 20, xx - 20 - seed) < 10).astype(np.uint8)
    f = 1 / (1 + np.exp(-(3 * (mask - 0.5) + rng.normal(0, 2, mask.shape)) * 2))
    return f.astype(np.float32), mask


@pytest.fixture
def folders(tmp_path):
    """Five maps, in every format that is read, and their masks."""
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
    statistic = TwoClassStatistic.empty()
    for path in sorted(maps.iterdir()):
        mask = next(masks.glob(path.stem + ".*"))
        statistic.add(read_map(path), truth_of(*mask_values(mask))[0], path.stem)
    return statistic


def test_every_format_is_judged_and_all_is_written(folders, tmp_path, monkeypatch):
    maps, masks = folders
    out, drawn = tmp_path / "out", {}

    def draw(counts, bins, title, lines, stem, band):
        drawn[stem.name] = counts, lines[1:], band

    monkeypatch.setattr(judging, "draw_counts", draw)
    result = judge_folder(maps, masks, "mine", out, resamples=50, diagrams=True)
    assert json.loads((out / "metrics.json").read_text()) == json.loads(json.dumps(result))
    written = {"metrics.json", "statistic.npz", "images.csv"}
    assert {p.name for p in out.iterdir()} == {*written, "metrics.sha256"}
    assert read_sums(out / "metrics.sha256") == {name: sha256(out / name) for name in written}
    assert (result["name"], result["n_images"], result["n_pixels"], result["bins"]) == ("mine", 5, 5 * 2000, 10)
    statistic = expected(maps, masks)
    assert TwoClassStatistic.load(out / "statistic.npz")[0] == statistic
    for protocol in ("raw", "stretched"):
        found = [(name, result[protocol][name], *result["intervals"][protocol][name]) for name in ("ece", "oe")]
        errors = [f"{name.upper()} {100 * v:.2f} % [{100 * low:.2f}, {100 * high:.2f}]" for name, v, low, high in found]
        below = [f"{protocol} protocol · 10 bins · 95 % intervals over images", " · ".join(errors)]
        counts, lines, band = drawn.pop(f"reliability-{protocol}")
        assert (counts, lines) == (getattr(statistic, protocol), ["5 images · 10,000 pixels", *below])
        ends = result["intervals"][protocol]["accuracy"]  # by pixels; bins of an image are known by 8-bit levels
        assert band[-1].tolist() == pytest.approx(ends, abs=2e-3)
        assert np.isnan(band[:5]).all() and not np.isnan(band[5:10]).all()
    assert not drawn
    names = "ece ece_equal_mass ece_sweep ece_debiased smooth_ece oe ue accuracy brier nll entropy mae max_f"
    for protocol in ("raw", "stretched"):
        for name in names.split():
            assert result[protocol][name] == value(name, getattr(statistic, protocol))
            low, high = result["intervals"][protocol][name]
            assert low <= high
        for name in ("s_measure", "e_measure", "weighted_f"):
            low, high = result["intervals"][protocol][name]
            assert 0 < low <= result[protocol][name] <= high < 1
    rows = list(csv.DictReader((out / "images.csv").open()))
    assert sorted(r["id"] for r in rows) == ["a0", "a1", "a2", "a3", "a4"]
    assert [float(r["raw_ece"]) for r in rows] == sorted((float(r["raw_ece"]) for r in rows), reverse=True)
    assert result["warnings"] == ["intervals over 5 images, fewer than 10, are rough (Student's t)"]
    assert 0 < result["bounds"]["raw"]["ece_equal_mass"] < 0.02 and 0 < result["bounds"]["raw"]["auc"] < 1e-3


def test_each_image_by_itself(folders, tmp_path):
    maps, masks = folders
    judge_folder(maps, masks, "mine", tmp_path / "out", resamples=0)
    rows = {r["id"]: r for r in csv.DictReader((tmp_path / "out" / "images.csv").open())}
    for path in maps.iterdir():
        alone = TwoClassStatistic.empty()
        alone.add(read_map(path), truth_of(*mask_values(next(masks.glob(path.stem + ".*"))))[0], path.stem)
        row = rows[path.stem]
        for name in ("accuracy", "nll", "brier", "entropy", "mae", "max_f"):
            assert float(row[f"stretched_{name}"]) == pytest.approx(value(name, alone.stretched), rel=1e-5)
        assert float(row["raw_ece"]) == pytest.approx(value("ece", alone.raw), abs=5e-3)
        gap = float(row["raw_confidence"]) - float(row["raw_accuracy"])
        assert gap == pytest.approx(float(row["raw_gap"]), abs=2e-6)


def test_the_ece_of_each_image_is_exact_for_8_bit_maps():
    together, alone = TwoClassStatistic.empty(), {}
    for k in range(6):
        f, mask = scene(k)
        alone[str(k)] = TwoClassStatistic.empty()
        for statistic in (together, alone[str(k)]):
            statistic.add(np.uint8(np.round((0.3 + 0.6 * f) * 255)), mask, str(k))
    [(_, table)] = per_image(together.raw)
    for k, name in enumerate(together.raw.rows.ids):
        for key in ("ece", "oe"):
            assert table[key][k] == pytest.approx(value(key, alone[name].raw), abs=1e-12)


def test_whole_map_metrics_are_those_of_the_maps(folders, tmp_path):
    maps, masks = folders
    for path in [*maps.iterdir(), *masks.iterdir()]:
        if not path.name.startswith("a0"):
            path.unlink()
    result = judge_folder(maps, masks, "mine", tmp_path / "out", resamples=0)
    v, mask = cv2.imread(str(maps / "a0.png"), 0), cv2.imread(str(masks / "a0.png"), 0)
    expected = whole_map_measures(v, (mask > 127).astype(np.uint8))
    assert result["bounds"] == {"raw": {}, "stretched": {}}  # the one map has 8 bits: exact
    for protocol, values in expected.items():
        assert {name: result[protocol][name] for name in MEASURES} == pytest.approx(values, abs=1e-12)


def test_all_problems_are_named_at_once_and_nothing_is_written(folders, tmp_path):
    maps, masks = folders
    (maps / "a0.png").write_bytes(b"no image")
    np.save(maps / "a2.npy", np.float32([[0.5, 1.5]]))
    np.save(maps / "a4.npy", np.int64([[0, 1]]))
    np.save(masks / "a4.npy", np.float32([[7, 300]]))
    cv2.imwrite(str(masks / "a1.png"), np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8))
    with pytest.raises(UserError) as error:
        judge_folder(maps, masks, "mine", tmp_path / "out")
    for words in (
        "a0.png: the file cannot be decoded",
        "a2.npy: values from 0.5 to 1.5",
        "a4.npy",
        "a1.png: a colour image",
    ):
        assert words in str(error.value)
    assert not (tmp_path / "out").exists()


def test_missing_partners_and_duplicate_stems_are_named_at_once(folders, tmp_path):
    maps, masks = folders
    (masks / "a1.png").unlink()
    (maps / "a2.npy").unlink()
    np.save(maps / "a0.npy", np.zeros((4, 4), np.float32))
    with pytest.raises(UserError) as error:
        judge_folder(maps, masks, "mine", tmp_path / "out")
    for words in ("a1.png: no mask", "a2.png: no prediction map", "a0.npy and a0.png: the same stem"):
        assert words in str(error.value)
    (maps / "a3.npz").write_bytes(b"no array")
    with pytest.raises(UserError, match=r"4 file\(s\)") as error:  # partners and contents together
        judge_folder(maps, masks, "mine", tmp_path / "out")
    for words in ("a1.png: no mask", "a3.npz: not readable"):
        assert words in str(error.value)
    for path in masks.iterdir():
        path.rename(path.with_name("b" + path.name))
    with pytest.raises(UserError, match="no mask"):
        judge_folder(maps, masks, "mine", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no file with one of") as error:
        judge_folder(tmp_path / "empty", tmp_path / "nowhere", "mine", tmp_path / "out")
    assert "nowhere: no such folder" in str(error.value)


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
    result = judge_folder(maps, None, "mine", tmp_path / "out", resamples=20)
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


def test_resamples_without_a_pixel_leave_no_interval_and_warn_of_nothing(folders, tmp_path, recwarn):
    maps, masks = folders
    for name in ("a0", "a1", "a2", "a3"):
        cv2.imwrite(str(masks / f"{name}.png"), np.full((40, 50), 9, np.uint8))
    result = judge_folder(maps, masks, "mine", tmp_path / "out", ignore=9, resamples=20, whole=False)
    assert result["n_pixels"] == 2000 and result["raw"]["ece"] > 0
    assert result["intervals"]["raw"]["ece"] is None and [str(w) for w in recwarn] == []


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_old_results_are_removed_before_new_ones_are_put_in_their_place(folders, tmp_path, monkeypatch):
    options = {"resamples": 0, "whole": False}
    judge_folder(*folders, "mine", out := tmp_path / "out", **options)
    replace = os.replace

    def killed(source, target):
        if target == out / "images.csv":
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "replace", killed)
        judge_folder(*folders, "mine", out, bins=15, **options)
    assert not (out / "metrics.json").exists()
    judge_folder(*folders, "mine", out, bins=15, **options)
    judge_folder(*folders, "mine", tmp_path / "new", bins=15, **options)
    assert contents(out) == contents(tmp_path / "new")


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(4))
def test_a_full_disk_leaves_what_was_there_as_it_was(folders, tmp_path, moment):
    options = {"resamples": 0, "whole": False}
    judge_folder(*folders, "mine", out := tmp_path / "out", **options)
    before = contents(out)
    with full_disk(moment), pytest.raises(UserError, match=r"the disk is full(.|\n)*was there before is as it was"):
        judge_folder(*folders, "mine", out, bins=15, **options)
    assert contents(out) == before


def test_reading_files(tmp_path):
    np.save(tmp_path / "half.npy", np.float16([[0.5]]))
    assert read_map(tmp_path / "half.npy").dtype == np.float32
    np.savez(tmp_path / "two.npz", a=np.zeros(1), b=np.zeros(1))
    with pytest.raises(UnusableFileError, match="2 arrays"):
        read_map(tmp_path / "two.npz")
    cv2.imwrite(str(tmp_path / "01.png"), np.uint8([[0, 1, 1]]))
    assert truth_of(*mask_values(tmp_path / "01.png"), Meaning(foreground=1))[0].tolist() == [[0, 1, 1]]
    cv2.imwrite(str(tmp_path / "grey.png"), np.uint8([[0, 127, 128, 255]]))
    assert (
        truth_of(*mask_values(tmp_path / "grey.png"))[0].tolist() == [[0, 0, 1, 1]]
        and truth_of(*mask_values(tmp_path / "grey.png"))[1] == 2
    )
    assert truth_of(*mask_values(tmp_path / "grey.png", 127), Meaning(127))[0].tolist() == [[0, 255, 1, 1]]
    cv2.imwrite(str(tmp_path / "rgb.png"), np.full((2, 2, 3), 255, np.uint8))
    assert truth_of(*mask_values(tmp_path / "rgb.png"))[0].tolist() == [[1, 1], [1, 1]]
    assert fitted(np.uint8([[0, 200]]), (1, 4)).dtype == np.uint8


@pytest.mark.slow
def test_pairs_are_in_the_order_of_their_stems_and_whole_maps_of_several_processes_too(folders, monkeypatch):
    maps, masks = folders
    (maps / ".hidden.png").write_bytes(b""), (maps / "notes.txt").write_text("no map")
    found = pair_files(maps, masks)
    assert [pair.stem for pair in found] == ["a0", "a1", "a2", "a3", "a4"]
    assert all(pair.map.is_file() and pair.mask.is_file() and pair.map.stem == pair.mask.stem for pair in found)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1}, raising=False)
    monkeypatch.setattr("pipeline_src.judging.whole_images.EACH", 2)
    of_all = whole_images(found, USUAL, 4)
    last = whole_map_measures(*read(found[4])[:2])
    for protocol in ("raw", "stretched"):
        assert dict(zip(MEASURES, of_all[protocol].table[4], strict=True)) == last[protocol]


def test_images_of_a_group_are_resampled_together(folders, tmp_path):
    maps, masks = folders
    names = sorted(path.stem for path in maps.iterdir())
    (tmp_path / "clips.csv").write_text("id,group\n" + "".join(f"{name},{k // 2}\n" for k, name in enumerate(names)))
    alone = judge_folder(maps, masks, "a", tmp_path / "a", resamples=50)
    both = judge_folder(maps, masks, "b", tmp_path / "b", resamples=50, groups=str(tmp_path / "clips.csv"))
    assert "groups" not in alone and f"over {-(-len(names) // 2)} groups" in both["groups"]
    assert both["raw"]["ece"] == alone["raw"]["ece"]
    assert both["intervals"]["raw"]["ece"] != alone["intervals"]["raw"]["ece"]
    one = judge_folder(maps, masks, "c", tmp_path / "c", resamples=50, groups="^(a)")
    assert set(one["intervals"]["raw"].values()) == {None}


def test_what_noise_adds_is_reckoned_over_the_groups(folders, tmp_path):
    """Points are those that are resampled: a noise floor over images can lie outside of its interval over groups."""
    maps, masks = folders
    groups = np.array([0, 0, 0, 1, 2])
    (tmp_path / "groups.csv").write_text("id,group\n" + "".join(f"a{k},{group}\n" for k, group in enumerate(groups)))
    options = {"protocols": ("raw",), "border": 2, "whole": False, "resamples": 0}
    over_groups = judge_folder(maps, masks, "a", tmp_path / "a", groups=str(tmp_path / "groups.csv"), **options)
    over_images = judge_folder(maps, masks, "b", tmp_path / "b", **options)
    counted = count(pair_files(maps, masks), None, 2)
    wanted = resample_counts(ProtocolCounts.by_protocol(counted.statistic)["raw"], 10, 0, 0, groups).points
    assert {name: value for name, value in over_groups["raw"].items() if value is not None} == wanted
    assert {"ece_floor", "squared_error"} <= {n for n, of in wanted.items() if of != over_images["raw"][n]}
    for name, of in counted.regions.by_name.items():
        wanted = resample_counts(ProtocolCounts.by_protocol(of)["raw"], 10, 0, 0, groups).points
        found = over_groups["regions"]["raw"][name]
        assert {n: of for n, of in found.items() if n != "n_pixels" and of is not None} == wanted


def test_a_first_mask_that_means_something_else_than_all_together_is_read_again(tmp_path):
    maps, masks = tmp_path / "maps", tmp_path / "masks"
    maps.mkdir(), masks.mkdir()
    soft = np.uint8([[0, 1, 64, 127, 128, 200, 255, 255]])
    for stem, mask in (("a", np.uint8([[0, 1, 1, 0, 0, 0, 0, 0]])), ("b", soft), ("c", np.asfortranarray(soft))):
        cv2.imwrite(str(maps / f"{stem}.png"), np.uint8([[10, 20, 30, 40, 50, 60, 70, 80]]))
        np.save(masks / f"{stem}.npy", mask)
    counted = count(pair_files(maps, masks))
    assert counted.meaning.foreground == 255 and counted.grey_pixels == 2 + 2 * 5
    assert counted.statistic.raw.count[:, :, 1].sum() == 2 * 4
    np.save(masks / "b.npy", np.uint8(soft > 127)), np.save(masks / "c.npy", np.uint8(soft > 127))
    counted = count(pair_files(maps, masks))
    assert counted.meaning.foreground == 1 and counted.grey_pixels == 0
    assert counted.statistic.raw.count[:, :, 1].sum() == 2 + 2 * 4


def test_few_images_are_those_that_have_pixels_that_count(tmp_path):
    maps, masks = tmp_path / "maps", tmp_path / "masks"
    maps.mkdir(), masks.mkdir()
    for k in range(12):
        mask = np.tile(np.uint8([0, 255]), (8, 4)) if k < 5 else np.full((8, 8), 77, np.uint8)
        cv2.imwrite(str(maps / f"{k:02d}.png"), np.arange(64, dtype=np.uint8).reshape(8, 8) * 4)
        cv2.imwrite(str(masks / f"{k:02d}.png"), mask)
    result = judge_folder(maps, masks, "few", tmp_path / "out", ignore=77, resamples=50, whole=False)
    assert any("5 images" in warning for warning in result["warnings"])
