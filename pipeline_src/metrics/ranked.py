"""Pixels in the order of a score, in the same cells on every data set, fine where scores lie.

Confidences of networks crowd near 1, probabilities of the positive class near 0 and 1. The cells are levels joined so
that each spans about a twelfth of its distance to these, at most 0.01: the surest pixels keep their order, and the
cells of two data sets can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pipeline_src.counting.levels import HALF, LEVELS
from pipeline_src.metrics.cells import POSITIVE, TOP, as_bins
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
_FROM_HALF = CELL_OF_LEVEL[HALF:] - CELL_OF_LEVEL[HALF]
# (LEVELS,) the same of the levels of a probability, fine at 0 as at 1
CELL_OF_PROBABILITY = np.concatenate([_FROM_HALF[-1] - _FROM_HALF[::-1], _FROM_HALF[-1] + 1 + _FROM_HALF])


@dataclass(frozen=True)
class Ranked(Input):
    """Pixels in the order of a score, TOP or POSITIVE: `Bins` of all levels, on resamples of few cells.

    Resampled values need a shift to the exact one (`analysis.resampling`), as those of `inputs.Ordered`.
    """

    score: str = TOP
    pooled = few = True

    @property
    def description(self) -> str:
        return f"order of {self.score}, finer near its ends"

    @property
    def family(self) -> object:
        return "ranked", self.score

    @property
    def classes(self) -> str:
        return "two" if self.score == POSITIVE else "any"

    def exact(self, counted: ProtocolCounts, bins: int) -> tuple:
        return (counted.histogram(self.score).bins,)

    def columns(self, counted: ProtocolCounts, bins: int) -> Columns:
        cells = CELL_OF_LEVEL if self.score == TOP else CELL_OF_PROBABILITY
        per_pixel, levels = counted.groups.in_cells(self.score, cells), counted.levels
        return lambda images: levels(images) @ per_pixel

    def from_sums(self, sums: np.ndarray, bins: int) -> tuple:
        return (as_bins(sums),)


def by_cell(levels: np.ndarray) -> np.ndarray:
    """(..., CELLS) pixels by cell, of pixels by level of confidence, (..., LEVELS)."""
    starts = LEVELS - np.array(DOUBT_STARTS[:0:-1])
    return np.add.reduceat(levels, starts, axis=-1)
