"""What a reliability diagram shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline_src.counting.counts import Counts
from pipeline_src.counting.score_histogram import top_label


@dataclass
class ReliabilityBins:
    """What a reliability diagram shows, per bin; (bins,) each.

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
    """Top-label reliability in `bins` equal-width bins on [0, 1] (half of them are empty by nature)."""
    view = top_label(counts).binned(bins)
    edges = np.arange(bins + 1) / bins
    n = np.where(view.count > 0, view.count, np.nan)
    return ReliabilityBins(edges[:-1], edges[1:], view.count, view.score / n, view.hits / n)
