"""Cells of the surest pixels, which part the first levels of doubt.

Saturated networks have most of their pixels in the first levels of the grid (`levels`), which do not know their order.
So the pixels of the first `SPLIT` levels are counted by cell, too. The leading bits of a float32 doubt min(f, 1 - f),
its exponent and four bits of its mantissa, are a number that rises 16 times an octave; no bit of f is lost in it. With
b being 0 of doubt 0, and 1 more than that number of others, the cell is

    level + min(b, LAST),   LAST being the b of SPLIT / LEVELS.

Level and b rise with the doubt, never both at once: a cell is what of a level has one b, and from SPLIT on each level
is a cell. The pixels of cell 0 are tied; in others, doubts differ by less than a sixteenth, or are below 2^-126. No two
values of a 16-bit map share a cell.
"""

from __future__ import annotations

import numpy as np

from pipeline_src.counting.levels import HALF, LEVELS

SPLIT = 16  # levels: from there on a level is as narrow, beside its doubt, as a cell
SHIFT = 19  # bits of a float32 below the leading ones
_B = 1 + ((np.arange(1, SPLIT + 1) / LEVELS).astype(np.float32).view(np.int32) >> SHIFT)  # of the levels' upper ends
LAST = int(_B[-1])
CELLS = SPLIT + LAST
STARTS = np.append(0, np.arange(1, SPLIT) + _B[:-1])  # the first cell of each level
UNKNOWN = np.zeros((0, 2, 2), np.int64)  # in the place of pixels by cell, (CELLS, 2, 2)
# (HALF + 1 + LAST,) the level of every cell
LEVEL_OF_CELL = np.concatenate(
    [np.repeat(np.arange(SPLIT), np.diff(STARTS, append=CELLS)), np.arange(SPLIT, HALF + 1)], dtype=np.int64
)


def further_cells(surest: np.ndarray) -> int:
    """Return by how many the cells of `surest` (CELLS, 2, 2) that hold pixels outnumber the levels that do.

    It is 0 if each level has one value, and for `UNKNOWN`."""
    held = np.asarray(surest.any(axis=(1, 2)))
    return int(held.sum() - np.logical_or.reduceat(held, STARTS).sum()) if len(held) else 0
