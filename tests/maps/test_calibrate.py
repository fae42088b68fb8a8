"""Saved maps calibrated: what is fitted, what is chosen, what is written, and that `judge` says the same."""

from __future__ import annotations

import json
import os
import re
import shutil
import tarfile
from pathlib import Path
from zipfile import ZipFile

import cv2
import numpy as np
import pytest
from damaged import full_disk
from scipy.special import expit, softmax
from typer.testing import CliRunner

from pipeline_src.calibrators import files, selection
from pipeline_src.calibrators.calibrator import calibrated, fitted
from pipeline_src.calibrators.temperature import TemperatureCalibrator
from pipeline_src.cli.main import app
from pipeline_src.counting.accumulate import add_fractions
from pipeline_src.counting.counts import Counts
from pipeline_src.counting.levels import UNIT
from pipeline_src.errors import UserError
from pipeline_src.maps.calibrate import calibrate_folder, pixels_of, write_calibrated
from pipeline_src.maps.counts import count
from pipeline_src.maps.judge import judge_folder
from pipeline_src.maps.pairs import pair_files
from pipeline_src.maps.reader import read_map
from pipeline_src.metrics.registry import METRICS
from pipeline_src.metrics.summary import value

KINDS = ("uint8", "uint16", "float32", "float16", "npz", "channel")
CAPITALS = {".NPY": "float32", ".NPZ": "npz", ".Png": "uint8", ".TIF": "uint16"}  # of the same names in small letters
T = 2.5


def save(folder: Path, stem: str, f: np.ndarray, kind: str) -> None:
    if kind == "uint8":
        cv2.imwrite(str(folder / f"{stem}.png"), np.uint8(np.round(255 * f)))
    elif kind == "uint16":
        cv2.imwrite(str(folder / f"{stem}.tif"), np.uint16(np.round(65535 * f)))
    elif kind == "npz":  # with a name that numpy.savez has an argument of
        with ZipFile(folder / f"{stem}.npz", "w") as file, file.open("file.npy", "w") as member:
            np.lib.format.write_array(member, f.astype(np.float64))
    elif kind == "channel":
        np.save(folder / f"{stem}.npy", f[..., None].astype(np.float32))
    else:
        np.save(folder / f"{stem}.npy", f.astype(kind))


def made(root: Path, part: str, images: int, seed: int = 0) -> tuple[Path, Path]:
    """Maps in all formats, too sure by `T`, and their masks."""
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
    calibrator, record = files.read(out / "calibrator.json")
    assert calibrator.temperature == pytest.approx(T, rel=0.1)
    assert record.fitted_on.pixels == 18 * 30 * 40 and record.fitted_on.images == 18
    ece = result["scores"]["ece"]
    assert ece["after"] < ece["before"] / 3
    low, high = ece["intervals"]["squared_error"]
    assert low < high < 0 and (ece["intervals"]["difference"], ece["changed"]) == (None, "lower")
    brier = result["scores"]["brier"]
    low, high = brier["intervals"]["difference"]
    assert low < brier["after"] - brier["before"] < high < 0 and brier["changed"] == "lower"
    accuracy = result["scores"]["accuracy"]
    assert accuracy["changed"] == ""
    assert accuracy["before"] == accuracy["after"]
    assert json.loads((out / "scores.json").read_text()) == json.loads(json.dumps(result))


def test_maps_are_written_as_they_came(done, folders):
    out, _ = done
    calibrator, _ = files.read(out / "calibrator.json")
    originals = sorted(folders["apply"].iterdir())
    assert [path.name for path in originals] == sorted(path.name for path in (out / "maps").iterdir())
    for path in originals:
        written = out / "maps" / path.name
        if path.suffix in (".npy", ".npz"):
            before, after = (np.load(each) for each in (path, written))
            if path.suffix == ".npz":
                assert list(before) == list(after)
                before, after = before["file"], after["file"]
        else:
            before, after = (cv2.imread(str(each), cv2.IMREAD_UNCHANGED) for each in (path, written))
        kind = np.float32 if before.dtype == np.float16 else before.dtype
        assert (kind, before.shape) == (after.dtype, after.shape)
        assert not np.array_equal(before, after)
        exact = calibrated(calibrator, read_map(path)).reshape(before.shape)
        assert np.array_equal(after, exact.astype(kind))


