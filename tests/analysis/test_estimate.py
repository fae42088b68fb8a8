"""Intervals: their two parts, and what decides a difference of calibration errors."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_results import by_hand

from pipeline_src.analysis.estimate import Estimate, estimate, joint_level
from pipeline_src.metrics.registry import SQUARED

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks/intervals"))
import simulation

SMALL, LARGE = (0.0, 0.002, 0.001), (0.02, 0.022, 0.021)  # by seed
SEEDS = {0: 0.03, 1: 0.05, 2: 0.04}  # mean 0.04, standard error 0.01 / sqrt(3)


def test_both_parts_add_in_squares():
    low, high = Estimate(SEEDS, 0.03, 0.06).interval()
    training = 4.302652729911275 * 0.01 / np.sqrt(3)  # t of 2 degrees of freedom
    assert (low, high) == pytest.approx((0.04 - np.hypot(0.01, training), 0.04 + np.hypot(0.02, training)))


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=5), st.floats(0, 1), st.floats(0, 1), st.floats(0.95, 0.999))
def test_a_wider_part_or_a_higher_level_never_makes_it_narrower(values, below, above, level):
    seeds = dict(enumerate(values))
    mean = sum(values) / len(values)
    low, high = Estimate(seeds, mean - below, mean + above).interval(level)
    assert low <= mean - below + 1e-12 and high >= mean + above - 1e-12
    one_low, one_high = Estimate({0: mean}, mean - below, mean + above).interval(level)
    assert low <= one_low + 1e-12 and high >= one_high - 1e-12


def test_differences_of_calibration_errors_are_decided_by_the_square():
    near, far = by_hand({"ece": [0.01]}, np.zeros(11)), by_hand({"ece": [0.03]}, np.zeros(11))
    gap = estimate("ece", (far, 1.0), (near, -1.0))
    assert gap.value == pytest.approx(0.02) and np.isnan([gap.low, gap.high]).all()
    assert gap.decided.value == pytest.approx(0.0008) and gap.decided.reference == pytest.approx(0.0001)
    assert gap.significant and not replace(gap, units=9).significant  # few units decide nothing
    # With three seeds its own interval decides.
    low, high = (by_hand({"ece": [p + 0.01 for p in more]}, np.zeros(11), range(3)) for more in (SMALL, LARGE))
    plain = estimate("ece", (high, 1.0), (low, -1.0))
    assert plain.decided is None and plain.low == pytest.approx(0.02) and plain.direction == "higher"
    # Error and square disagree: nothing is decided.
    near.points[SQUARED][:] = near.values[SQUARED][:] = 0.01
    assert not estimate("ece", (far, 1.0), (near, -1.0)).significant


def test_over_confidence_has_a_square_of_its_own_and_twice_an_error_is_four_times_its_square():
    near, far = by_hand({"oe": [0.01]}, np.zeros(11)), by_hand({"oe": [0.03]}, np.zeros(11))
    excess = estimate("oe", (far, 1.0), (near, -2.0))
    assert excess.value == pytest.approx(0.01)
    assert excess.decided.value == pytest.approx(0.0009 - 4 * 0.0001)
    assert excess.decided.reference == pytest.approx(4 * 0.0001)


@pytest.mark.parametrize(("square", "low"), [([-1e-5, 3e-5], 0.0), ([1e-5, 3e-5], 0.008)])
def test_an_error_reaches_down_to_0_where_its_square_does(square, low):
    run = by_hand({"ece": [0.01]}, np.repeat([-0.002, 0.0, 0.002], [26, 949, 26]))
    run.values[SQUARED][:] = np.linspace(*square, 1001)
    effect = estimate("ece", (run, 1.0))
    assert (effect.low, effect.high) == pytest.approx((low, 0.012), abs=2e-4)


@pytest.mark.parametrize(
    ("metric", "points", "expected"),
    [("accuracy", [0.97, 0.999], (None, 1)), ("oe", [0.001, 0.02], (0, None)), ("gap", [-0.01, 0.02], (None, None))],
)
def test_intervals_end_at_the_range_of_the_metric(metric, points, expected):
    """Student's t of two seeds reaches far beyond what an accuracy or an error can be; a gap has either sign."""
    run = by_hand({metric: points}, np.linspace(-0.001, 0.001, 101), (0, 1))
    effect = estimate(metric, (run, 1.0))
    free = replace(effect, range=(-math.inf, math.inf))
    assert (effect.low, effect.high) == tuple(
        end if end is not None else wide for end, wide in zip(expected, free.interval(), strict=True)
    )
    assert free.low < 0 if metric != "accuracy" else free.high > 1


# Several intervals that hold together


def effects(values: np.ndarray, by_seed: np.ndarray | None = None) -> list[Estimate]:
    """Effects of 0 with resampled `values` (K, R), and values of seeds (K, S)."""
    seeds = np.zeros((len(values), 1)) if by_seed is None else by_seed
    return [Estimate(dict(enumerate(s.tolist())), -1, 1, v) for s, v in zip(seeds, values, strict=True)]


def test_the_joint_level_of_equal_and_of_independent_effects():
    rng = np.random.default_rng(0)
    values = rng.normal(size=1000)
    assert joint_level(effects(np.stack([values] * 20))) == pytest.approx(0.95, abs=2e-3)
    sidak = 0.95 ** (1 / 20)
    assert 0.995 < joint_level(effects(rng.normal(size=(20, 4000)))) <= sidak
    assert joint_level([Estimate({0: 0.0}, -1, 1)] * 20) == pytest.approx(sidak)  # resamples are not known
    assert joint_level(effects(np.stack([values] * 6), rng.normal(size=(6, 3)))) == pytest.approx(0.95 ** (1 / 6))
    assert joint_level([]) == 0.95


def test_simulated_comparisons_keep_the_joint_level():
    rng = np.random.default_rng(0)
    single, sidak, joint = np.mean([simulation.together(9, 2.0, 0.9, 8, rng) for _ in range(200)], axis=0)
    assert sidak <= joint < 0.12 and single > joint


def test_simulated_networks_have_the_error_that_they_are_given():
    """Counts, excess of mean 0 and scores of 27 networks on 40 images."""
    rng = np.random.default_rng(0)
    count = rng.integers(10, 50, (27, 40, simulation.BINS)).astype(float)
    excess = rng.normal(size=count.shape)
    excess -= excess.sum(axis=1, keepdims=True) * count / count.sum(axis=1, keepdims=True)
    population = simulation.Population(count, excess, 0.8 * count)
    table = population.network(0, np.arange(40), np.full(simulation.BINS, 0.03)).sum(axis=0).reshape(3, -1)
    assert (table[2] - table[1]) / table[0] == pytest.approx(np.full(simulation.BINS, 0.03))
    for error in (0.0, 0.3):
        shares = simulation.decisions(simulation.Case("", error, 0.0), population, 20, rng)
        assert shares.shape == (len(simulation.SEEDS), 4) and shares[:, 0].max() <= 0.3
