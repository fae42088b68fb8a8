"""The level at which several intervals are taken so that all of them together hold in 95 % of cases.

By the largest abs(t) over the effects (Romano and Wolf, Econometrica 2005). Resamples of the images tell how effects on
the same images depend on each other. How the networks of several methods depend on each other is estimated from few
seeds, so their correlation is shrunk by 2 / (S - 1) of S seeds. With fewer than `JOINT_SEEDS` seeds that does not keep
the level (benchmarks/intervals): Sidak's bound is used, as where resamples are not known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pipeline_src.analysis.estimate import Estimate
from pipeline_src.analysis.intervals import LEVEL, NORMAL, students_t

JOINT_SEEDS = 5
STEPS = 40  # levels that are tried, from that of one interval to Sidak's


def joint_level(effects: Sequence[Estimate], fewest_seeds: int = JOINT_SEEDS) -> float:
    """The level of each of several intervals, between 0.95 and Sidak's bound.

    Args:
        fewest_seeds: with fewer, Sidak's bound.
    """
    sidak = max(LEVEL, LEVEL ** (1 / max(1, len(effects))))
    number = min((len(effect.resampled) for effect in effects), default=0)
    seeds = {len(effect.by_seed) for effect in effects if effect.training_error}
    if not number or (seeds and (min(seeds) < fewest_seeds or len({len(effect.by_seed) for effect in effects}) > 1)):
        return sidak
    images = np.array([effect.resampled[:number] for effect in effects])
    images -= images.mean(axis=1, keepdims=True)
    if seeds:
        by_seed = np.array([list(effect.by_seed.values()) for effect in effects])
        means, errors = _simulated(by_seed, number)
        return _least_level(np.abs(means + images), images.std(axis=1), errors, by_seed.shape[1], sidak)
    varied = images[images.std(axis=1) > 0]
    if not len(varied):
        return LEVEL
    largest = np.abs(varied / varied.std(axis=1, keepdims=True)).max(axis=0)
    return float(np.clip(2 * NORMAL.cdf(float(np.quantile(largest, LEVEL))) - 1, LEVEL, sidak))


def _simulated(by_seed: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard errors (K, number) over seeds of simulated networks without an effect, as correlated over the
    effects as `by_seed` (K, S), shrunk."""
    effects, seeds = by_seed.shape
    rng = np.random.Generator(np.random.PCG64(0))
    deviations = (by_seed - by_seed.mean(axis=1, keepdims=True)) / math.sqrt(seeds - 1)
    shrinkage = 2 / (seeds - 1)
    common = np.tensordot(deviations, rng.normal(size=(seeds, number, seeds)), axes=1)
    single = by_seed.std(axis=1, ddof=1)[:, None, None] * rng.normal(size=(effects, number, seeds))
    values = math.sqrt(1 - shrinkage) * common + math.sqrt(shrinkage) * single
    return values.mean(axis=2), values.std(axis=2, ddof=1) / math.sqrt(seeds)


def _least_level(
    deviations: np.ndarray, image_errors: np.ndarray, training_errors: np.ndarray, seeds: int, sidak: float
) -> float:
    """The least level at which intervals around simulated effects (K, R) all contain 0 in a share `LEVEL` of cases."""
    for tail in np.geomspace((1 - LEVEL) / 2, (1 - sidak) / 2, STEPS):
        images = NORMAL.inv_cdf(1 - tail) * image_errors[:, None]
        widths = np.hypot(images, students_t(seeds, 1 - tail) * training_errors)
        if (deviations <= widths).all(axis=0).mean() >= LEVEL:
            return float(1 - 2 * tail)
    return sidak