def test_a_half_precision_map_keeps_its_classes(tmp_path):
    (tmp_path / "maps").mkdir()
    f = np.nextafter(np.float16(0.5), np.float16(0)) * np.ones((4, 5), np.float16)
    np.save(tmp_path / "maps/a.npy", f)  # T = 2.5 moves it nearer to 0.5 than float16 can say
    write_calibrated(pair_files(tmp_path / "maps", None), TemperatureCalibrator(temperature=T), tmp_path / "out")
    assert (np.load(tmp_path / "out/a.npy") < 0.5).all()


@pytest.mark.parametrize("suffix", [".NPY", ".NPZ", ".Png", ".TIF"])
def test_names_in_capitals_stay_and_nothing_else_is_written(tmp_path, suffix):
    (tmp_path / "maps").mkdir()
    save(tmp_path / "maps", "a", np.linspace(0.1, 0.9, 20).reshape(4, 5), CAPITALS[suffix])
    (written,) = (tmp_path / "maps").iterdir()
    written.rename(tmp_path / "maps" / f"a{suffix}")
    calibrator = TemperatureCalibrator(temperature=T)
    (pair,) = pairs = pair_files(tmp_path / "maps", None)
    write_calibrated(pairs, calibrator, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"a{suffix}"]
    exact, depth = calibrated(calibrator, read_map(pair.map)), {"uint8": 255, "uint16": 65535}
    bound = 0.51 / depth.get(CAPITALS[suffix], np.inf)
    assert np.abs(read_map(tmp_path / "out" / f"a{suffix}") - exact).max() <= bound


def test_scores_are_those_of_judge_on_the_written_maps(done, folders, tmp_path):
    out, result = done
    options = {"whole": False, "resamples": 0}
    before = judge_folder(folders["apply"], folders["test_mask"], "m", tmp_path / "before", **options)
    written = judge_folder(out / "maps", folders["test_mask"], "m", tmp_path / "written", **options)
    as_if = judge_folder(
        folders["apply"], folders["test_mask"], "m", tmp_path / "if", calibrator=out / "calibrator.json", **options
    )
    for name, of in result["scores"].items():
        assert of["before"] == before["raw"][name]
        assert of["after"] == pytest.approx(as_if["raw"][name], abs=1e-12)
        assert of["after"] == pytest.approx(written["raw"][name], abs=1e-5)  # maps of float16 are rounded once more
    assert as_if["calibrator"].endswith("calibrator.json")
    assert "calibrator" not in written


def test_auto_takes_the_least_cross_validated_likelihood_loss(folders, tmp_path):
    result = calibrate_folder(folders["pred"], folders["mask"], folders["apply"], tmp_path / "out", resamples=0)
    cross_validated_nll = result["cross_validated_nll"]
    assert set(cross_validated_nll) == set(files.CALIBRATORS) - {"dirichlet"}
    assert result["method"] == min(cross_validated_nll, key=cross_validated_nll.get) and result["chosen"]
    assert cross_validated_nll["histogram_binning"] > cross_validated_nll["temperature"]
    assert result["scored_on"] == "cross-validation" and result["scored_images"] == 18
    assert result["scores"]["nll"]["after"] == pytest.approx(cross_validated_nll[result["method"]], rel=0.05)
    assert result["scores"]["ece"]["intervals"] == {"before": None, "after": None, "difference": None}
    again = calibrate_folder(folders["pred"], folders["mask"], folders["apply"], tmp_path / "out", resamples=0)
    assert again == result


