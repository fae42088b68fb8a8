"""The risks of images at every threshold, from the rows per image: how much of an object a mask misses, how much of the
background it takes for one."""

from __future__ import annotations

import numpy as np

from pipeline_src.metrics.inputs import Input
from pipeline_src.metrics.metric import FRACTION, NEITHER, Quantity
from pipeline_src.metrics.protocol_counts import Columns, ProtocolCounts

EIGHT_BIT = 256  # levels of an 8-bit map
THRESHOLDS = EIGHT_BIT + 1  # t/255, t = 0 .. 256: at the first every pixel is foreground, at the last none
RISKS = {
    "fnr": Quantity(title="FNR", heading="FNR %", factor=100, digits=2, better=NEITHER, range=FRACTION),
    "fpr": Quantity(title="FPR", heading="FPR %", factor=100, digits=2, better=NEITHER, range=FRACTION),
}


class ImageRisks(Input):
    """Risks of the masks f >= t/255, means over images: an array (..., 257) for each of `RISKS`.

    FNR of an image: share of its foreground that the mask misses; it rises with t. FPR: share of its background that is
    in the mask; it falls. An image without foreground has no FNR, one without background no FPR, and does not count
    there. The risk of a group of images is the mean over those of its images that have one.

    Sums over units: both risks at all thresholds, then how many units have each, (514 + 2).
    """

    family, classes, few = "risks", "two", True

    def columns(self, counted: ProtocolCounts, bins: int) -> Columns:
        levels = counted.rows.levels
        return lambda images: of_levels(levels[images])

    def of_units(self, columns: np.ndarray) -> np.ndarray:
        risks, images = split(columns)
        return _joined(risks / np.maximum(images, 1)[..., None], images > 0)

    def from_sums(self, sums: np.ndarray, bins: int) -> tuple:
        risks, units = split(sums)
        with np.errstate(invalid="ignore", divide="ignore"):
            return tuple(np.moveaxis(risks / units[..., None], -2, 0))


def split(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums (..., 516) -> risks (..., 2, 257), numbers of units that have them (..., 2)."""
    risks = sums[..., : -len(RISKS)]
    return risks.reshape(*risks.shape[:-1], len(RISKS), THRESHOLDS), sums[..., -len(RISKS) :]


def _joined(risks: np.ndarray, defined: np.ndarray) -> np.ndarray:
    return np.concatenate([risks.reshape(len(risks), -1), defined], axis=1)


def of_levels(levels: np.ndarray) -> np.ndarray:
    """The columns (n, 516) of images by 8-bit level and label, (n, 256, 2)."""
    below = np.cumsum(levels, axis=1, dtype=np.int64)  # pixels of f < t/255, t = 1 .. 256
    below = np.concatenate([np.zeros_like(below[:, :1]), below], axis=1)
    background, foreground = np.moveaxis(below, -1, 0)
    wrong = np.stack([foreground, background[:, -1:] - background], axis=1)
    pixels = np.stack([foreground[:, -1], background[:, -1]], axis=1)
    return _joined(wrong / np.maximum(pixels, 1)[..., None], pixels > 0)
