"""The E curve of an image, from its pixels by 8-bit level."""

from __future__ import annotations

import numpy as np

EPS = np.spacing(1)  # against 0 / 0, where the authors' programs have it


def e_curve(levels: np.ndarray) -> np.ndarray:
    """Return the enhanced-alignment measure E at the thresholds floor(255 f) >= t, t = 0..255.

    Let p be the share of the predicted foreground in the pixels. Then a = 1 - p in the predicted
    foreground and -p elsewhere, and b likewise with the foreground of the mask. A pixel counts
    (1 + 2 a b / (a^2 + b^2))^2 / 4. If the mask has only one label, a pixel counts 1 if it is
    right, else 0. The sum is divided by the number of pixels less 1, as the authors do (Fan et al.,
    IJCAI 2018). All pixels of one prediction and label have the same a and b, so four numbers of
    pixels suffice.

    Args:
        levels: (..., 256, 2) pixels per 8-bit level and label.

    Returns:
        (..., 256) float64.
    """
    # Predicted pixels of each threshold: those of the background and those of the foreground.
    false, true = np.moveaxis(
        np.flip(np.flip(levels, axis=-2).cumsum(axis=-2, dtype=np.int64), axis=-2), -1, 0
    )
    background = false[..., :1]
    objects = true[..., :1]
    n = background + objects
    predicted = false + true
    p = predicted / np.maximum(n, 1)
    share = objects / np.maximum(n, 1)
    cells = (  # number of pixels, a, b
        (true, 1 - p, 1 - share),
        (false, 1 - p, -share),
        (objects - true, -p, 1 - share),
        (background - false, -p, -share),
    )
    both = sum(number * (1 + 2 * a * b / (a**2 + b**2 + EPS)) ** 2 / 4 for number, a, b in cells)
    score = np.where(objects == 0, n - predicted, np.where(background == 0, predicted, both))
    return score / np.maximum(n - 1, 1)
