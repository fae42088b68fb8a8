"""`--risk`: the threshold of saved maps, and what it delivers, by hand and against a second way of counting."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from made_statistics import counted
from scipy.stats import beta

from pipeline_src.analysis.conformal import Bound, unit_risks
from pipeline_src.counting.counts import Counts
from pipeline_src.maps.judge import judge_folder
from pipeline_src.maps.risk import class_warnings, exceeded, folds_of, risk_spread, summary_text

IMAGES = 25


def made(root: Path, part: str, seed: int, objects: int = IMAGES) -> tuple[Path, Path]:
    """8-bit maps that see more or less of the object, and masks; images from `objects` on have none."""
    rng, (maps, masks) = np.random.default_rng(seed), (root / part / name for name in ("maps", "masks"))
    maps.mkdir(parents=True), masks.mkdir()
    for i in range(IMAGES):
        truth = np.zeros((12, 14), np.uint8)
        truth[2:9, 3:9] = 255 * (i < objects)
        f = np.clip(rng.normal(np.where(truth > 0, rng.normal(150, 40), rng.normal(60, 20)), 40), 0, 255)
        cv2.imwrite(str(masks / f"{i:02d}.png"), truth)
        cv2.imwrite(str(maps / f"{i:02d}.png"), f.astype(np.uint8))
    return maps, masks


def second_way(maps: Path, masks: Path) -> np.ndarray:
    """(N, 257) FNR of the images at all thresholds, pixel by pixel."""
    rows = []
    for path in sorted(maps.iterdir()):
        f = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[cv2.imread(str(masks / path.name), cv2.IMREAD_UNCHANGED) > 0]
        rows.append([np.mean(f < t) for t in range(257)])
    return np.array(rows)


def least_cautious(fnr: np.ndarray) -> int:
    """The highest threshold that promises an FNR of 0.2."""
    n = len(fnr)
    allowed = n / (n + 1) * fnr.mean(axis=0) + 1 / (n + 1) <= 0.2
    return int(np.flatnonzero(allowed)[-1])


def held_out(fnr: np.ndarray) -> float:
    """The mean FNR of all images, each at the threshold of the folds that it is not in."""
    folds = folds_of(np.arange(IMAGES))
    return float(np.mean([fnr[i, least_cautious(fnr[folds != folds[i]])] for i in range(IMAGES)]))


def judged(where, out: Path, **options) -> dict:
    return judge_folder(*where, "net", out, **{"resamples": 0} | options)


@pytest.fixture(scope="module")
def val(tmp_path_factory) -> tuple[Path, Path]:
    return made(tmp_path_factory.mktemp("maps"), "val", 0)


def test_threshold_and_folds_are_those_of_a_second_way(val, tmp_path):
    fnr = second_way(*val)
    result = judged(val, tmp_path / "out", risk="fnr=0.2", resamples=50)["risk"]

    t, raw = least_cautious(fnr), result["raw"]
    assert (raw["level"], raw["threshold"], raw["images"]) == (t, t / 255, IMAGES)
    assert raw["promised"] == pytest.approx((fnr[:, t].sum() + 1) / (IMAGES + 1))
    assert raw["delivered"]["fnr"] == pytest.approx(held_out(fnr))
    low, high = raw["delivered"]["intervals"]["fnr"]
    assert low < raw["delivered"]["fnr"] < high
    assert result["stretched"]["level"] != t  # a threshold of other maps


def test_images_without_an_object_do_not_count(tmp_path):
    where = made(tmp_path, "few", 0, objects=15)
    result = judged(where, tmp_path / "out", risk="fnr=0.2")["risk"]["raw"]
    assert result["images"] == 15 and result["delivered"]["images"] == IMAGES  # these have a background
    none = judged(where, tmp_path / "none", risk="fnr=0.05")["risk"]["raw"]
    assert none["level"] is None and none["delivered"] is None
    assert "15 images" in none["reason"] and "19" in none["reason"]


def single_pixels(rng: np.random.Generator, images: int) -> Counts:
    """Images of one object pixel of a random level, whose FNR is 0 or 1."""
    levels = [rng.integers(0, 256, (1, 1), dtype=np.uint8) for _ in range(images)]
    return counted((level, np.ones((1, 1), np.uint8), f"{k:03d}") for k, level in enumerate(levels))["raw"]


def test_spread_is_that_of_the_beta_distribution():
    """For risks of 0 and 1 the true risk at the threshold of n images is Beta(l, n + 1 - l), l = (n + 1) alpha."""
    rng, n = np.random.default_rng(0), 99
    spreads = [risk_spread(unit_risks(single_pixels(rng, n)), Bound("fnr", 0.2), 300, key) for key in range(20)]
    assert np.mean(spreads, axis=0) == pytest.approx(beta.ppf([0.025, 0.975], 20, 80), abs=0.02)
    assert risk_spread(unit_risks(single_pixels(rng, 9)), Bound("fnr", 0.2), 300) is None


def test_an_empirical_risk_above_the_bound_is_a_warning(val, tmp_path):
    result = judged(val, tmp_path / "out", risk="fnr=0.2", resamples=100)["risk"]["raw"]
    low, high = result["spread"]
    assert low < result["promised"] < high and not exceeded(result, "x")
    result["delivered"]["intervals"]["fnr"] = (0.21, 0.3)
    (warning,) = exceeded(result, "x")
    assert "above the bound of 20 %" in warning


CLASSES = 4


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> tuple[Path, Path]:
    """Maps of four classes and masks: eight images have class 2, none has class 3."""
    root = tmp_path_factory.mktemp("scenes")
    rng, (maps, masks) = np.random.default_rng(0), (root / "maps", root / "masks")
    maps.mkdir(), masks.mkdir()
    for i in range(IMAGES):
        y = rng.integers(0, 2 + (i < 8), (9, 11)).astype(np.uint8)
        z = rng.normal(0, 1, (CLASSES, *y.shape)) + rng.normal(1, 1) * (y == np.arange(CLASSES)[:, None, None])
        y[0] = 255
        np.save(maps / f"{i:02d}.npy", (np.exp(z) / np.exp(z).sum(axis=0)).astype(np.float32))
        cv2.imwrite(str(masks / f"{i:02d}.png"), y)
    return maps, masks


def class_fnr(maps: Path, masks: Path) -> np.ndarray:
    """(N, K, 257) FNR of the classes of the images at all thresholds, pixel by pixel; NaN without the class."""
    rows = np.full((IMAGES, CLASSES, 257), np.nan)
    for i, path in enumerate(sorted(maps.iterdir())):
        p, y = np.load(path), cv2.imread(str(masks / f"{path.stem}.png"), cv2.IMREAD_UNCHANGED)
        for k in np.intersect1d(y, range(CLASSES)):
            rows[i, k] = [np.mean(255 * p[k][y == k].astype(np.float64) < t) for t in range(257)]
    return rows


def test_each_class_has_a_threshold_or_is_refused(scenes, tmp_path):
    fnr = class_fnr(*scenes)
    result = judged(scenes, tmp_path / "out", risk="fnr=0.2", resamples=20)
    assert list(result["risk"]) == [f"class{k}" for k in range(CLASSES)]
    for k in (0, 1):
        control, t = result["risk"][f"class{k}"], least_cautious(fnr[:, k])
        assert (control["level"], control["images"]) == (t, IMAGES)
        assert control["promised"] == pytest.approx((fnr[:, k, t].sum() + 1) / (IMAGES + 1))
        assert control["delivered"]["fnr"] == pytest.approx(held_out(fnr[:, k]))
    t = least_cautious(fnr[:8, 2])
    assert (result["risk"]["class2"]["level"], result["risk"]["class2"]["images"]) == (t, 8)
    few = result["risk"]["class3"]
    assert few["level"] is None and few["delivered"] is None and few["images"] == 0
    assert any("class 3 (0)" in text and "4 are needed" in text for text in result["warnings"])
    lines = summary_text(result["risk"])
    assert [line.split()[0] for line in lines[2:6]] == ["0", "1", "2", "3"] and "–" in lines[5]
    refused = judged(scenes, tmp_path / "strict", risk="fnr=0.1")
    assert any("2 (8), 3 (0)" in text for text in refused["warnings"])


def test_all_classes_jointly_have_one_threshold(scenes, tmp_path):
    fnr = np.nanmax(class_fnr(*scenes), axis=1)
    result = judged(scenes, tmp_path / "out", risk="fnr=0.2,joint")["risk"]
    (control,) = result.values()
    assert list(result) == ["joint"] and control["joint"]
    assert (control["level"], control["images"]) == (least_cautious(fnr), IMAGES)
    assert control["delivered"]["fnr"] == pytest.approx(held_out(fnr))
    (tmp_path / "groups.csv").write_text("id,group\n" + "".join(f"{i:02d},{i // 5}\n" for i in range(IMAGES)))
    options = {"risk": "fnr=0.4,joint", "groups": str(tmp_path / "groups.csv")}
    control = judged(scenes, tmp_path / "grouped", **options)["risk"]["joint"]
    means = fnr.reshape(5, 5, 257).mean(axis=1)[:, control["level"]]
    assert control["promised"] == pytest.approx((means.sum() + 1) / 6) and control["over"] == "groups"


def test_classes_above_the_bound_are_one_warning(scenes, tmp_path):
    result = judged(scenes, tmp_path / "out", risk="fnr=0.2", resamples=20)["risk"]
    for k in (0, 1):
        result[f"class{k}"]["delivered"]["intervals"]["fnr"] = (0.21, 0.3)
    warnings = class_warnings(result, Bound("fnr", 0.2))
    assert len(warnings) == 2 and "class 0, 1 " in warnings[1]
