"""The level at which several intervals are taken so that all of them together hold in 95 % of cases.

With one seed by the largest abs(t) over the effects on the resamples of the images, which tell how effects on the same
images depend on each other (Romano and Wolf, Econometrica 2005). With several seeds by Sidak's bound: how the networks
of several methods depend on each other is not known well enough from a few seeds (benchmarks/intervals).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline_src.analysis.estimate import Estimate
from pipeline_src.analysis.intervals import LEVEL, NORMAL


def joint_level(effects: Sequence[Estimate]) -> float:
    """The level of each of several intervals, between 0.95 and Sidak's bound."""
    sidak = max(LEVEL, LEVEL ** (1 / max(1, len(effects))))
    number = min((len(effect.resampled) for effect in effects), default=0)
    if not number or any(effect.training_error for effect in effects):
        return sidak
    resampled = np.array([effect.resampled[:number] for effect in effects])
    resampled -= resampled.mean(axis=1, keepdims=True)
    varied = resampled[resampled.std(axis=1) > 0]
    if not len(varied):
        return LEVEL
    largest = np.abs(varied / varied.std(axis=1, keepdims=True)).max(axis=0)
    return float(np.clip(2 * NORMAL.cdf(float(np.quantile(largest, LEVEL))) - 1, LEVEL, sidak))
