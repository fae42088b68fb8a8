"""Pixels by score, the input of calibration metrics.

Two scores can be read from the same counts. Top label: the score is the confidence max(f, 1 - f), a
hit is a pixel whose predicted class is its label. Positive class: the score is f, a hit is a
foreground pixel. The two are different quantities; the name of a metric of the positive class names
it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline_src.counting.counts import Counts, image_rows
from pipeline_src.counting.levels import LEVELS, POSITION, UNIT
from pipeline_src.errors import UserError

SLACK_OF_SUMS = 1e-8  # of confidence a pixel


class UndefinedMetricError(ValueError):
    """The metric does not exist for these counts; the message gives the reason."""


@dataclass
class Bins:
    """Pixels by score in K cells, ascending; all float64 or int64 of shape (..., K).

    Attributes:
        count, hits: pixels, and those that are right (top label) or foreground (positive class).
        score: summed scores.
        excess: summed scores minus hits.
    """

    count: np.ndarray
    hits: np.ndarray
    score: np.ndarray
    excess: np.ndarray

    @property
    def n(self) -> np.ndarray:
        """(...) pixels in all cells."""
        pixels: np.ndarray = self.count.sum(axis=-1)
        return pixels

    @property
    def one(self) -> np.ndarray:
        """(..., K) counts with 1 in place of 0, to divide by."""
        return np.where(self.count > 0, self.count, 1)


@dataclass
class ScoreHistogram:
    """Pixels by score in right-closed cells ((k)/K, (k+1)/K], k = 0 .. K-1; cell 0 also holds score
    0.

    Attributes:
        count, hits: (K,) int64, pixels and hits per cell.
        units, fractions: (K,) int64, summed scores in 1 / LEVELS, the rest in 2^-24 / LEVELS; an
            int64 is too short.
    """

    count: np.ndarray
    hits: np.ndarray
    units: np.ndarray
    fractions: np.ndarray

    @property
    def score(self) -> np.ndarray:
        """(K,) float64, summed scores per cell."""
        units, fractions = self._carried
        score: np.ndarray = (units + fractions / POSITION) / LEVELS
        return score

    @property
    def excess(self) -> np.ndarray:
        """(K,) float64, summed scores minus hits per cell; positive where overconfident. Free of cancellation."""
        units, fractions = self._carried
        excess: np.ndarray = (units - self.hits * LEVELS + fractions / POSITION) / LEVELS
        return excess

    @property
    def _carried(self) -> tuple[np.ndarray, np.ndarray]:
        """`units` and `fractions`, these below POSITION and exact in float64: the sum is then rounded once."""
        carry, fractions = np.divmod(self.fractions, POSITION)
        return self.units + carry, fractions

    @property
    def bins(self) -> Bins:
        """The cells as plain numbers, for the estimators; raises `UndefinedMetricError` where there is no pixel."""
        if not self.count.any():
            raise UndefinedMetricError("no pixel counts")
        return Bins(self.count, self.hits, self.score, self.excess)

    def binned(self, bins: int) -> ScoreHistogram:
        """Return the counts in `bins` equal-width bins, which must divide `LEVELS` (UserError)."""
        check_bins(bins)
        arrays = (self.count, self.hits, self.units, self.fractions)
        return ScoreHistogram(*(a.reshape(bins, -1).sum(axis=1) for a in arrays))


def check_bins(bins: int, levels: int = LEVELS) -> None:
    """Raise a UserError if the edges of `bins` equal-width bins are not on edges of levels."""
    if not 1 <= bins <= levels or levels % bins:
        near = sorted((d for d in range(1, 1001) if levels % d == 0), key=lambda d: abs(d - bins))[
            :6
        ]
        raise UserError(
            "this number of bins cannot be formed exactly",
            found=bins,
            expected=f"a divisor of {levels}, such as 10 or 15; the nearest are {', '.join(map(str, sorted(near)))}",
        )


def top_label(counts: Counts) -> ScoreHistogram:
    """Return the pixels by confidence, a cell per level; for two classes the lower half is empty."""
    if counts.top:
        return positive(counts)
    histogram, doubt = (
        ScoreHistogram(*np.zeros((4, counts.levels), np.int64)),
        np.arange(len(counts.count)),
    )
    hits = counts.count[:, 0, 0] + counts.count[:, 1, 1]
    pixels, position = counts.count.sum(axis=(1, 2)), counts.position.sum(axis=(1, 2))
    _add(histogram, counts.levels - 1 - doubt, pixels, hits, counts.levels - doubt, -position)
    return histogram


def check_sums(counts: Counts) -> None:
    """Raise a ValueError if sums over the rows of images are not those of the pixels by level.

    Both are stored. `correct` must be equal, `confidence` nearly: published counts (`compact`)
    round the confidences of pixels to whole levels, whose errors add up like a random walk.
    """
    rows = image_rows(counts)
    histogram = top_label(counts)
    hits = int(histogram.hits.sum())
    correct = rows.total("correct")
    if correct != hits:
        raise ValueError(f"{correct} correct pixels in the rows of images, {hits} by level")
    score = float(histogram.score.sum())
    confidence = rows.total("confidence") / UNIT
    if abs(confidence - score) > SLACK_OF_SUMS * counts.pixels + counts.pixels**0.5 / LEVELS:
        raise ValueError(f"confidence {confidence} in the rows of images, {score} by level")


def positive(counts: Counts) -> ScoreHistogram:
    """Return the pixels by probability of the positive class, a cell per level.

    For one object, float32 probabilities below 0.5 are known to 2^-24, as 1 - confidence; for K
    classes, exactly.
    """
    histogram, doubt = (
        ScoreHistogram(*np.zeros((4, counts.levels), np.int64)),
        np.arange(len(counts.count)),
    )
    below, above = np.moveaxis(counts.count, 1, 0)
    position_below, position_above = counts.position.sum(axis=2).T
    _add(
        histogram,
        counts.levels - 1 - doubt,
        above.sum(axis=1),
        above[:, 1],
        counts.levels - doubt,
        -position_above,
    )
    # Below 0.5 the levels are closed at their lower edge: pixels on it belong one cell lower. All
    # of the last level lies on its edge, 0.5.
    edge = counts.on_edge.copy()
    edge[-1] = below[-1]
    inside = (below - edge)[:-1]
    _add(histogram, doubt[:-1], inside.sum(axis=1), inside[:, 1], doubt[:-1], position_below[:-1])
    _add(
        histogram,
        doubt[:-1],
        edge[1:].sum(axis=1),
        edge[1:, 1],
        doubt[1:],
        np.zeros_like(doubt[1:]),
    )
    return histogram


def _add(
    histogram: ScoreHistogram,
    cells: np.ndarray,
    count: np.ndarray,
    hits: np.ndarray,
    start: np.ndarray,
    position: np.ndarray,
) -> None:
    """Add pixels to distinct cells, of levels; each has the score `start`, all have `position` on top (`Counts`)."""
    units, fractions = np.divmod(position, POSITION)
    width = LEVELS // len(histogram.count)
    histogram.count[cells] += count
    histogram.hits[cells] += hits
    histogram.units[cells] += width * (count * start + units)
    histogram.fractions[cells] += width * fractions