def test_calibrated_maps_are_better_left_as_they_are(tmp_path):
    rng = np.random.default_rng(2)
    for name in ("maps", "masks"):
        (tmp_path / name).mkdir()
    for k in range(12):
        z = rng.normal(rng.normal(0, 1), 3, (40, 40))
        f = (1 / (1 + np.exp(-z))).astype(np.float32)
        np.save(tmp_path / "maps" / f"{k}.npy", f)
        cv2.imwrite(str(tmp_path / "masks" / f"{k}.png"), 255 * (rng.random(f.shape) < f).astype(np.uint8))
    folders = tmp_path / "maps", tmp_path / "masks", tmp_path / "maps"
    left = calibrate_folder(*folders, tmp_path / "a", method="histogram_binning", resamples=0)
    assert left["nll_as_they_are"] == pytest.approx(left["scores"]["nll"]["before"], rel=1e-5)
    assert left["cross_validated_nll"]["histogram_binning"] > left["nll_as_they_are"]
    scored = calibrate_folder(
        *folders[:2],
        *made(tmp_path, "test", 2)[:1],
        tmp_path / "b",
        method="histogram_binning",
        test_mask=tmp_path / "test/masks",
        resamples=0,
    )
    assert scored["nll_as_they_are"] is None and not any("keep them" in line for line in scored["warnings"])
    assert any("keep them" in line for line in left["warnings"])


def surely(root: Path, kind: str) -> tuple[Path, Path]:
    """Maps of one type, or `mixed` of two, over-confident discs whose pixels reach 0 and 1, some of these
    wrong; and their masks."""
    rng, (y, x) = np.random.default_rng(1), np.mgrid[:40, :40]
    maps, masks = root / "maps", root / "masks"
    maps.mkdir(), masks.mkdir()
    for i in range(10):
        z = 10 - np.hypot(y - 20, x - rng.integers(10, 30))
        cv2.imwrite(str(masks / f"{i}.png"), np.uint8(255 * (rng.random(z.shape) < expit(z))))
        save(maps, str(i), expit(1.3 * z), ("uint8", "float32")[i % 2] if kind == "mixed" else kind)
    return maps, masks


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32", "mixed"])
@pytest.mark.parametrize("method", ["selective_scaling", "isotonic", "temperature"])
def test_the_likelihood_that_chooses_is_that_of_the_maps_as_written(tmp_path, kind, method):
    maps, masks = surely(tmp_path, kind)
    result = calibrate_folder(maps, masks, maps, tmp_path / "out", method=method, resamples=0)
    assert result["cross_validated_nll"][method] == pytest.approx(result["scores"]["nll"]["after"], rel=2e-4)


