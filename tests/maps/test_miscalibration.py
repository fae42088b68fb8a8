"""The answer of `judge` to the question whether maps are calibrated, where the truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.special import expit
from scipy.stats import norm

from pipeline_src.analysis.resampling import SEED, measure
from pipeline_src.counting.accumulate import Accumulator
from pipeline_src.counting.sample import checked
from pipeline_src.maps.judge import judge_folder, miscalibration

SIDE = 24
IMPULSE = np.zeros((SIDE, SIDE))
IMPULSE[0, 0] = 1


def field(rng: np.random.Generator, width: float) -> np.ndarray:
    """Normal noise of mean 0 and variance 1 whose neighboring pixels are alike."""
    scale = np.sqrt((gaussian_filter(IMPULSE, width, mode="wrap") ** 2).sum())
    return gaussian_filter(rng.normal(size=IMPULSE.shape), width, mode="wrap") / scale


def answer(images: int, width: float, temperature: float, seed: int) -> str:
    """The answer on maps of objects whose logits are multiplied by `temperature`; 1 is calibrated."""
    rng = np.random.default_rng([images, seed])
    accumulator = Accumulator(protocols=["raw"])
    for k in range(images):
        logits = 2.5 * field(rng, 4) + rng.normal(-1, 1)
        truth = norm.cdf(field(rng, width)) < expit(logits)
        f = expit(temperature * logits).astype(np.float32)
        accumulator.add(checked(f, truth, f"{k:04d}"))
    measured = measure(accumulator.counts()["raw"], 10, SEED, 1000, ("gap", "ece", "squared_error"))
    return miscalibration(measured.intervals(), measured.units)


@pytest.mark.parametrize(
    ("gap", "ece", "units", "expected"),
    [
        ((0.01, 0.03), (0.0, 0.05), 50, "detected"),
        ((-0.03, -0.01), (0.0, 0.05), 50, "detected"),
        ((-0.01, 0.01), (0.001, 0.05), 50, "detected"),
        ((-0.01, 0.01), (0.0, 0.004), 50, "not detected"),
        ((-0.01, 0.01), (0.0, 0.006), 50, "inconclusive"),
        ((0.01, 0.03), (0.01, 0.05), 9, "inconclusive"),
        (None, None, 1, "inconclusive"),
    ],
)
def test_intervals_decide(gap, ece, units, expected):
    assert miscalibration({"gap": gap, "ece": ece}, units) == expected


@pytest.mark.parametrize(("images", "confidence"), [(12, 0.97), (50, 0.99), (200, 0.998)])
def test_calibrated_maps_whose_images_are_wrong_as_a_whole(images, confidence, tmp_path):
    """Mostly no image is wrong, and the bootstrap finds no variance."""
    rng = np.random.default_rng(images)
    (tmp_path / "maps").mkdir(), (tmp_path / "masks").mkdir()
    for k in range(images):
        np.save(tmp_path / f"maps/{k}.npy", np.full((4, 4), 1 - confidence, np.float32))
        Image.fromarray(np.full((4, 4), 255 * (rng.random() > confidence), np.uint8)).save(tmp_path / f"masks/{k}.png")
    result = judge_folder(tmp_path / "maps", tmp_path / "masks", "a", tmp_path / "out", resamples=100)
    assert result["miscalibration"]["raw"] == "inconclusive"
    assert any("wrong pixel" in line for line in result["warnings"])


@pytest.mark.slow
@pytest.mark.parametrize(("images", "width"), [(10, 2), (50, 0.1), (50, 4), (150, 4)])
def test_calibrated_maps_are_seldom_called_miscalibrated(images, width):
    """In 5 % of sets, with pixels that are independent or alike; of 100 sets up to 12 by chance."""
    answers = [answer(images, width, temperature=1.0, seed=seed) for seed in range(100)]
    assert 0 < answers.count("detected") <= 12


@pytest.mark.slow
def test_what_is_miscalibrated_is_detected():
    """Maps of ECE 2.3 %; with independent pixels, calibrated maps are shown to be so."""
    assert [answer(50, 0.1, temperature=1.2, seed=seed) for seed in range(20)] == ["detected"] * 20
    answers = [answer(400, 0.1, temperature=1.0, seed=seed) for seed in range(10)]
    assert answers.count("not detected") >= 8
