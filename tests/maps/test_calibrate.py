"""Saved maps calibrated: what is fitted, what is chosen, what is written, and that `judge` says the same."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
from scipy.special import expit, logit, softmax

from pipeline_src.calibrators.calibrator import calibrated, fitted
from pipeline_src.calibrators.registry import CALIBRATORS, calibrator_class, read_calibrator
from pipeline_src.calibrators.temperature import TemperatureCalibrator
from pipeline_src.errors import UserError
from pipeline_src.maps import calibrate, files
from pipeline_src.maps.calibrate import calibrate_folder, counts_and_pixels, overlap_warnings, write_calibrated
from pipeline_src.maps.checks import count_folder
from pipeline_src.maps.files import Form, pairs_and_warnings, read_map
from pipeline_src.maps.judge import judge_folder
from pipeline_src.maps.risk import folds_of
from pipeline_src.metrics.registry import value

KINDS = ("uint8", "uint16", "float32", "float16", "npz", "channel")
T = 2.5


def save(folder: Path, stem: str, f: np.ndarray, kind: str) -> None:
    if kind == "uint8":
        cv2.imwrite(str(folder / f"{stem}.png"), np.uint8(np.round(255 * f)))
    elif kind == "uint16":
        cv2.imwrite(str(folder / f"{stem}.tif"), np.uint16(np.round(65535 * f)))
    elif kind == "npz":
        np.savez_compressed(folder / f"{stem}.npz", probabilities=f.astype(np.float64))
    elif kind == "channel":
        np.save(folder / f"{stem}.npy", f[..., None].astype(np.float32))
    else:
        np.save(folder / f"{stem}.npy", f.astype(kind))


def made(root: Path, part: str, images: int, seed: int = 0) -> tuple[Path, Path]:
    """Maps in six formats, too sure by `T`, and their masks."""
    rng, (y, x) = np.random.default_rng([seed, images]), np.mgrid[:30, :40]
    maps, masks = root / part / "maps", root / part / "masks"
    maps.mkdir(parents=True), masks.mkdir()
    for i in range(images):
        z = rng.normal(2, 1) - np.hypot(y - 15, x - rng.integers(8, 32)) / 3
        cv2.imwrite(str(masks / f"a{i:02d}.png"), np.uint8(255 * (rng.random(z.shape) < expit(z))))
        save(maps, f"a{i:02d}", expit(T * z), KINDS[i % len(KINDS)])
    return maps, masks


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("sets")
    (pred, mask), (apply, test_mask) = made(root, "val", 18), made(root, "test", 12)
    return {"pred": pred, "mask": mask, "apply": apply, "test_mask": test_mask}


@pytest.fixture(scope="module")
def done(folders, tmp_path_factory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("done") / "out"
    return out, calibrate_folder(**folders, out=out, method="temperature", resamples=50)


def test_the_temperature_that_was_put_in_is_found(done):
    out, result = done
    calibrator, record = read_calibrator(out / "calibrator.json", 2, "", "")
    assert calibrator.temperature == pytest.approx(T, rel=0.1)
    assert record.fitted_on.pixels == 18 * 30 * 40 and record.fitted_on.images == 18
    ece = result["scores"]["ece"]
    assert ece["after"] < ece["before"] / 3
    for name in ("squared_error", "difference"):
        low, high = ece["intervals"][name]
        assert low < high < 0
    assert low < ece["after"] - ece["before"] < high and ece["changed"] == "lower"
    brier = result["scores"]["brier"]
    low, high = brier["intervals"]["difference"]
    assert low < brier["after"] - brier["before"] < high < 0 and brier["changed"] == "lower"
    accuracy = result["scores"]["accuracy"]
    assert accuracy["changed"] == ""
    assert accuracy["before"] == accuracy["after"]
    assert json.loads((out / "scores.json").read_text()) == json.loads(json.dumps(result))
    assert result["clamp"] == {"uint8": 1 / 510, "uint16": 1 / 131070, "float": 1e-7}


@pytest.mark.parametrize(("values", "limit"), [((50, 200), 0.01), ((100, 100), 100)])
def test_a_temperature_at_its_limit_is_told(values, limit, tmp_path):
    """Maps that are right everywhere, and maps of one value."""
    truth = np.uint8([[0, 1]] * 20)
    folders = [tmp_path / name for name in ("maps", "masks")]
    for folder, array in zip(folders, (np.uint8(values)[truth], 255 * truth), strict=True):
        folder.mkdir()
        for stem in "ab":
            cv2.imwrite(str(folder / f"{stem}.png"), array)
    result = calibrate_folder(*folders, folders[0], tmp_path / "out", resamples=0)
    assert read_calibrator(tmp_path / "out/calibrator.json", 2, "", "")[0].temperature == pytest.approx(limit, rel=0.01)
    assert any("temperature" in line for line in result["warnings"])


@pytest.mark.parametrize(("kind", "least"), [("uint8", 1 / 510), ("uint16", 1 / 131070), ("float32", 1e-7)])
def test_both_sides_of_a_comparison_have_the_clamp_of_the_type(kind, least, tmp_path):
    """A calibrator that changes nothing gains nothing; pixels of 0 and 1, right and wrong, weigh as the clamp says."""
    rng = np.random.default_rng(0)
    folders = [tmp_path / name for name in ("maps", "masks")]
    f, truth = np.float64([[0, 0, 1, 1, 0.4]] * 20), np.uint8([[0, 1, 0, 1, 1]] * 20)
    for folder in folders:
        folder.mkdir()
    for stem in ("a", "b"):
        save(folders[0], stem, f, kind)
        cv2.imwrite(str(folders[1] / f"{stem}.png"), 255 * rng.permuted(truth, axis=0))
    judged = judge_folder(*folders, "m", tmp_path / "judged", resamples=0)
    q = f[0].clip(least, 1 - least)
    expected = -np.log(np.where(truth[0], q, 1 - q)).mean()
    assert judged["raw"]["nll"] == pytest.approx(expected, rel=1e-4)  # 0.4 is rounded to a level
    identity = TemperatureCalibrator(temperature=1.0)
    _, after = write_calibrated(pairs_and_warnings(*folders)[0], identity, tmp_path / "same", Form())
    assert value("nll", after.counts()["raw"]) == pytest.approx(judged["raw"]["nll"], rel=1e-2)
    assert judged["clamp"] == {kind.replace("float32", "float"): least}


def test_maps_are_written_as_they_came(done, folders):
    out, _ = done
    calibrator, _ = read_calibrator(out / "calibrator.json", 2, "", "")
    originals = sorted(folders["apply"].iterdir())
    assert [path.name for path in originals] == sorted(path.name for path in (out / "maps").iterdir())
    for path in originals:
        written = out / "maps" / path.name
        if path.suffix in (".npy", ".npz"):
            original, calibrated_map = (np.load(file) for file in (path, written))
            if path.suffix == ".npz":
                assert list(original) == list(calibrated_map)
                original, calibrated_map = original["probabilities"], calibrated_map["probabilities"]
        else:
            original, calibrated_map = (cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in (path, written))
        kind = np.float32 if original.dtype == np.float16 else original.dtype
        assert (kind, original.shape) == (calibrated_map.dtype, calibrated_map.shape)
        assert not np.array_equal(original, calibrated_map)
        exact = calibrated(calibrator, read_map(path, Form())[0]).reshape(original.shape)
        assert np.array_equal(calibrated_map, exact.astype(kind))


def test_scores_are_those_of_judge_on_the_written_maps(done, folders, tmp_path):
    out, result = done
    original = judge_folder(folders["apply"], folders["test_mask"], "m", tmp_path / "before", resamples=0)
    written = judge_folder(out / "maps", folders["test_mask"], "m", tmp_path / "written", resamples=0)
    for name, score in result["scores"].items():
        assert score["before"] == original["raw"][name]
        assert score["after"] == pytest.approx(written["raw"][name], abs=1e-5)  # maps of float16 are rounded once more


def test_without_masks_each_image_is_scored_by_a_calibrator_that_has_not_seen_it(folders, tmp_path):
    """Against calibrators that are fitted and maps that are written fold by fold; AUGRC would compare folds."""
    pred, mask, apply = folders["pred"], folders["mask"], folders["apply"]
    result = calibrate_folder(pred, mask, apply, tmp_path / "out", method="platt", resamples=0)
    pairs = pairs_and_warnings(pred, mask)[0]
    (_, pixels), folds = counts_and_pixels(pairs, Form()), folds_of(np.arange(len(pairs)))
    for fold in range(5):
        selected = [pair for pair, of_pair in zip(pairs, folds, strict=True) if of_pair == fold]
        calibrator = fitted(calibrator_class("platt"), pixels.take(folds != fold))
        write_calibrated(selected, calibrator, tmp_path / "unseen", Form())
    judged = judge_folder(tmp_path / "unseen", mask, "m", tmp_path / "judged", resamples=0)["raw"]
    assert (result["scored_on"], result["scored_images"]) == ("cross-validation", 18)
    assert {name: score["after"] for name, score in result["scores"].items()} == pytest.approx(
        {name: judged[name] for name in ("ece", "brier", "nll", "accuracy")}, abs=1e-5
    )


def test_the_note_on_intervals_counts_the_images_that_are_resampled(folders, tmp_path):
    """As `judge` does: an image whose pixels are all ignored is not drawn."""
    mask = Path(shutil.copytree(folders["mask"], tmp_path / "mask"))
    cv2.imwrite(str(mask / "a00.png"), np.full((30, 40), 9, np.uint8))
    where = {"pred": folders["pred"], "mask": mask, "apply": folders["apply"], "out": tmp_path / "out"}
    result = calibrate_folder(**where, ignore=9, resamples=20)
    assert result["scored_images"] == 18 and any("17" in line for line in result["warnings"])
    for k in range(1, 9):
        shutil.copy(mask / "a00.png", mask / f"a{k:02d}.png")
    with pytest.raises(UserError, match=r"--method all[\s\S]+found: +9\n"):
        calibrate_folder(**where, ignore=9, method="all")


def test_another_type_than_that_of_the_fitted_maps_is_told(folders, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    cv2.imwrite(str(other / "x.png"), np.full((9, 9), 90, np.uint8))
    result = calibrate_folder(folders["pred"], folders["mask"], other, tmp_path / "out", resamples=0)
    assert any("uint8" in text for text in result["warnings"])


def test_fitted_images_among_the_scored_images_are_named(folders, tmp_path):
    """A copy under another name is named. Maps of a single value are not, because unrelated images can have them."""
    pred, mask, apply, test_mask = (Path(shutil.copytree(path, tmp_path / key)) for key, path in folders.items())
    for maps, masks in ((pred, mask), (apply, test_mask)):
        np.save(maps / "empty.npy", np.zeros((9, 9)))
        cv2.imwrite(str(masks / "empty.png"), np.zeros((9, 9), np.uint8))
    fit = count_folder(pairs_and_warnings(pred, mask)[0], Form())
    assert overlap_warnings(fit, count_folder(pairs_and_warnings(apply, test_mask)[0], Form())) == []
    shutil.copy(pred / "a01.tif", apply / "again.tif")
    shutil.copy(mask / "a01.png", test_mask / "again.png")
    (warning,) = overlap_warnings(fit, count_folder(pairs_and_warnings(apply, test_mask)[0], Form()))
    assert "(again)" in warning
    result = calibrate_folder(pred, mask, apply, tmp_path / "out", test_mask=test_mask, resamples=0)
    assert warning in result["warnings"]


@pytest.mark.parametrize("method", ["temperature", "vector", "dirichlet"])
def test_maps_of_three_classes(tmp_path, method):
    rng = np.random.default_rng(0)
    paths = [tmp_path / part / folder for part in ("val", "test") for folder in ("maps", "masks")]
    for maps, masks in (paths[:2], paths[2:]):
        maps.mkdir(parents=True), masks.mkdir()
        for i in range(6):
            z = rng.normal(0, 2, (3, 20, 30))
            truth = (z + rng.gumbel(size=z.shape)).argmax(0)
            truth[:3] = 255
            np.save(maps / f"{i}.npy", softmax(T * z, axis=0).astype(np.float32))
            cv2.imwrite(str(masks / f"{i}.png"), truth)
    result = calibrate_folder(*paths[:3], tmp_path / "out", method=method, test_mask=paths[3], resamples=0)
    assert result["scores"]["ece"]["after"] < result["scores"]["ece"]["before"] / 3
    assert result["fitted_on"]["pixels"] == 6 * 17 * 30
    written = np.load(tmp_path / "out/maps/0.npy")
    assert written.dtype == np.float32 and written.sum(axis=0) == pytest.approx(np.ones((20, 30)), abs=1e-6)


@pytest.mark.parametrize(
    ("method", "masks", "reads", "measured"),
    [("platt", True, 1, 2), ("platt", False, 2, 2), ("all", True, 2, 10), ("all", False, 2, 8)],
)
def test_each_file_is_read_once_and_with_cross_validation_fitted_files_twice(
    method, masks, reads, measured, folders, monkeypatch, tmp_path
):
    """And maps are resampled once by calibrator, those of the masks of `--test-mask` apart."""
    opened: Counter[Path] = Counter()
    load = files._load
    measures = Mock(wraps=calibrate.measure)
    monkeypatch.setattr(calibrate, "measure", measures)

    def counted_load(path: Path, palette: str):
        opened[path] += 1
        return load(path, palette)

    monkeypatch.setattr(files, "_load", counted_load)
    where = {name: folder for name, folder in folders.items() if masks or name != "test_mask"}
    calibrate_folder(**where, out=tmp_path / "out", method=method, resamples=20 if method == "all" else 0)
    for name, folder in where.items():
        expected = reads if name in ("pred", "mask") else 1
        assert {path: opened[path] for path in folder.iterdir()} == dict.fromkeys(folder.iterdir(), expected)
    assert measures.call_count == measured


def test_all_calibrators_are_compared_and_the_simplest_of_the_tie_is_applied(folders, tmp_path, monkeypatch):
    """Each has the scores of a run of its own; the maps are those of the one that is applied."""
    monkeypatch.chdir(tmp_path)
    where = {name: folders[name] for name in ("pred", "mask", "apply")}
    result = calibrate_folder(**where, out=Path("all"), method="all", resamples=200)
    table = result["calibrators"]
    assert list(table) == ["baseline", *(name for name in CALIBRATORS if name != "vector")]
    for name, entry in table.items():
        alone = calibrate_folder(**where, out=Path(name), method=name, resamples=0) if name != "baseline" else None
        for metric in ("ece", "brier", "nll", "accuracy"):
            score = entry["scores"][metric]
            expected = alone["scores"][metric]["after"] if alone else result["scores"][metric]["before"]
            assert score["value"] == expected
            low, high = score["intervals"]["difference"]
            assert low - 1e-9 <= score["value"] - score["temperature"] <= high + 1e-9
    assert result["method"] == "temperature" and table["temperature"]["outcome"] == "recommended"
    assert table["isotonic"]["outcome"] == "tied" and table["baseline"]["outcome"] == "baseline"
    for path in (Path("temperature") / "maps").iterdir():
        assert path.read_bytes() == (Path("all/maps") / path.name).read_bytes()
    assert Path("all/calibrator.json").read_bytes() == Path("temperature/calibrator.json").read_bytes()
    with pytest.raises(UserError, match="--resamples"):
        calibrate_folder(**where, out=Path("none"), method="all", resamples=0)


def shifted(root: Path, factor: float, bias: float, classes: int = 0) -> dict[str, Path]:
    """40 maps whose logits are `factor` z + `bias`, and their masks."""
    rng = np.random.default_rng(0)
    maps, masks = root / "maps", root / "masks"
    maps.mkdir(), masks.mkdir()
    for i in range(40):
        z = rng.normal(0, 2, (max(classes, 1), 20, 30))
        truth = (z + rng.gumbel(size=z.shape)).argmax(0) if classes else 255 * (rng.random((20, 30)) < expit(z[0]))
        f = softmax(factor * z, axis=0) if classes else expit(factor * z[0] + bias)
        np.save(maps / f"{i:02d}.npy", f.astype(np.float32))
        cv2.imwrite(str(masks / f"{i:02d}.png"), np.uint8(truth))
    return {"pred": maps, "mask": masks, "apply": maps, "out": root / "out"}


def test_calibrated_maps_are_left_as_they_are(tmp_path):
    where = shifted(tmp_path, 1, 0)
    result = calibrate_folder(**where, method="all", resamples=200)
    assert result["method"] == "baseline" and result["calibrators"]["baseline"]["outcome"] == "recommended"
    assert result["scores"]["ece"]["before"] == result["scores"]["ece"]["after"]
    for path in where["apply"].iterdir():
        assert np.load(path) == pytest.approx(np.load(where["out"] / "maps" / path.name), abs=1e-6)


def test_maps_of_another_size_are_scored_as_they_are_fitted(tmp_path):
    where = shifted(tmp_path, T, 0)
    for path in where["pred"].iterdir():
        np.save(path, logit(np.load(path)[::2, ::2].clip(1e-6, 1 - 1e-6)))
    for test_mask in (None, where["mask"]):
        result = calibrate_folder(**where, test_mask=test_mask, logits=True, resamples=0)
        assert result["scores"]["accuracy"]["before"] == result["scores"]["accuracy"]["after"]
        assert any("size of the masks" in line for line in result["warnings"])
    assert result["scores"]["nll"]["after"] == pytest.approx(result["fitted_on"]["nll_after"], rel=1e-4)


def test_what_no_temperature_corrects_gets_another_calibrator(tmp_path):
    result = calibrate_folder(**shifted(tmp_path, 1, 2), method="all", resamples=200, test_mask=tmp_path / "masks")
    assert result["method"] == "platt" and result["scored_on"] == str(tmp_path / "maps")
    assert result["calibrators"]["temperature"]["outcome"] != "recommended"
    scores = result["calibrators"]["platt"]["scores"]
    assert {scores[name]["changed"] for name in ("ece", "brier", "nll")} == {"lower"}
    assert "augrc" in result["scores"] and result["scores"]["ece"]["changed"] == "lower"


def test_the_calibrators_of_several_classes(tmp_path):
    result = calibrate_folder(**shifted(tmp_path, T, 0, classes=3), method="all", resamples=100)
    assert list(result["calibrators"]) == ["baseline", "temperature", "platt", "image_temperature", "dirichlet"]
    assert result["method"] == "temperature"


PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, capture_output=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
"""