@pytest.mark.parametrize("method", ["platt", "auto"])
def test_inverted_maps_are_told_whatever_the_method(folders, tmp_path, method):
    masks = tmp_path / "inverted"
    masks.mkdir()
    for path in folders["mask"].iterdir():
        cv2.imwrite(str(masks / path.name), 255 - cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
    options = {"method": method, "resamples": 0}
    result = calibrate_folder(folders["pred"], masks, folders["apply"], tmp_path / "out", **options)
    (warning,) = (line for line in result["warnings"] if "inverted, or labels" in line)
    right = float(re.search(r"right on (\S+) %", warning)[1])
    assert right / 100 == pytest.approx(result["scores"]["accuracy"]["before"], abs=6e-4) and right < 40
    assert any("the fitted slope is negative" in line for line in result["warnings"]) == (result["method"] == "platt")
    again = calibrate_folder(folders["pred"], folders["mask"], folders["apply"], tmp_path / "out", **options)
    assert not any("inverted" in line for line in again["warnings"])


def test_scored_images_that_were_fitted_to_are_named(folders, tmp_path):
    apply, test_mask = tmp_path / "apply", tmp_path / "masks"
    shutil.copytree(folders["apply"], apply), shutil.copytree(folders["test_mask"], test_mask)
    shutil.copy(folders["pred"] / "a01.tif", apply / "again.tif")
    shutil.copy(folders["mask"] / "a01.png", test_mask / "again.png")
    for where, name in ((apply, "empty"), (folders["pred"], "empty")):  # of one value, as an image without an object
        np.save(where / f"{name}.npy", np.zeros((9, 9)))
    for where in (test_mask, folders["mask"]):
        cv2.imwrite(str(where / "empty.png"), np.zeros((9, 9), np.uint8))
    try:
        options = {"test_mask": test_mask, "method": "temperature", "resamples": 0}
        result = calibrate_folder(folders["pred"], folders["mask"], apply, tmp_path / "out", **options)
    finally:
        (folders["pred"] / "empty.npy").unlink(), (folders["mask"] / "empty.png").unlink()
    (warning,) = [line for line in result["warnings"] if "(again)" in line]
    assert "1 of the 14" in warning


def three_classes(root: Path, sharpness: float, ignored) -> list[Path]:
    """Maps of three classes that are `sharpness` times too sure; `ignored` (part, truth) tells void pixels."""
    rng = np.random.default_rng(0)
    for part in ("val", "test"):
        for folder in ("maps", "masks"):
            (root / part / folder).mkdir(parents=True)
        for i in range(6):
            z = rng.normal(0, 2, (3, 20, 30))
            truth = (z + rng.gumbel(size=z.shape)).argmax(0)
            np.save(root / part / "maps" / f"{i}.npy", softmax(sharpness * z, axis=0).astype(np.float32))
            cv2.imwrite(str(root / part / "masks" / f"{i}.png"), np.where(ignored(part, truth), 255, truth))
    return [root / name for name in ("val/maps", "val/masks", "test/maps")]


def test_maps_of_three_classes(tmp_path):
    paths = three_classes(tmp_path, T, lambda _, truth: np.arange(len(truth))[:, None] < 3)
    result = calibrate_folder(*paths, tmp_path / "out", test_mask=tmp_path / "test/masks", resamples=0)
    assert "dirichlet" in result["cross_validated_nll"]
    assert result["scores"]["ece"]["after"] < result["scores"]["ece"]["before"] / 3
    assert result["pixels"] == 6 * 17 * 30
    written = np.load(tmp_path / "out/maps/0.npy")
    assert written.dtype == np.float32 and written.sum(axis=0) == pytest.approx(np.ones((20, 30)), abs=1e-6)


@pytest.fixture(scope="module")
def as_planes(folders, tmp_path_factory) -> dict[str, dict[str, Path]]:
    """The maps of `folders` as floats of one object and as softmax maps of two classes, and their masks of 0 and 1."""
    root = tmp_path_factory.mktemp("planes")
    for name, folder in folders.items():
        (root / "one" / name).mkdir(parents=True), (root / "two" / name).mkdir(parents=True)
        for path in folder.iterdir():
            f = read_map(path)
            f = f.astype(float) / (np.iinfo(f.dtype).max if f.dtype.kind == "u" else 1)
            one, two = (np.uint8(f), np.uint8(f)) if "mask" in name else (f, np.stack([1 - f, f]))
            np.save(root / "one" / name / path.stem, one), np.save(root / "two" / name / path.stem, two)
    return {number: {name: root / number / name for name in folders} for number in ("one", "two")}


@pytest.mark.parametrize("method", [name for name in files.CALIBRATORS if name != "dirichlet"])
def test_two_planes_are_calibrated_as_the_map_of_one_object(as_planes, tmp_path, method):
    """By the same calibrator, whose file goes with both."""
    options = {"features": "entropy,foreground,margin,peak", "shape": True} if method == "image_temperature" else {}
    one, two = (
        calibrate_folder(**paths, out=tmp_path / number, method=method, resamples=0, **options)
        for number, paths in as_planes.items()
    )
    for path in (tmp_path / "one/maps").iterdir():
        f = np.load(path)
        assert np.load(tmp_path / "two/maps" / path.name) == pytest.approx(np.stack([1 - f, f]), abs=1e-5)
    for number, other, result in (("one", "two", one), ("two", "one", two)):
        paths = as_planes[number]["apply"], as_planes[number]["test_mask"]
        options = {"calibrator": tmp_path / other / "calibrator.json", "whole": False, "resamples": 0}
        judged = judge_folder(*paths, "m", tmp_path / f"{number} by {other}", **options)["raw"]
        for name, of in result["scores"].items():
            assert judged[name] == pytest.approx(of["after"], abs=1e-4)
            times = 2 if name == "brier" else 1  # the sum over both planes
            assert two["scores"][name]["after"] == pytest.approx(times * one["scores"][name]["after"], abs=1e-4)


def without_a_class(root: Path) -> list[Path]:
    """Maps of three classes; the masks to fit to leave out all pixels of the last one."""
    return three_classes(root, 1, lambda part, truth: (truth == 2) & (part == "val"))


@pytest.mark.parametrize("method", ["platt", "temperature"])
def test_a_class_without_a_fitted_pixel_is_named(tmp_path, method):
    """Where the predicted class can change; and it is this one that is predicted less or no more."""
    folders = without_a_class(tmp_path)
    result = calibrate_folder(*folders, tmp_path / "out", method=method, test_mask=tmp_path / "test/masks", resamples=0)
    named = [line for line in result["warnings"] if "no fitted pixel is of class 2:" in line]
    assert len(named) == (method != "temperature"), result["warnings"]
    assert result["keeps_class"] == (method == "temperature")
    before, after = (
        sum(np.count_nonzero(np.load(path).argmax(axis=0) == 2) for path in folder.iterdir())
        for folder in (folders[2], tmp_path / "out/maps")
    )
    assert after < before / 2 if named else after == before


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def by_method(folders, tmp_path_factory) -> dict[str, Path]:
    """A result of two methods."""
    top = tmp_path_factory.mktemp("methods")
    for method in ("platt", "temperature"):
        calibrate_folder(**folders, out=top / method, method=method, resamples=0)
    return {method: top / method for method in ("platt", "temperature")}


@pytest.mark.parametrize("moment", [0, 3, 5])  # calibrator, maps and scores go aside, and new ones come
def test_a_run_that_is_interrupted_leaves_the_older_results(folders, by_method, tmp_path, monkeypatch, moment):
    shutil.copytree(by_method["platt"], out := tmp_path / "out")
    replace, moved = os.replace, []

    def stop(source: Path, target: Path) -> None:
        if out in (Path(source).parent, Path(target).parent):
            moved.append(target)
            if len(moved) == moment + 1:
                raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "replace", stop)
        calibrate_folder(**folders, out=out, method="temperature", resamples=0)
    assert contents(out) == contents(by_method["platt"])
    calibrate_folder(**folders, out=out, method="temperature", resamples=0)
    assert contents(out) == contents(by_method["temperature"])


