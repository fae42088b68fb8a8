"""MCB and DSC: an exact decomposition of the Brier score, by the isotonic regression of all pixels."""

from __future__ import annotations

import numpy as np
import pytest
from made_statistics import one

from pipeline_src.metrics.summary import value


def plain_isotonic(f: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The isotonic recalibration of every pixel, by pooling adjacent violators one by one; equal f are tied."""
    values, tie = np.unique(f, return_inverse=True)
    blocks: list[list[float]] = []  # pixels, hits, and how many values
    for n, hits in zip(np.bincount(tie), np.bincount(tie, y), strict=True):
        blocks.append([n, hits, 1])
        while len(blocks) > 1 and blocks[-2][1] * blocks[-1][0] >= blocks[-1][1] * blocks[-2][0]:
            last = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], last, strict=True)]
    rates = np.concatenate([[hits / n] * int(number) for n, hits, number in blocks])
    assert len(rates) == len(values)
    return rates[tie]


@pytest.fixture(params=["float32", "uint8"])
def pixels(request):
    """Map as it is saved, probabilities and labels of over-confident pixels."""
    rng = np.random.default_rng(3)
    z = rng.normal(-0.5, 2, 4000)
    y = (rng.random(4000) < 1 / (1 + np.exp(-z))).astype(np.uint8)
    f = 1 / (1 + np.exp(-2.5 * z))
    saved = f.astype(np.float32) if request.param == "float32" else np.uint8(np.round(255 * f))
    return saved, saved.astype(float) / (255 if request.param == "uint8" else 1), y


def test_they_are_those_of_the_isotonic_regression_of_all_pixels(pixels):
    saved, f, y = pixels
    counts, best, share = one(saved, y).raw, plain_isotonic(f, y), y.mean()
    brier, recalibrated = ((f - y) ** 2).mean(), ((best - y) ** 2).mean()
    # Pixels of a float map within 1.5e-5 of each other are tied.
    assert value("mcb", counts) == pytest.approx(brier - recalibrated, abs=2e-4 if saved.dtype == np.float32 else 1e-12)
    assert value("dsc", counts) == pytest.approx(
        share * (1 - share) - recalibrated, abs=2e-4 if saved.dtype == np.float32 else 1e-12
    )


def test_a_constant_map_discriminates_nothing():
    y = (np.random.default_rng(0).random(1000) < 0.3).astype(np.uint8)
    counts = one(np.full(1000, 0.5, np.float32), y).raw
    assert value("dsc", counts) == pytest.approx(0, abs=1e-12)
    assert value("mcb", counts) == pytest.approx((0.5 - y.mean()) ** 2, abs=1e-7)
