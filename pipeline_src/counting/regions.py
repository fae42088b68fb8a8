"""The border of objects, their interior and the background, as parts of a mask."""

from __future__ import annotations

import cv2
import numpy as np

REGIONS = ("border", "interior", "background")
EVALUATED_REGIONS = REGIONS[:2]  # in evaluation; what is left is background


def regions(truth: np.ndarray, width: float = 5) -> dict[str, np.ndarray]:
    """Split the pixels of a mask; every pixel that is not ignored is in one region.

    Args:
        truth: (H, W) bool, or uint8 with 0 background, 1 foreground, 255 ignored.
        width: pixels; the border is what lies within this Euclidean distance of the other class, on either side.

    Returns:
        (H, W) bool by name: `border`, `interior` (foreground off the border), `background` (the same of background).
    """
    foreground = (truth == 1).astype(np.uint8)
    background = (truth == 0).astype(np.uint8)
    near = np.zeros(truth.shape, bool)
    for this, other in ((foreground, background), (background, foreground)):
        if this.any() and other.any():
            near |= (this == 1) & (cv2.distanceTransform(1 - other, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= width)
    return {
        "border": near,
        "interior": (foreground == 1) & ~near,
        "background": (background == 1) & ~near,
    }
