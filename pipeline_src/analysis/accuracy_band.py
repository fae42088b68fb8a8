"""The intervals of the accuracy in each bin of confidence: the whiskers of reliability diagrams."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pipeline_src.analysis.estimate import Estimate
from pipeline_src.analysis.intervals import FEW_GROUPS, NAN, interval
from pipeline_src.analysis.resampling import Resampled
from pipeline_src.metrics.image_inputs import FilledBins
from pipeline_src.metrics.inputs import Binned
from pipeline_src.metrics.metric import FRACTION
from pipeline_src.metrics.protocol_counts import TOP


def accuracy_band(seeds: Sequence[Resampled], bins: int) -> np.ndarray | None:
    """`band_of_sums` of the seeds of a method, resampled with `FilledBins` among the further inputs; None where no
    pixel was counted."""
    pixels, filled = Binned(TOP).family, FilledBins.family
    if pixels not in seeds[0].sums:
        return None
    return band_of_sums(
        np.array([run.sums[pixels].whole[: 2 * bins] for run in seeds]),
        np.sum([run.sums[pixels].resampled[:, : 2 * bins] for run in seeds], axis=0),
        np.array([run.sums[filled].whole for run in seeds]),
        seeds[0].units,
    )


def band_of_sums(totals: np.ndarray, resampled: np.ndarray, filled: np.ndarray, units: int) -> np.ndarray:
    """(bins + 1, 2) ends of the 95 % interval of the accuracy in each bin, and in all, of the pixels of all seeds
    together: over images, and with several seeds over training (`Estimate`).

    NaN in a bin in which fewer than `FEW_GROUPS` units have pixels of one of the seeds, or not all units of a set of
    fewer: how those few differ says little of others, and of a seed without pixels there no accuracy is known.

    Args:
        whole: (S, 2 bins) pixels in each bin, then the right ones among them, of all images.
        resampled: (R, 2 bins) the same on resamples, of all seeds together.
        filled: (S, bins) units, images or groups of them, with pixels in each bin.
        units: how many are resampled.
    """
    enough = [
        *(filled.min(axis=0) > min(FEW_GROUPS, units) - 1e-6),
        True,
    ]  # shares of images add up to one but for rounding
    together, drawn = (np.stack(_pixels_and_hits(sums)) for sums in (totals, resampled))
    return np.array(
        [
            _interval(together[0, :, k], together[1, :, k], drawn[..., k], units) if enough[k] else NAN
            for k in range(len(enough))
        ]
    )


def _pixels_and_hits(sums: np.ndarray) -> tuple[np.ndarray, ...]:
    """(..., bins + 1) pixels and right ones in each bin, and in all."""
    return tuple(
        np.append(sums_of_kind, sums_of_kind.sum(axis=-1, keepdims=True), axis=-1)
        for sums_of_kind in np.split(sums, 2, axis=-1)
    )


def _interval(pixels: np.ndarray, hits: np.ndarray, drawn: np.ndarray, units: int) -> tuple[float, float]:
    """Of (S,) pixels and right ones of each seed, and (2, R) of all on resamples.

    The accuracy of all seeds' pixels is the mean of the seeds' weighted by their shares w of the pixels. Its standard
    error of training is s sqrt(sum w^2), with s the standard deviation over seeds; s / sqrt(S) where shares are equal.
    `Estimate` divides by sqrt(S), so that deviations of seeds are as much larger.
    """
    value, accuracy, shares = hits.sum() / pixels.sum(), hits / pixels, pixels / pixels.sum()
    with np.errstate(invalid="ignore", divide="ignore"):  # a resample may leave a bin empty
        ends = interval(float(value), drawn[1] / drawn[0], units, FRACTION) or NAN
    larger = math.sqrt(len(shares) * (shares**2).sum())
    of_seeds = value + larger * (accuracy - accuracy.mean())
    estimate = Estimate(dict(enumerate(of_seeds.tolist())), *ends, range=FRACTION)
    return estimate.low, estimate.high