@pytest.mark.parametrize("moment", [0, 2, 13])  # the calibrator, a map, the scores
def test_a_full_disk_leaves_what_was_there_as_it_was(folders, by_method, tmp_path, moment):
    shutil.copytree(by_method["platt"], out := tmp_path / "out")
    with full_disk(moment), pytest.raises(UserError, match="the disk is full"):
        calibrate_folder(**folders, out=out, method="temperature", resamples=0)
    assert contents(out) == contents(by_method["platt"])


# The command


def test_the_command_says_what_it_chose_and_how_all_did(folders, tmp_path):
    words = [word for name, path in folders.items() for word in (f"--{name.replace('_', '-')}", str(path))]
    shown = CliRunner().invoke(app, ["calibrate", *words, "--out", str(tmp_path / "out"), "--resamples", "20"])
    assert shown.exit_code == 0, shown.output
    for words in (
        "chosen by the NLL",
        "histogram_binning",
        "18 images, 21,600 pixels",
        "AUGRC",
        "float maps, after, sorted on a grid: off by at most AUGRC",
        "[",
        "12 calibrated",
    ):
        assert words in shown.output, shown.output
    scores = json.loads((tmp_path / "out/scores.json").read_text())["scores"]
    for name in ("ece", "brier"):  # in the units of `judge` and of the tables
        before = METRICS[name].number(scores[name]["before"])
        assert re.search(rf"{METRICS[name].column} +{re.escape(before)} .*\n +\[\d", shown.output), shown.output
    assert all(len(line) <= 80 for line in shown.output.splitlines() if str(tmp_path.parent) not in line), shown.output
    assert not re.search(r"\][0-9-]", shown.output)  # columns stay apart, whatever their width
    help_page = CliRunner().invoke(app, ["calibrate", "--help"]).output
    assert "dense-calibration calibrate --pred" in help_page


