"""The grid on which every probability is counted, and why it is laid out as it is.

A pixel of positive-class probability f has the predicted class c = [f >= 0.5], the confidence
max(f, 1 - f) and the doubt min(f, 1 - f) = 1 - confidence. Pixels are counted per (doubt level,
predicted class, label), where

    level j = floor(doubt * LEVELS),   j = 0 .. LEVELS / 2.

Level j holds the confidences in (1 - (j+1)/LEVELS, 1 - j/LEVELS]: bins right-closed on confidence,
for both predicted classes, by truncation only. Besides its count a level keeps the exact sum of the
pixels' positions in it, doubt * LEVELS - j, in units of 2^-24; from both follows the exact sum of
confidences.

LEVELS is divisible by 10, 15, 20, 100 (bins) and 255 (8-bit levels), and above 65,535. So two
values of an 8-bit or 16-bit map never share a level: every metric of the order of confidences is
exact for such maps.

Equal-width bins of the top label need less: `COARSE` levels, each of LEVELS / COARSE joined ones.
Their counts stay in a processor's fastest cache. The bins that they give are those of all LEVELS:
bit by bit for float32 maps, and within 1e-9 for integer maps and scores of K classes, whose
positions are rounded to 2^-24 of a level.

Bins of the positive class are right-closed on f, which for f < 0.5 is left-closed on confidence.
The two differ only for f = j / LEVELS exactly, and those pixels are counted once more, per level
(`on_edge`).

Arithmetic. A float32 confidence in [0.5, 1] is a multiple of 2^-24 and its product with LEVELS is
exact in float64, so the level is decided exactly (float32 multiplication would put 0.7 and 0.9 into
the wrong bin). float64 values are rounded to float32 first. Scores of K classes have more bits than
that below 0.5: all of them decide the level, and for its position the score is rounded to 2^-24, so
a mean of scores is off by 2^-25 at most. A value v of an integer map is the exact fraction v / 255
or v / 65535.

Cells. Saturated networks have most of their pixels in the first levels, and a level does not know
the order of its pixels. So the pixels of the first `SPLIT` levels are also counted by cell:

    b = 0 if doubt == 0 else 1 + (bits of the float32 doubt >> SHIFT)
    cell = level + min(b, LAST),   LAST = b of SPLIT / LEVELS.

b numbers the leading bits of the float32 doubt, its exponent and four bits of its mantissa: it
rises 16 times whenever the doubt doubles. Level and b rise with the doubt and never both at once,
so their sum tells both. From level SPLIT on b counts as LAST: each level is one cell. min(f, 1 - f)
is exact in float32. The pixels of cell 0 are tied; in each other cell, doubts differ by less than a
sixteenth of themselves, or are below 2^-126. No two values of a 16-bit map share a cell.
"""

from __future__ import annotations

import numpy as np

LEVELS = 66_300  # 2^2 * 3 * 5^2 * 13 * 17
HALF = LEVELS // 2
EIGHT = LEVELS // 255  # levels of the grid to an 8-bit level
COARSE = 300  # a multiple of 10, 15, 20, 25, 30, 50, 60 and 100
POSITION = 1 << 24  # units of a position within its level
UNIT = 1 << 30  # units of the per-image sums of Brier, NLL, entropy, absolute error and confidence
# Probabilities are clamped to [CLAMP, 1 - CLAMP] where their logarithm is taken, and nowhere else.
CLAMP = 1e-7
# Probabilities may be so far outside of [0, 1] by rounding, as after an interpolation; they are
# clipped then.
SLACK = 1e-6
SUM_SLACK = 1e-3  # by which the sum of a pixel's K probabilities may differ from 1
PROTOCOLS = ("raw", "stretched")

# Cells, with b as in the docstring of the module.
SPLIT = 16  # number of levels that are divided into cells: later levels are as narrow as a cell
SHIFT = 19  # number of lower bits of a float32 that b leaves out
# b of the upper ends of these levels.
_B = 1 + ((np.arange(1, SPLIT + 1) / LEVELS).astype(np.float32).view(np.int32) >> SHIFT)
LAST = int(_B[-1])
CELLS = SPLIT + LAST  # number of cells of these levels
STARTS = np.append(0, np.arange(1, SPLIT) + _B[:-1])  # the first cell of each level
UNKNOWN = np.zeros((0, 2, 2), np.int64)  # in the place of pixels by cell, (CELLS, 2, 2)
# (HALF + 1 + LAST,) the level of every cell
LEVEL_OF_CELL = np.concatenate(
    [np.repeat(np.arange(SPLIT), np.diff(STARTS, append=CELLS)), np.arange(SPLIT, HALF + 1)],
    dtype=np.int64,
)


def further_cells(surest: np.ndarray) -> int:
    """Return how much finer the cells order the pixels than the levels: the number of cells that
    hold pixels minus the number of levels that do.

    It is 0 if the pixels of each level lie in one cell, and for `UNKNOWN`.

    Args:
        surest: (CELLS, 2, 2) pixels of the first `SPLIT` levels by cell, predicted class and label.
    """
    held = np.asarray(surest.any(axis=(1, 2)))
    # The levels that hold pixels are those of which a cell does.
    return int(held.sum() - np.logical_or.reduceat(held, STARTS).sum()) if len(held) else 0
