"""Several intervals that hold together, and the simulation that measures how often equal methods differ."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline_src.analysis.estimate import Estimate
from pipeline_src.analysis.joint import joint_level

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks/intervals"))
import simulation


def effects(values: np.ndarray, by_seed: np.ndarray | None = None) -> list[Estimate]:
    """Effects of 0 with resampled `values` (K, R), and values of seeds (K, S)."""
    seeds = np.zeros((len(values), 1)) if by_seed is None else by_seed
    return [Estimate(dict(enumerate(s.tolist())), -1, 1, v) for s, v in zip(seeds, values, strict=True)]


def test_equal_effects_cost_nothing():
    values = np.random.default_rng(0).normal(size=1000)
    assert joint_level(effects(np.stack([values] * 20))) == pytest.approx(0.95, abs=2e-3)
    assert joint_level(effects(values[None])) == pytest.approx(0.95, abs=2e-3)


def test_independent_effects_cost_what_sidak_says():
    sidak = 0.95 ** (1 / 20)
    assert 0.995 < joint_level(effects(np.random.default_rng(0).normal(size=(20, 4000)))) <= sidak
    assert joint_level([Estimate({0: 0.0}, -1, 1)] * 20) == pytest.approx(sidak)  # resamples are not known
    assert joint_level([]) == 0.95


def test_several_seeds_cost_what_sidak_says():
    rng = np.random.default_rng(0)
    images = np.tile(rng.normal(size=1000), (6, 1))
    assert joint_level(effects(images, rng.normal(size=(6, 3)))) == pytest.approx(0.95 ** (1 / 6))


def test_of_twenty_true_nulls_one_opposes_in_one_of_twenty_cases():
    """Intervals of correlated effects without an effect: all of them together hold 0 in 95 % of cases."""
    rng, alone, together = np.random.default_rng(1), 0, 0
    for _ in range(400):
        common = rng.normal(size=(1, 501))
        draws = np.sqrt(0.5) * common + np.sqrt(0.5) * rng.normal(size=(20, 501))
        seen = draws[:, 0]
        compared = [
            Estimate({0: float(value)}, float(value - 1.96), float(value + 1.96), value + resampled)
            for value, resampled in zip(seen, draws[:, 1:], strict=True)
        ]
        level = joint_level(compared)
        alone += any(low > 0 or high < 0 for low, high in (effect.interval() for effect in compared))
        together += any(low > 0 or high < 0 for low, high in (effect.interval(level) for effect in compared))
    assert alone > 0.25 * 400 and together < 0.1 * 400


def test_simulated_comparisons_keep_the_level():
    rng = np.random.default_rng(0)
    alone, sidak, joint = np.mean([simulation.together(9, 2.0, 0.9, 8, rng) for _ in range(200)], axis=0)
    assert sidak <= joint < 0.12 and alone > joint


def test_simulated_networks_have_the_error_that_they_are_given():
    population, rng = simulation.Population(*three_bins()), np.random.default_rng(0)
    images = np.arange(40)
    table = population.network(0, images, np.full(simulation.BINS, 0.03)).sum(axis=0).reshape(3, -1)
    assert (table[2] - table[1]) / table[0] == pytest.approx(np.full(simulation.BINS, 0.03))
    zero, certain = (simulation.Case("", error, 0.0) for error in (0.0, 0.3))
    for case in (zero, certain):
        shares = simulation.decisions(case, population, 20, rng)
        assert shares.shape == (len(simulation.SEEDS), 4) and shares[:, 0].max() <= 0.3


def three_bins() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts, excess of mean 0 and scores of 27 networks on 40 images."""
    rng = np.random.default_rng(0)
    count = rng.integers(10, 50, (27, 40, simulation.BINS)).astype(float)
    excess = rng.normal(size=count.shape)
    excess -= excess.sum(axis=1, keepdims=True) * count / count.sum(axis=1, keepdims=True)
    return count, excess, 0.8 * count
