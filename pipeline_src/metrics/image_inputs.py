"""Inputs of metrics that compare images: the calibration error and the area of each, from its 8-bit levels.

They are exact for 8-bit maps. Of float maps the pixels of an image within an 8-bit level take the distribution that
all images together have there (`cells`); its mean confidence is exact.
"""

from __future__ import annotations

import numpy as np

from pipeline_src.counting.rows import parts
from pipeline_src.metrics import estimators
from pipeline_src.metrics.cells import POSITIVE, TOP, as_bins
from pipeline_src.metrics.inputs import Binned, Input
from pipeline_src.metrics.protocol_counts import Columns, ProtocolCounts


class _OfImages(Input):
    """Base: sums over images of values per image, of those that have pixels."""

    def exact(self, counted: ProtocolCounts, bins: int) -> tuple:
        columns = self.columns(counted, bins)
        return self.from_sums(sum(columns(block).sum(axis=0) for block in parts(len(counted.rows))), bins)


class ImageErrors(_OfImages):
    """Mean and sample standard deviation over images of their ECE, (...) each; the latter is NaN for one image."""

    description = "ECE of each image"
    family = "image errors"

    def columns(self, counted: ProtocolCounts, bins: int) -> Columns:
        in_bins = Binned(TOP).columns(counted, bins)

        @np.errstate(invalid="ignore")
        def summed(images: slice) -> np.ndarray:
            of_images = as_bins(in_bins(images))
            ece, has_pixels = estimators.ece(of_images), of_images.n > 0
            return np.where(has_pixels[:, None], np.stack([ece, ece**2, has_pixels], axis=1), 0)

        return summed

    def from_sums(self, sums: np.ndarray, bins: int) -> tuple:
        total, squares, images = (sums[..., k] for k in range(3))
        mean = total / images
        spread = np.sqrt(np.maximum(squares - total * mean, 0) / np.maximum(images - 1, 1))
        return mean, np.where(images > 1, spread, np.nan)


class FilledBins(Input):
    """How many independent units have pixels in each bin of the top label's confidence, (..., B). Of a bin of which an
    image has less than a pixel, where levels are shared out among images, that share of the image counts."""

    description = "images in bins"
    family, few = "filled bins", True

    def columns(self, counted: ProtocolCounts, bins: int) -> Columns:
        return Binned(TOP).columns(counted, bins)

    def of_units(self, columns: np.ndarray) -> np.ndarray:
        return np.minimum(as_bins(columns).count, 1)


class ImageAreas(_OfImages):
    """Means over images of (mean f - share of foreground) and of its absolute value, (...) each."""

    description = "area of each image"
    family, classes = "areas", "two"

    def columns(self, counted: ProtocolCounts, bins: int) -> Columns:
        levels, per_pixel = counted.levels, counted.groups.per_pixel(POSITIVE, 1)

        def summed(images: slice) -> np.ndarray:
            of_images = as_bins(levels(images) @ per_pixel)
            bias = (of_images.excess / of_images.one)[:, 0]
            return np.stack([bias, np.abs(bias), of_images.n > 0], axis=1)

        return summed

    def from_sums(self, sums: np.ndarray, bins: int) -> tuple:
        return sums[..., 0] / sums[..., 2], sums[..., 1] / sums[..., 2]
