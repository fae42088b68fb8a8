"""The level at which each of several intervals has to be taken so that all of them together hold in 95 % of cases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline_src.analysis.estimate import LEVEL, NORMAL, Estimate


def level_of_each(effects: Sequence[Estimate]) -> float:
    """By the largest abs(t) over the effects on the resamples of the images, which knows how effects on the same images
    depend on each other (Romano and Wolf, Econometrica 2005); by Sidak's bound where resamples are not known, or do not
    tell it all: networks of different methods err independently."""
    apart = max(LEVEL, LEVEL ** (1 / max(1, len(effects))))
    number = min((len(effect.resampled) for effect in effects), default=0)
    if not number or any(effect.training_error for effect in effects):
        return apart
    resampled = np.array([effect.resampled[:number] for effect in effects])
    spread = resampled.std(axis=1, keepdims=True)
    resampled, spread = resampled[spread[:, 0] > 0], spread[spread[:, 0] > 0]
    if not len(resampled):
        return LEVEL
    largest = np.abs((resampled - resampled.mean(axis=1, keepdims=True)) / spread).max(axis=0)
    together = 2 * NORMAL.cdf(float(np.quantile(largest, LEVEL))) - 1
    return float(np.clip(together, LEVEL, apart))
