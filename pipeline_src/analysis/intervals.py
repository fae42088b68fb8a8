"""Confidence intervals from values on resamples, and notes for their readers.

A unit is what resamples are drawn of: an image, or a group of images that are not independent.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

import numpy as np

# With fewer units than this, too few resamples differ for percentiles.
FEW_GROUPS = 10
# With fewer units, intervals of one seed miss the true value too often where a few units are far
# worse.
ENOUGH = 100
LEVEL = 0.95  # of confidence
# Metric -> a difference that does not matter: an interval within it bounds the difference
# (docs/protocol.md, section 5).
MARGINS = {"ece": 0.005, "accuracy": 0.005, "brier": 0.002}
NORMAL = NormalDist()
Limits = tuple[float, float]  # the lower and the upper one
Groups = np.ndarray | None  # (N,) the group of each image; None where images are independent
NAN = (math.nan, math.nan)  # of an undefined interval


def percentiles(values: np.ndarray, units: int) -> Limits | None:
    """Return the limits of 95 % of values (R,) on resamples, wider for few units.

    The result is None if a value is undefined, or there is a single unit.
    """
    if units < 2 or np.isnan(values).any():
        return None
    if units < FEW_GROUPS:  # a normal interval, since too few resamples differ for percentiles
        mean = float(values.mean())
        half = _distance(units) * float(values.std())
        return mean - half, mean + half
    tail = NORMAL.cdf(-_distance(units))
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def _distance(units: int) -> float:
    """Return the distance of a percentile in standard deviations of resamples.

    It is Student's t with units - 1 degrees of freedom, corrected because resamples divide the
    variance by units and not by units - 1. These are the expanded percentiles of Hesterberg (The
    American Statistician 2015); with many units they are the usual percentiles.
    """
    return math.sqrt(units / (units - 1)) * students_t(units, (1 + LEVEL) / 2)


@lru_cache
def students_t(units: int, tail: float) -> float:
    """Return the quantile `tail` of Student's t with units - 1 degrees of freedom."""
    # Slow to import, and Snakemake asks for names of files whenever it starts.
    from scipy.special import stdtrit

    return float(stdtrit(units - 1, tail))


def interval(
    value: float,
    resampled: np.ndarray,
    units: int,
    limits: Limits = (-math.inf, math.inf),
) -> Limits | None:
    """Return the 95 % confidence interval of a metric; None where a resample leaves it undefined.

    The interval starts from `percentiles`. The limit on the side of the longer tail is moved
    farther out, as in Johnson's modified t (Journal of the American Statistical Association 1978):
    where few images are much worse than all others, percentiles do not allow for more such images.
    The interval is also widened to contain the value itself. An error that is 0 in nearly all
    resamples can lie outside of their percentiles once they are centered on their mean.

    Args:
        value: the metric on all images.
        resampled: (R,) the metric on resamples of the images.
        units: number of units that were resampled.
        limits: least and largest possible value of the metric.
    """
    ends = percentiles(resampled, units)
    if ends is None:
        return None
    low = min(ends[0], value)
    high = max(ends[1], value)
    if units >= FEW_GROUPS:
        # With skewness g an end is t + g (2 t^2 + 1) / 6 standard deviations away, a percentile t +
        # g (t^2 - 1) / 6: it has to go farther by the difference of both, g (t^2 + 2) / 6.
        farther = float(resampled.std()) * _skewness(resampled) * (_distance(units) ** 2 + 2) / 6
        low += min(0, farther)
        high += max(0, farther)
    return within((low, high), limits)


def _skewness(resampled: np.ndarray) -> float:
    """Return the skewness of resampled values (R,), in [-1, 1].

    If a single image differs from all others, the skewness is 1, as of a Poisson variable of mean
    1.
    """
    from_mean = resampled - resampled.mean()
    variance = float((from_mean**2).mean())
    if variance == 0:
        return 0.0
    return float(np.clip((from_mean**3).mean() / variance**1.5, -1, 1))


def within(ends: Limits, limits: Limits) -> Limits:
    """Return the interval `ends` cut to the range `limits` of its metric.

    NaN stays NaN because of the order of the arguments of max and min.
    """
    return max(ends[0], limits[0]), min(ends[1], limits[1])


def error_interval(value: float, ends: Limits, of_square: Limits) -> Limits:
    """Return the interval of an error, corrected near 0.

    Resampling can only raise an error that is near 0, so its percentiles are too high there. The
    upper limit is the one of `ends`. The lower limit is its mirror image about `value`, or 0 if
    the interval of the debiased square, `of_square`, contains 0.

    Args:
        value: the error.
        ends: its interval (`interval`).
        of_square: that of its debiased square.
    """
    if np.isnan([*ends, *of_square]).any():
        return NAN
    high = ends[1]
    if of_square[0] <= 0:
        return 0.0, high
    return max(0.0, 2 * value - high), high


def groups_note(number: int) -> str:
    """Return the note for readers of intervals over a number of groups of images."""
    if number == 1:
        return "There are no intervals: all images belong to one group."
    text = f"Intervals: bootstrap over {number:,} groups of images that are not independent"
    if number < ENOUGH:
        text += f"; {_clause_on_few(number)}"
    return f"{text}."


def images_note(images: int) -> list[str]:
    """Return the note for readers of intervals over few independent images, in a list; an empty
    list for `ENOUGH` images or more.
    """
    if images == 1:
        return ["one image has no intervals"]
    if images < ENOUGH:
        return [f"intervals over {images} images: {_clause_on_few(images)}"]
    return []


def _clause_on_few(units: int) -> str:
    """Return the second half of a note on intervals over fewer than `ENOUGH` units.

    The whole note is such as "intervals over 8 images: of fewer than 10 they are rough": of fewer
    than 10 images, the intervals are rough.
    """
    if units < FEW_GROUPS:
        return f"of fewer than {FEW_GROUPS} they are rough (Student's t)"
    return f"of fewer than {ENOUGH} they are too narrow where a few are far worse"
