"""Pixels by score in equally wide bins, the input of calibration metrics.

Two scores can be read from the same histogram. Top label: the score is the confidence max(f, 1 -
f), a hit is a pixel whose predicted class is its label. Positive class: the score is f, a hit is a
foreground pixel. The two are different quantities; the name of a metric of the positive class names
it.

Bins are right-closed, (k/B, (k+1)/B] for k = 0 .. B-1; bin 0 also holds score 0.

A histogram counts pixels by level of doubt, predicted class and label; doubt is 1 - confidence. A
bin of one level is called a cell. With L levels on [0, 1], level j of doubt is cell L - 1 - j of
confidence, whose upper end is (L - j) / L. Positions inside a level grow with doubt, so they lower
a confidence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline_src.counting.counts import Histogram
from pipeline_src.counting.levels import LEVELS, POSITION
from pipeline_src.errors import UserError

SHOWN_DIVISORS = 6  # numbers of bins that the error of an impossible number suggests


class UndefinedMetricError(ValueError):
    """The metric does not exist for these counts; the message gives the reason."""


@dataclass(frozen=True, eq=False)
class Bins:
    """Pixels by score in B bins or cells, ascending; all float64 or int64 of shape (..., B).

    Attributes:
        count, hits: pixels, and those that are right (top label) or foreground (positive class).
        score: summed scores.
        excess: summed scores minus hits; positive where overconfident.
    """

    count: np.ndarray
    hits: np.ndarray
    score: np.ndarray
    excess: np.ndarray

    @property
    def pixels(self) -> np.ndarray:
        """(...) pixels in all bins."""
        return self.count.sum(axis=-1)

    @property
    def divisor(self) -> np.ndarray:
        """(..., B) `count` with 1 in place of 0, to divide by."""
        return np.where(self.count > 0, self.count, 1)


def check_bins(bins: int, levels: int = LEVELS) -> None:
    """Raise a UserError if the edges of `bins` equal-width bins are not on edges of levels."""
    if isinstance(bins, (int, np.integer)) and 1 <= bins <= levels and levels % bins == 0:
        return
    divisors = [number for number in range(1, 1001) if levels % number == 0]  # of usual size
    nearest = sorted(divisors, key=lambda number: abs(number - bins))[:SHOWN_DIVISORS]
    raise UserError(
        "this number of bins cannot be formed exactly",
        found=bins,
        expected=f"a divisor of {levels}, such as 10 or 15; the nearest are "
        + ", ".join(map(str, sorted(nearest))),
    )


def top_label(histogram: Histogram, bins: int | None = None) -> Bins:
    """Return the pixels by confidence in `bins` equally wide bins, by default a bin per level.

    Of two classes the lower half is empty.

    Raises:
        UserError: the bins cannot be formed.
    """
    if histogram.top:  # counted as an object: "is the top class right", with its probability
        return positive(histogram, bins)
    sums = np.zeros((4, histogram.levels), np.int64)  # as `_add_pixels` describes them
    _add_by_confidence(
        sums,
        count=histogram.count.sum(axis=(1, 2)),
        hits=histogram.count[:, 0, 0] + histogram.count[:, 1, 1],
        position=histogram.position.sum(axis=(1, 2)),
    )
    return _joined(sums, bins)


def positive(histogram: Histogram, bins: int | None = None) -> Bins:
    """Return the pixels by probability f of the positive class in `bins` equally wide bins.

    By default each level is a bin. For one object, float32 probabilities below 0.5 are known to
    2^-24, as 1 - confidence; for K classes, exactly.

    Raises:
        UserError: the bins cannot be formed.
    """
    sums = np.zeros((4, histogram.levels), np.int64)
    foreground = histogram.count[:, 1]  # predicted as such: the score f is the confidence
    _add_by_confidence(
        sums,
        count=foreground.sum(axis=1),
        hits=foreground[:, 1],
        position=histogram.position[:, 1].sum(axis=1),
    )
    _add_background(sums, histogram)
    return _joined(sums, bins)


def _add_by_confidence(
    sums: np.ndarray, *, count: np.ndarray, hits: np.ndarray, position: np.ndarray
) -> None:
    """Add pixels by level of doubt to `sums` (`_add_pixels`); their score is 1 - doubt.

    Level j of doubt is cell levels - 1 - j.

    Args:
        count, hits, position: (levels / 2 + 1,) pixels, hits among them, and summed positions.
    """
    levels = sums.shape[1]
    doubt = np.arange(len(count))
    _add_pixels(
        sums,
        levels - 1 - doubt,
        count=count,
        hits=hits,
        start=levels - doubt,
        position=-position,
    )


def _add_background(sums: np.ndarray, histogram: Histogram) -> None:
    """Add the pixels that are predicted as background, whose score f is their doubt, to `sums`.

    Level j is cell j. Levels are closed at their lower end, cells at their upper end, so pixels
    with f = j / L belong to cell j - 1, with its upper end as their score.
    """
    doubt = np.arange(len(histogram.count))
    background = histogram.count[:, 0]
    edge = histogram.on_edge.copy()  # pixels with f = j / L exactly
    edge[-1] = background[-1]  # all of the last level lies at f = 0.5
    inside = (background - edge)[:-1]
    _add_pixels(
        sums,
        doubt[:-1],
        count=inside.sum(axis=1),
        hits=inside[:, 1],
        start=doubt[:-1],
        position=histogram.position[:-1, 0].sum(axis=1),
    )
    _add_pixels(
        sums,
        doubt[:-1],
        count=edge[1:].sum(axis=1),
        hits=edge[1:, 1],
        start=doubt[1:],
        position=np.zeros_like(doubt[1:]),
    )


def _add_pixels(
    sums: np.ndarray,
    cells: np.ndarray,
    *,
    count: np.ndarray,
    hits: np.ndarray,
    start: np.ndarray,
    position: np.ndarray,
) -> None:
    """Add pixels to distinct cells (a bin of one level is a cell), in integers.

    Args:
        sums: (4, levels) int64: pixels, hits, and summed scores, whole units of 1 / LEVELS and the
            rest in 2^-24 / LEVELS. An int64 is too short for one sum of scores.
        cells: (m,) the cells to which numbers are added.
        count, hits: (m,) pixels of each cell, and hits among them.
        start: (m,) the score at which each cell begins, in levels.
        position: (m,) sum of the distances of a cell's pixels from `start`, in 1 / POSITION of a
            level. The summed score is count * start + position / POSITION levels.
    """
    units, fractions = np.divmod(position, POSITION)
    width = LEVELS // sums.shape[1]  # of a level, in units of 1 / LEVELS; above 1 on a coarse grid
    sums[0, cells] += count
    sums[1, cells] += hits
    sums[2, cells] += width * (count * start + units)
    sums[3, cells] += width * fractions


def _joined(sums: np.ndarray, bins: int | None) -> Bins:
    """Return `bins` equally wide bins of joined cells; with None for `bins`, the cells themselves.

    Sums stay integers until the end, so each is rounded once.

    Args:
        sums: (4, cells) as `_add_pixels` describes them.
    """
    if bins is not None:
        check_bins(bins, sums.shape[1])
        sums = sums.reshape(4, bins, -1).sum(axis=2)
    count, hits, units, fractions = sums
    carry, fractions = np.divmod(fractions, POSITION)
    units = units + carry
    score = (units + fractions / POSITION) / LEVELS
    excess = (units - hits * LEVELS + fractions / POSITION) / LEVELS
    return Bins(count, hits, score, excess)
