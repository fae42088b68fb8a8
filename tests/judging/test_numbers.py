"""Numbers of `judge` and `calibrate` with options that are not the default, by a second way."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.special import expit, softmax

from pipeline_src.counting.regions import regions
from pipeline_src.counting.statistic import TwoClassStatistic
from pipeline_src.counting.whole_maps import MEASURES, whole_map_measures
from pipeline_src.judging.calibration import calibrate_folder
from pipeline_src.judging.folder import judge_folder
from pipeline_src.metrics.summary import value

PROTOCOLS = ("raw", "stretched")
SHAPE = (24, 30)
IGNORE = 128  # without `ignore` it is taken for a soft edge


def made(root: Path, images: int, classes: int = 0, ignore: int | None = None, seed: int = 0) -> tuple[Path, Path]:
    """Over-confident 8-bit maps whose values lie in the middle, or maps of K classes; masks whose first rows are not
    to count. The first image has no object."""
    rng, (maps, masks) = np.random.default_rng(seed), (root / "maps", root / "masks")
    maps.mkdir(parents=True), masks.mkdir()
    for k in range(images):
        z = rng.normal(rng.normal(0, 1), 2, (classes or 1, *SHAPE))
        if classes:
            truth = (z + rng.gumbel(size=z.shape)).argmax(0).astype(np.uint8)
            np.save(maps / f"a{k}.npy", softmax(2 * z, axis=0).astype(np.float32))
        else:
            truth = np.uint8(255 * (rng.random(SHAPE) < expit(z[0])) * (k > 0))
            cv2.imwrite(str(maps / f"a{k}.png"), np.uint8(np.rint(255 * (0.1 + 0.8 * expit(2 * z[0])))))
        truth[: k % 4] = ignore if ignore is not None else truth[: k % 4]
        cv2.imwrite(str(masks / f"a{k}.png"), truth)
    return maps, masks


def read(maps: Path, masks: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Map and mask by stem, with 0, 1 and 255 (ignored)."""
    pairs = {}
    for path in sorted(maps.iterdir()):
        mask = cv2.imread(str(masks / path.name), cv2.IMREAD_UNCHANGED)
        truth = np.where(mask == IGNORE, 255, mask > 127).astype(np.uint8)
        pairs[path.stem] = cv2.imread(str(path), cv2.IMREAD_UNCHANGED), truth
    return pairs


def statistic(pairs: dict[str, tuple[np.ndarray, np.ndarray]], region: str = "", width: float = 0) -> TwoClassStatistic:
    """Of all pixels that count, or of those of a region."""
    of = TwoClassStatistic.empty()
    for stem, (f, truth) in pairs.items():
        of.add(f, truth, stem, regions(truth, width)[region] if region else None, ignore=255)
    return of


def rows(out: Path) -> dict[str, dict[str, str]]:
    with open(out / "images.csv", newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def test_all_numbers_are_of_the_bins_that_are_asked_for(tmp_path):
    maps, masks = made(tmp_path, 4, ignore=IGNORE)
    options = {"whole": False, "resamples": 20, "ignore": IGNORE, "border": 1}
    ten, result = (judge_folder(maps, masks, "n", tmp_path / str(b), bins=b, **options) for b in (10, 15))
    pairs, found = read(maps, masks), rows(tmp_path / "15")
    for protocol in PROTOCOLS:
        counts = getattr(statistic(pairs), protocol)
        assert result[protocol]["ece"] == value("ece", counts, 15) != value("ece", counts, 10)
        assert result["intervals"][protocol]["ece"] != ten["intervals"][protocol]["ece"]
        for region in ("border", "interior", "background"):
            counts = getattr(statistic(pairs, region, 1), protocol)
            of = result["regions"][protocol][region]
            assert (of["n_pixels"], of["ece"]) == (counts.pixels, value("ece", counts, 15))
        for stem in pairs:
            counts = getattr(statistic({stem: pairs[stem]}), protocol)
            if counts.pixels and protocol == "raw":  # exact, of 8 bits
                assert float(found[stem]["raw_ece"]) == pytest.approx(value("ece", counts, 15), rel=1e-5)


def test_bounds_are_of_the_bins_that_are_asked_for(tmp_path):
    maps, masks = made(tmp_path, 3)
    for path in maps.iterdir():
        np.save(path.with_suffix(".npy"), np.float32(cv2.imread(str(path), cv2.IMREAD_UNCHANGED) / 256 + 1e-4))
        path.unlink()
    of = [judge_folder(maps, masks, "n", tmp_path / str(b), bins=b, whole=False, resamples=0) for b in (10, 15)]
    assert of[0]["bounds"]["raw"]["ece_equal_mass"] != of[1]["bounds"]["raw"]["ece_equal_mass"]


def test_measures_of_whole_maps_are_of_their_protocol_and_of_the_images_that_have_them(tmp_path):
    """Of the first image, without an object, weighted F is not defined: it is no 0 in the mean."""
    maps, masks = made(tmp_path, 4)
    result = judge_folder(maps, masks, "n", tmp_path / "out", resamples=0)
    measured, found = (
        {stem: whole_map_measures(*pair) for stem, pair in read(maps, masks).items()},
        rows(tmp_path / "out"),
    )
    for protocol in PROTOCOLS:
        for name in MEASURES:
            values = {stem: of[protocol][name] for stem, of in measured.items()}
            known = {stem: each for stem, each in values.items() if not np.isnan(each)}
            assert len(known) == (3 if name == "weighted_f" else 4)
            assert result[protocol][name] == pytest.approx(np.mean(list(known.values())), abs=1e-12)
            for stem, each in known.items():
                assert float(found[stem][f"{protocol}_{name}"]) == pytest.approx(each, rel=1e-5)
    assert result["raw"]["s_measure"] != result["stretched"]["s_measure"]


@pytest.mark.parametrize(("classes", "ignore"), [(0, IGNORE), (3, 2)])
def test_ignored_pixels_are_neither_fitted_to_nor_scored(tmp_path, classes, ignore):
    fitted, scored = (made(tmp_path / part, 5, classes, ignore, seed) for seed, part in enumerate(("val", "test")))
    out, options = tmp_path / "out", {"ignore": ignore, "resamples": 0, "bins": 15}
    result = calibrate_folder(*fitted, scored[0], out, method="temperature", test_mask=scored[1], **options)
    masks = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in fitted[1].iterdir()]
    assert result["pixels"] == sum(int((mask != ignore).sum()) for mask in masks) < 5 * SHAPE[0] * SHAPE[1]
    of = {"whole": False, "protocols": ("raw",)} | options
    before = judge_folder(*scored, "n", tmp_path / "before", **of)["raw"]
    after = judge_folder(*scored, "n", tmp_path / "after", calibrator=out / "calibrator.json", **of)["raw"]
    for name, score in result["scores"].items():
        assert score["before"] == before[name]
        assert score["after"] == pytest.approx(after[name], abs=1e-12)


def test_the_calibrator_that_is_written_is_fitted_to_all_images(tmp_path):
    """Whether its scores are cross-validated or of other images."""
    fitted, scored = (made(tmp_path / part, 6, seed=seed) for seed, part in enumerate(("val", "test")))
    for name, test_mask in (("folds", None), ("test", scored[1])):
        out = tmp_path / "out" / name
        calibrate_folder(*fitted, scored[0], out, method="platt", test_mask=test_mask, resamples=0)
    folds, test = ((tmp_path / "out" / name / "calibrator.json").read_bytes() for name in ("folds", "test"))
    assert folds == test
