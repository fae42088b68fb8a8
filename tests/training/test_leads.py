"""benchmarks/leads: the simulation is the loop's fixed point."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from project import ROOT
from scipy.special import expit

sys.path.append(str(ROOT / "benchmarks/leads"))

import levels


def test_distances_of_a_row():
    inside = np.zeros((1, 16), bool)
    inside[0, :3] = True
    expected = [3, 2, 1, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 8, 8, 8]
    square = levels.distance(np.repeat(inside, 16, axis=0), 16)
    assert square == pytest.approx(np.tile(expected, (16, 1)))
    assert levels.distance(np.repeat(inside, 16, axis=0), 32) == pytest.approx(np.tile(expected, (16, 1)) * 2)
    assert (levels.distance(np.ones((4, 4), bool), 16) == 8).all()


@pytest.fixture(scope="module")
def sample() -> levels.Sample:
    """Logits twice as large as calibrated ones, at all distances from a border that is predicted where it is."""
    rng = np.random.default_rng(0)
    z = rng.normal(0, 2, 20_000)
    y = (rng.random(len(z)) < expit(z)).astype(float)
    away = rng.uniform(0, 20, len(z))
    return levels.Sample(2 * z, y, np.full(len(z), 1 / len(z)), away, away)


def test_at_the_levels_that_are_found_confidence_equals_accuracy(sample):
    maps = {name: fit(sample) for name, fit in levels.FITS.items()}
    excess = {name: levels.excess(of(sample), sample) for name, of in maps.items()}
    c, right = (np.maximum(expit(sample.z), expit(-sample.z)), (sample.z >= 0) == (sample.y == 1))
    s = (c.mean() - right.mean()) / (c.mean() - 0.5)  # docs/theory.md, section 6
    expected = expit(sample.z) - s * (expit(sample.z) - 0.5)
    assert maps["one level"](sample) == pytest.approx(expected, abs=1e-6)
    assert excess["as it is"].mean() > 0.05
    bands, bins = levels.band(sample.predicted), levels.bin_of(sample)
    for name, groups in (("one level", 0 * bins), ("a level per band, predicted border", bands)):
        assert levels.total(groups, excess[name], groups.max() + 1) == pytest.approx(0, abs=1e-6)
    assert levels.total(bins, excess["a level per bin of confidence"], levels.BINS) == pytest.approx(0, abs=1e-6)
    assert maps["temperature"](sample) == pytest.approx(expit(sample.z / 2), abs=0.02)
    assert maps["temperature by distance to the predicted border"](sample) == pytest.approx(
        expit(sample.z / 2), abs=0.02
    )
