"""Pixels that lie on the edge of an 8-bit level, which truncation alone does not tell from those beside it."""

from __future__ import annotations

import numpy as np

from pipeline_src.counting.counts import Counts
from pipeline_src.counting.levels import HALF, LEVELS

EIGHT = LEVELS // 255  # levels of the grid to an 8-bit level


def upper_edge(counts: Counts) -> np.ndarray:
    """(HALF + 1, 2) pixels at f = 1 - j / LEVELS >= 0.5 exactly, by level j and label, where that is a threshold t/255.

    Not counted in the pass but known: they are what the 8-bit level above a threshold holds beyond the grid's levels.
    """
    total = counts.rows.pooled()
    edge = np.zeros((HALF + 1, 2), np.int64)
    edge[0] = total[255]
    for j in range(EIGHT, HALF, EIGHT):
        inside = counts.count[j - EIGHT : j, 1].sum(axis=0) - edge[j - EIGHT]
        edge[j] = total[255 - j // EIGHT] - inside
    return edge
