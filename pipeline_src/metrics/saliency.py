"""F-measures over the 256 thresholds f >= t/255, from the 8-bit levels kept per image.

F = (1 + beta2) P R / (beta2 P + R) with beta2 = 0.3 (Achanta et al., CVPR 2009), which in counts is
(1 + beta2) TP / (beta2 FG + predicted): defined wherever there is foreground, and 0 where nothing is found.
Images without foreground have no F; they are left out of means, and a set of nothing else raises `Undefined`.
"""

from __future__ import annotations

import numpy as np

from pipeline_src.counting.counts import Counts
from pipeline_src.counting.rows import parts
from pipeline_src.counting.views import Undefined
from pipeline_src.metrics.scores import rows_of

BETA2 = 0.3


def f_curve(levels: np.ndarray) -> np.ndarray:
    """F at the thresholds t/255, t = 0..255.

    Args:
        levels: (..., 256, 2) pixels per 8-bit level and label, with at least one foreground pixel each.

    Returns:
        (..., 256) float64 in [0, 1].
    """
    at_least = np.flip(np.cumsum(np.flip(levels, axis=-2), axis=-2, dtype=np.int64), axis=-2)
    found = at_least[..., 1]
    return (1 + BETA2) * found / (BETA2 * found[..., :1] + at_least.sum(axis=-1))


def mean_curve(counts: Counts) -> np.ndarray:
    """(256,) mean over images of their F curves."""
    levels = rows_of(counts).levels
    curve, images = np.zeros(256), 0
    for rows in parts(len(levels), 512):
        part = levels[rows]
        part = part[part[:, :, 1].any(axis=1)]
        curve += f_curve(part).sum(axis=0)
        images += len(part)
    if not images:
        raise Undefined("no image has foreground")
    return curve / images


def max_f(counts: Counts) -> float:
    """Largest value of the mean of the images' F curves, in [0, 1]: max F of saliency papers, one threshold for all."""
    return float(mean_curve(counts).max())


def mean_f(counts: Counts) -> float:
    """Mean over thresholds of the mean of the images' F curves, in [0, 1]: mean F of saliency papers."""
    return float(mean_curve(counts).mean())


def pooled_max_f(counts: Counts) -> float:
    """Largest F over thresholds with the pixels of all images pooled, in [0, 1]; another quantity than `max_f`."""
    levels = rows_of(counts).pooled()
    if not levels[:, 1].any():
        raise Undefined("no image has foreground")
    return float(f_curve(levels).max())
