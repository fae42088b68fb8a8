"""Statistics of the border of objects, their interior and the background."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.labels import IGNORED

REGIONS = ("border", "interior", "background")
EVALUATED_REGIONS = REGIONS[:2]  # in evaluation; what is left is background


def regions(truth: np.ndarray, width: float = 5) -> dict[str, np.ndarray]:
    """Split the pixels of a mask; every pixel that is not ignored is in one region.

    Args:
        truth: (H, W) uint8 with 0 background, 1 foreground, 255 ignored.
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


class RegionStatistics:
    """One `MapCounts` per region of `names`, in `by_name`."""

    def __init__(self, width: float = 5, names: Sequence[str] = REGIONS):
        self.width = width
        self.by_name = {name: MapCounts.empty() for name in names}

    def add(self, probability: np.ndarray, truth: np.ndarray, image_id: str, ignore: int | None = None) -> None:
        """Count one image, as `MapCounts.add`; the stretch is that of the whole map."""
        truth = np.where(truth == IGNORED, IGNORED, truth.astype(np.uint8))
        within = regions(truth, self.width)
        for name, statistic in self.by_name.items():
            statistic.add(probability, truth, image_id, within[name], ignore=ignore)
