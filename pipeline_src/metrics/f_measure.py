"""F over the 256 thresholds f >= t/255, from the 8-bit levels kept per image.

F = (1 + beta2) P R / (beta2 P + R) with beta2 = 0.3 (Achanta et al., CVPR 2009), which in counts is
(1 + beta2) TP / (beta2 FG + predicted): defined wherever there is foreground, and 0 where nothing is found.
"""

from __future__ import annotations

import numpy as np

BETA2 = 0.3


def f_curve(levels: np.ndarray) -> np.ndarray:
    """F at the thresholds t/255, t = 0..255.

    Args:
        levels: (..., 256, 2) pixels per 8-bit level and label.

    Returns:
        (..., 256) float64 in [0, 1]; NaN without foreground.
    """
    at_least = np.flip(np.cumsum(np.flip(levels, axis=-2), axis=-2), axis=-2)
    hits = at_least[..., 1]
    with np.errstate(invalid="ignore"):
        curve = (1 + BETA2) * hits / (BETA2 * hits[..., :1] + at_least.sum(axis=-1))
    return np.where(hits[..., :1] > 0, curve, np.nan)
