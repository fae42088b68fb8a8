"""Confidence intervals of the accuracy in each bin of confidence: the error bars of reliability diagrams."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pipeline_src.analysis.estimate import Estimate
from pipeline_src.analysis.intervals import FEW_GROUPS, NAN, interval
from pipeline_src.analysis.resampling import Resampled
from pipeline_src.metrics.inputs import Binned
from pipeline_src.metrics.metric import FRACTION
from pipeline_src.metrics.protocol_counts import TOP


def accuracy_band(seeds: Sequence[Resampled], bins: int) -> np.ndarray | None:
    """Return `band_of_sums` of the seeds of a method; None where no pixel was counted."""
    family = Binned(TOP).family
    if family not in seeds[0].sums:
        return None
    totals = np.array([run.sums[family].total for run in seeds])
    resampled = np.sum([run.sums[family].resampled[:, : 2 * bins] for run in seeds], axis=0)
    return band_of_sums(totals[:, : 2 * bins], resampled, totals[:, 6 * bins : 7 * bins], seeds[0].units)


def band_of_sums(totals: np.ndarray, resampled: np.ndarray, filled: np.ndarray, units: int) -> np.ndarray:
    """(bins + 1, 2) 95 % confidence limits of the accuracy in each bin and over all pixels, of all seeds pooled.

    They cover images and, with several seeds, training (`Estimate`). They are NaN in a bin in which fewer than
    `FEW_GROUPS` units, or not all of fewer units, have pixels of one of the seeds.

    Args:
        totals: (S, 2 bins) pixels in each bin, then the correct ones among them, of all images.
        resampled: (R, 2 bins) the same on resamples, of all seeds together.
        filled: (S, bins) units, images or groups of them, with pixels in each bin.
        units: how many are resampled.
    """
    enough = filled.min(axis=0) > min(FEW_GROUPS, units) - 1e-6  # shares of images add up to one but for rounding
    pixels, hits = _with_sum(totals)
    drawn_pixels, drawn_hits = _with_sum(resampled)
    return np.array(
        [
            _limits(pixels[:, k], hits[:, k], drawn_pixels[:, k], drawn_hits[:, k], units) if known else NAN
            for k, known in enumerate([*enough, True])
        ]
    )


def _with_sum(sums: np.ndarray) -> list[np.ndarray]:
    """(N, bins + 1) pixels and correct pixels in each bin, and in all."""
    return [np.append(half, half.sum(axis=1, keepdims=True), axis=1) for half in np.split(sums, 2, axis=1)]


def _limits(
    pixels: np.ndarray, hits: np.ndarray, drawn_pixels: np.ndarray, drawn_hits: np.ndarray, units: int
) -> tuple[float, float]:
    """The interval from pixels and correct pixels of each seed (S,), and of all seeds on resamples (R,).

    The accuracy of all seeds' pixels is the mean of the seeds' weighted by their shares w of the pixels. Its standard
    error of training is s sqrt(sum w^2), with s the standard deviation over seeds; s / sqrt(S) where shares are equal.
    `Estimate` divides by sqrt(S), so deviations of seeds are scaled up accordingly.
    """
    value, accuracy, shares = hits.sum() / pixels.sum(), hits / pixels, pixels / pixels.sum()
    with np.errstate(invalid="ignore", divide="ignore"):  # a resample may leave a bin empty
        ends = interval(float(value), drawn_hits / drawn_pixels, units, FRACTION) or NAN
    scale = math.sqrt(len(shares) * (shares**2).sum())
    by_seed = value + scale * (accuracy - accuracy.mean())
    estimate = Estimate(dict(enumerate(by_seed.tolist())), *ends, range=FRACTION)
    return estimate.low, estimate.high
