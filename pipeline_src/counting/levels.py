"""The grid on which every probability is counted, and why it is laid out as it is.

A pixel of positive-class probability f has the predicted class c = [f >= 0.5], the confidence max(f, 1 - f) and the
doubt min(f, 1 - f) = 1 - confidence. Pixels are counted per (doubt level, predicted class, label), where

    level j = floor(doubt * LEVELS),   j = 0 .. LEVELS / 2,

so that level j holds the confidences in (1 - (j+1)/LEVELS, 1 - j/LEVELS]: bins right-closed on confidence, for both
predicted classes, by truncation alone. Besides its count a level keeps the exact sum of the pixels' positions in it,
doubt * LEVELS - j, in units of 2^-24; from both follows the exact sum of confidences.

LEVELS is divisible by 10, 15, 20, 100 (bins) and 255 (8-bit levels), and above 65,535, so that two values of an 8-bit
or 16-bit map never share a level: every metric of the order of confidences is exact for such maps. Of float maps the
first levels are parted further (`surest`).

Bins of the positive class are right-closed on f, which for f < 0.5 is left-closed on confidence. The two differ only
for f = j / LEVELS exactly, and those pixels are counted once more, per level (`on_edge`).

Where equal-width bins are all that is asked for, COARSE levels do, each of which joins LEVELS // COARSE of the others:
its counts stay in a processor's fastest cache. No float32 below 0.5 lies on an edge between them. Bins of float32 maps
are the same bit by bit; those of integer maps and of scores of K classes, whose positions are rounded to 2^-24 of a
level, are within 1e-9.

Arithmetic. A float32 confidence in [0.5, 1] is a multiple of 2^-24 and its product with LEVELS is exact in float64, so
the level is decided exactly (float32 multiplication would put 0.7 and 0.9 into the wrong bin). float64 values are
rounded to float32 first. Scores of K classes have more bits than that below 0.5: all of them decide the level, and the
position alone is rounded to 2^-24. A value v of an integer map is the fraction v / 255 or v / 65535, decided in
integers.
"""

from __future__ import annotations

LEVELS = 66_300  # 2^2 * 3 * 5^2 * 13 * 17
HALF = LEVELS // 2
EIGHT = LEVELS // 255  # levels of the grid to an 8-bit level
COARSE = 150  # a multiple of 10, 15, 25, 30 and 50
POSITION = 1 << 24  # units of a position within its level
UNIT = 1 << 30  # units of the per-image sums of Brier, NLL, entropy, absolute error and confidence
CLAMP = 1e-7  # probabilities are clamped to [CLAMP, 1 - CLAMP] where their logarithm is taken, and nowhere else
SLACK = 1e-6  # probabilities may be that far outside of [0, 1] by rounding, as after an interpolation, and are clipped
SUM_SLACK = 1e-3  # by which the sum of a pixel's K probabilities may differ from 1
PROTOCOLS = ("raw", "stretched")


def protocols(classes: int) -> tuple[str, ...]:
    """The protocols for a number of classes: only the single map of one object can be stretched."""
    return PROTOCOLS if classes == 2 else PROTOCOLS[:1]
