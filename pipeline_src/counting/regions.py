"""The border of objects, their interior and the background, as parts of a mask."""

from __future__ import annotations

import math

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
    foreground, background = truth == 1, truth == 0
    near = (foreground & dilated(background, width)) | (background & dilated(foreground, width))
    return {"border": near, "interior": foreground & ~near, "background": background & ~near}


def dilated(mask: np.ndarray, radius: float) -> np.ndarray:
    """Return the pixels within a Euclidean distance of a mask, (H, W) bool."""
    reach = int(radius)
    height, width = mask.shape
    padded = np.pad(mask, reach)
    columns = padded[reach : reach + height].copy()  # dilated along columns by ever more rows
    result = np.zeros(mask.shape, bool)
    rows = 0
    for shift in range(reach, -1, -1):
        while rows < int(math.sqrt(radius**2 - shift**2)):
            rows += 1
            columns |= padded[reach - rows : reach - rows + height] | padded[reach + rows : reach + rows + height]
        for left in {reach - shift, reach + shift}:
            result |= columns[:, left : left + width]
    return result
