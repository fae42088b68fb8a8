"""Metrics that rank pixels, against plain computations on all pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_statistics import counted, of_scenes, one, varied

from pipeline_src.counting.counts import Counts
from pipeline_src.counting.levels import UNKNOWN
from pipeline_src.metrics.registry import value

NAMES = ("aurc", "augrc")


def ranked(doubt: np.ndarray, right: np.ndarray) -> dict[str, float]:
    """AURC and AUGRC of pixels one by one, in the order of their doubt, equal ones evenly mixed."""
    place, right = np.unique(doubt, return_inverse=True)[1], right.astype(float)
    of_place = np.bincount(place)
    wrong = np.repeat(np.bincount(place, 1 - right) / of_place, of_place).cumsum()
    return {
        "aurc": (wrong / np.arange(1, len(doubt) + 1)).mean(),
        "augrc": np.trapezoid(np.append(0, wrong), dx=1 / len(doubt)) / len(doubt),
    }


def drawn(deviation: float, errors: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A map of the logits' deviation, and a mask of so many errors, fewer where it is surer."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, deviation, (300, 400))
    chance = np.exp(-np.abs(z) / 6)
    wrong = rng.random(z.shape) < np.minimum(0.5, chance * errors / chance.mean())
    with np.errstate(over="ignore"):
        return (1 / (1 + np.exp(-z.astype(np.float32)))).astype(np.float32), ((z > 0) ^ wrong).astype(np.uint8)


def levels_alone(counts: Counts) -> Counts:
    """As earlier versions counted."""
    return replace(counts, histogram=replace(counts.histogram, surest=UNKNOWN))


@pytest.mark.parametrize("errors", [0.001, 0.01, 0.05])
@pytest.mark.parametrize("deviation", [15, 25, 40])
def test_saturated_maps_are_ranked_as_their_pixels(deviation, errors):
    f, y = drawn(deviation, errors)
    statistic = one(f, y)
    doubt = np.minimum(f.astype(float), 1 - f.astype(float))
    expected = ranked(doubt.ravel(), ((f >= 0.5) == y).ravel())
    for counts in statistic.values() if f.min() == 0 and f.max() == 1 else (statistic["raw"],):
        for name in NAMES:
            assert value(name, counts) == pytest.approx(expected[name], rel=5e-4), name


def test_top_labels_are_ranked_as_their_pixels():
    rng = np.random.default_rng(0)
    z = 12 * rng.normal(0, 1.5, (4, 200, 300)).astype(np.float32)
    p = np.exp(z - z.max(axis=0))
    p = (p / p.sum(axis=0)).astype(np.float32)
    top = np.sort(z, axis=0)
    wrong = rng.random(top.shape[1:]) < 0.1 * np.exp(-(top[-1] - top[-2]) / 6)
    truth = np.where(wrong, (z.argmax(axis=0) + 1) % 4, z.argmax(axis=0))
    statistic = of_scenes([(p, truth)], 4)
    expected = ranked(1 - p.max(axis=0).ravel().astype(float), p.argmax(axis=0).ravel() == truth.ravel())
    for name, number in expected.items():
        assert value(name, statistic["raw"]) == pytest.approx(number, rel=1e-3), name


@pytest.mark.parametrize("kind", ["uint8", "uint16", "uint8 as float32"])
def test_maps_of_8_and_16_bits_are_ranked_as_before(kind):
    maps = varied(5, kind=kind.split()[0], sharp=4)
    statistic = counted(((f / 255).astype(np.float32) if " " in kind else f, y, name) for f, y, name in maps)
    for counts in (statistic["raw"], statistic["stretched"]):
        assert counts.histogram.surest[0].any()
        assert all(value(name, counts) == value(name, levels_alone(counts)) for name in NAMES)


def test_augrc_by_hand():
    # wrong, right, wrong by confidence: of all pixels 1/3, 1/3 and 2/3 are errors among the first, two and three
    counts = one(np.float32([1, 0.75, 0.625]), [0, 1, 0])["raw"]
    assert value("augrc", counts) == pytest.approx((1 / 3 / 2 + 1 / 3 + (1 / 3 + 2 / 3) / 2) / 3, abs=1e-15)
