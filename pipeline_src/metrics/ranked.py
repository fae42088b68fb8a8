"""Pixels in the order of a score, in the same cells on every data set.

Confidences of networks crowd near 1, probabilities of the positive class near 0 and 1. So there are cells besides
equally wide ones: levels joined so that each spans about a twelfth of its distance to these, at most 0.01. The surest
pixels keep their order, and the cells of two data sets can be compared.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from pipeline_src.counting.counts import Counts
from pipeline_src.counting.levels import HALF, LEVELS
from pipeline_src.counting.score_histogram import Bins, positive, top_label
from pipeline_src.counting.surest import SPLIT, further_cells
from pipeline_src.metrics.inputs import Input, cells_of_images
from pipeline_src.metrics.protocol_counts import POSITIVE, TOP, Columns, ProtocolCounts, as_bins

EQUAL = 204  # equally wide cells


def _starts() -> list[int]:
    """First levels of doubt of the cells, and `LEVELS`."""
    starts = [0]
    while starts[-1] < LEVELS:
        width = min(max(1, starts[-1] // 12), LEVELS // 100)
        starts.append(min(starts[-1] + width, LEVELS))
    return starts


DOUBT_STARTS = _starts()
CELLS = len(DOUBT_STARTS) - 1
# (LEVELS,) cell of each level of confidence, both ascending
CELL_OF_LEVEL = CELLS - 1 - np.repeat(np.arange(CELLS), [b - a for a, b in pairwise(DOUBT_STARTS)])[::-1]
_FROM_HALF = CELL_OF_LEVEL[HALF:] - CELL_OF_LEVEL[HALF]
# (LEVELS,) the same of the levels of a probability, fine at 0 as at 1
CELL_OF_PROBABILITY = np.concatenate([_FROM_HALF[-1] - _FROM_HALF[::-1], _FROM_HALF[-1] + 1 + _FROM_HALF])


class Ordered(Input):
    """Pixels in the order of a score, TOP or POSITIVE: `Bins` of all levels, ascending; on resamples of `EQUAL` cells.

    Exact for 8-bit and 16-bit maps. On resamples pixels are known in few cells, so resampled values need a shift to the
    exact one (`analysis.resampling`).

    Args:
        cells: joined to so many equally wide cells; None for all levels.
        groups: whether the metric is also given the number of bins.
    """

    pooled = few = True

    def __init__(self, score: str = TOP, cells: int | None = None, groups: bool = False):
        self.score, self.cells, self.groups = score, cells, groups
        self.classes, self.family = "any" if score == TOP else "two", ("ordered", score)

    def exact(self, counted: ProtocolCounts, bins: int) -> tuple:
        pixels = counted.histogram(self.score)
        return self._with_groups((pixels.binned(self.cells) if self.cells else pixels).bins, bins)

    def columns(self, counted: ProtocolCounts, bins: int) -> Columns:
        cells = cells_of_images(counted, self.score, EQUAL)
        if self.score == POSITIVE or counted.counts.top:
            return cells
        # Of two classes no confidence lies below 0.5.
        return lambda images: cells(images).reshape(-1, 3, EQUAL)[:, :, EQUAL // 2 :].reshape(-1, 3 * EQUAL // 2)

    def from_sums(self, sums: np.ndarray, bins: int) -> tuple:
        by_kind = sums.reshape(*sums.shape[:-1], 3, -1)
        missing = EQUAL - by_kind.shape[-1]
        padded = np.pad(by_kind, [(0, 0)] * (by_kind.ndim - 1) + [(missing, 0)])
        return self._with_groups(as_bins(padded.reshape(*sums.shape[:-1], -1)), bins)

    def _with_groups(self, cells: Bins, bins: int) -> tuple:
        return (cells, bins) if self.groups else (cells,)


class Ranked(Input):
    """As `Ordered`, with the cells of the surest pixels in place of the first levels; on resamples in `CELLS` cells,
    fine where scores lie."""

    pooled = few = True

    def __init__(self, score: str = TOP):
        self.score, self.classes, self.family = score, "any" if score == TOP else "two", ("ranked", score)

    def exact(self, counted: ProtocolCounts, bins: int) -> tuple:
        finer = further_cells(counted.counts.surest)
        return (_with_surest(counted.counts, self.score) if finer else counted.histogram(self.score).bins,)

    def columns(self, counted: ProtocolCounts, bins: int) -> Columns:
        return cells_of_images(counted, self.score, CELL_OF_LEVEL if self.score == TOP else CELL_OF_PROBABILITY)

    def from_sums(self, sums: np.ndarray, bins: int) -> tuple:
        return (as_bins(sums),)


def _with_surest(counts: Counts, score: str) -> Bins:
    """Pixels and hits by level, ascending, and by cell at the ends; scores themselves play no part."""
    count, on_edge = counts.count.copy(), counts.on_edge.copy()
    count[:SPLIT] = on_edge[:SPLIT] = 0
    rest, cells = replace(counts, count=count, on_edge=on_edge), counts.surest
    if score == TOP and not counts.top:
        middle, low = top_label(rest), cells[:0, 0]
        high = np.stack([cells[:, 0, 1] + cells[:, 1, 0], cells[:, 0, 0] + cells[:, 1, 1]], axis=1)
    else:
        middle, low, high = positive(rest), cells[:, 0], cells[:, 1]
    return Bins(
        np.concatenate([low.sum(axis=1), middle.count, high[::-1].sum(axis=1)]),
        np.concatenate([low[:, 1], middle.hits, high[::-1, 1]]),
        nothing := np.zeros(1),
        nothing,
    )


def by_cell(levels: np.ndarray) -> np.ndarray:
    """(..., CELLS) pixels by cell, of pixels by level of confidence, (..., LEVELS)."""
    starts = LEVELS - np.array(DOUBT_STARTS[:0:-1])
    return np.add.reduceat(levels, starts, axis=-1)
