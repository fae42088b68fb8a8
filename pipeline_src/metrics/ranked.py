"""Pixels in the order of their confidence, in the same cells on every data set, fine where confidences lie.

Confidences of networks crowd near 1. The cells are levels joined so that each spans about a twelfth of its distance to
1, at most 0.01: the surest pixels keep their order, and the cells of two data sets can be compared.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from pipeline_src.counting.levels import LEVELS
from pipeline_src.metrics.cells import TOP, as_bins
from pipeline_src.metrics.inputs import Columns, Input, ProtocolCounts


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


class Ranked(Input):
    """Pixels in the order of confidence: `Bins` of all levels, on resamples of `CELLS` cells.

    Resampled values need a shift to the exact one (`analysis.resampling`), as those of `inputs.Ordered`.
    """

    description = "order of confidence"
    family, few = "ranked", True

    def exact(self, counted: ProtocolCounts, bins: int) -> tuple:
        return (counted.histogram(TOP).bins,)

    def columns(self, counted: ProtocolCounts, bins: int) -> Columns:
        per_pixel, levels = counted.groups.in_cells(TOP, CELL_OF_LEVEL), counted.levels
        return lambda images: levels(images) @ per_pixel

    def from_sums(self, sums: np.ndarray, bins: int) -> tuple:
        return (as_bins(sums),)


def by_cell(levels: np.ndarray) -> np.ndarray:
    """(..., CELLS) pixels by cell, of pixels by level of confidence, (..., LEVELS)."""
    starts = LEVELS - np.array(DOUBT_STARTS[:0:-1])
    return np.add.reduceat(levels, starts, axis=-1)
