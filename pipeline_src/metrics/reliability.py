"""The numbers of a reliability diagram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline_src.counting.counts import Counts
from pipeline_src.counting.score_histogram import top_label
from pipeline_src.metrics.estimators import recalibrated


@dataclass
class ReliabilityBins:
    """The bins of a reliability diagram; arrays (bins,).

    Attributes:
        lower, upper: edges; bins are right-closed, (lower, upper].
        count: pixels, int64.
        confidence: mean confidence in [0, 1]; NaN where the bin is empty.
        accuracy: share of pixels whose predicted class is right; NaN where the bin is empty.
    """

    lower: np.ndarray
    upper: np.ndarray
    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray


def reliability_bins(counts: Counts, bins: int = 10) -> ReliabilityBins:
    """Top-label reliability in `bins` equal-width bins on [0, 1] (for two classes the lower half is empty)."""
    pixels = top_label(counts).binned(bins)
    edges = np.arange(bins + 1) / bins
    n = np.where(pixels.count > 0, pixels.count, np.nan)
    return ReliabilityBins(edges[:-1], edges[1:], pixels.count, pixels.score / n, pixels.hits / n)


def isotonic_curve(counts: Counts) -> tuple[np.ndarray, np.ndarray]:
    """Top-label confidences, ascending, and the accuracy that isotonic regression gives each, without bins: the ends of
    blocks of equal accuracy; none without pixels."""
    if not counts.pixels:
        return np.empty(0), np.empty(0)
    cells = top_label(counts).bins
    met, rate = recalibrated(cells)
    change = np.flatnonzero(np.diff(rate) > 0)
    ends = np.unique([0, *change, *(change + 1), len(rate) - 1])
    return (cells.score[met] / cells.count[met])[ends], rate[ends]