def peak_memory(root: Path, shape: tuple[int, int], masks: bool) -> int:
    """Bytes at the peak of `calibrate` on two float32 maps to fit to and two to calibrate."""
    rng = np.random.default_rng(0)
    for part in ("val", "test"):
        for name in ("maps", "masks"):
            (root / part / name).mkdir(parents=True)
        for stem in ("a", "b"):
            z = rng.normal(size=shape).astype(np.float32)
            np.save(root / part / f"maps/{stem}.npy", expit(T * z))
            cv2.imwrite(str(root / part / f"masks/{stem}.png"), np.uint8(255 * (rng.random(shape) < expit(z))))
    options = {"--pred": "val/maps", "--mask": "val/masks", "--apply": "test/maps", "--out": "out"}
    if masks:
        options["--test-mask"] = "test/masks"
    words = [str(word) for option, name in options.items() for word in (option, root / name)]
    command = [sys.executable, "-c", PEAK, sys.executable, "-m", "pipeline_src", "calibrate", *words]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.slow
@pytest.mark.parametrize("masks", [True, False])
def test_memory_holds_six_maps_at_most(masks, tmp_path):
    shape = (3000, 4000)
    tiny = peak_memory(tmp_path / "tiny", (30, 40), masks)
    large = peak_memory(tmp_path / "large", shape, masks)
    assert (large - tiny) / (np.dtype(np.float32).itemsize * np.prod(shape)) < 6