# A published network


@pytest.fixture(scope="module")
def halves(downloads, tmp_path_factory) -> dict[str, Path]:
    """U2-Net's maps of ECSSD, half to fit to and half to score, drawn as benchmarks/calibrators.py does."""
    root = tmp_path_factory.mktemp("u2net")
    if not (downloads / "predictions/U2Net/ECSSD.tar").is_file():
        pytest.skip("no saved maps of ECSSD")
    with tarfile.open(downloads / "predictions/U2Net/ECSSD.tar") as archive:
        archive.extractall(root / "all", filter="data")
    with tarfile.open(downloads / "archives/ECSSD.tar") as archive:
        archive.extractall(root / "set", filter="data")
    names = sorted(path.name for path in (root / "all").iterdir())
    order = np.random.default_rng(0).permutation(len(names))
    for k, i in enumerate(order):
        half = "fitted" if k < len(names) // 2 else "scored"
        for folder, source in (("maps", root / "all"), ("masks", root / "set/GT")):
            (root / half / folder).mkdir(parents=True, exist_ok=True)
            (source / names[i]).rename(root / half / folder / names[i])
    return {
        "pred": root / "fitted/maps",
        "mask": root / "fitted/masks",
        "apply": root / "scored/maps",
        "test_mask": root / "scored/masks",
    }


def test_calibrators_on_a_published_network(halves):
    """Each half is read once. Its maps have 8 bits, so that a calibrator of single pixels maps 256 values, and scores
    follow from the pixels by value and label (`calibrate` says the same: tests above, on drawn maps)."""
    fitted_half = pair_files(halves["pred"], halves["mask"])
    pixels, tops = pixels_of(fitted_half, None, count(fitted_half), None)
    assert set(tops) == {255}
    levels = count(pair_files(halves["apply"], halves["test_mask"])).statistic.raw.rows.pooled()
    assert levels.sum() == 23_406_592
    label, number = np.tile([0, 1], 256), levels.reshape(-1)

    def scores(of: np.ndarray) -> dict[str, float]:
        """Of the 8-bit values that take the place of 0 to 255."""
        counts = Counts.empty()
        sums, _ = add_fractions(counts, np.repeat(of.astype(np.int64), 2), label, number, 255)
        return {"ece": value("ece", counts), "brier": sums["brier"] / UNIT / number.sum()}

    every = np.arange(256, dtype=np.uint8)
    before, after, likelihood = scores(every), {}, {}
    folds = selection.folds_of(np.arange(pixels.number))
    for method in ("temperature", "platt", "beta", "histogram_binning"):
        kind = files.CALIBRATORS[method]
        after[method] = scores(calibrated(fitted(kind, pixels), every[None])[0])
        _, likelihood[method] = selection.cross_validated(kind, pixels, folds, tops)
    assert before == pytest.approx({"ece": 0.0202, "brier": 0.0276}, abs=1e-4)
    for method in ("temperature", "platt", "beta"):
        assert after[method]["ece"] < 0.004
        assert after[method]["brier"] == pytest.approx(0.0268, abs=2e-4)
        assert after["histogram_binning"]["brier"] > after[method]["brier"] + 5e-4
        assert after["histogram_binning"]["ece"] < after[method]["ece"]
        assert likelihood["histogram_binning"] > likelihood[method]  # so that `auto` does not choose it
