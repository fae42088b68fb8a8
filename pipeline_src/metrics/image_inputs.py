"""Inputs of metrics from the rows kept per image: means over pixels or images, F curves, areas, each image's own error.

What is computed from 8-bit levels is exact for 8-bit maps. Of float maps the pixels of an image within an 8-bit level
take the distribution that all images together have there (`cells`); the mean confidence of an image is exact.
"""

from __future__ import annotations

import numpy as np

from pipeline_src.counting.counts import COLUMNS, UNMEASURED, image_rows
from pipeline_src.counting.levels import UNIT
from pipeline_src.metrics import estimators
from pipeline_src.metrics.inputs import Binned, Input
from pipeline_src.metrics.protocol_counts import POSITIVE, TOP, Columns, ProtocolCounts, as_bins

BETA2 = 0.3  # of F


class PixelMeans(Input):
    """Means over pixels of columns of the rows per image: an array (...) each.

    Args:
        columns: of `names`.
    """

    description = "mean over pixels"
    family = "pixels"
    names = ("pixels", "correct", "confidence", "absolute", "brier", "nll", "entropy")

    def __init__(self, *columns: str, classes: str = "any"):
        self.of_pixels, self._classes = columns, classes

    @property
    def classes(self) -> str:
        return self._classes

    @property
    def pooled(self) -> bool:
        return {*self.of_pixels} <= {"correct", "confidence"}

    def exact(self, counted: ProtocolCounts, bins: int) -> tuple:
        counts = counted.counts
        if self.pooled and counts.rows is None:
            pixels = counted.histogram(TOP).binned(1).bins
            sums = {"correct": pixels.hits[0], "confidence": pixels.score[0]}
            return tuple(sums[name] / counts.pixels for name in self.of_pixels)
        return tuple(counted.rows.total(name) / _unit(name) / counts.pixels for name in self.of_pixels)

    def columns(self, counted: ProtocolCounts, bins: int) -> Columns:
        places = [COLUMNS.index(name) for name in self.names]
        return lambda images: counted.rows.table[images][:, places]

    def from_sums(self, sums: np.ndarray, bins: int) -> tuple:
        pixels = sums[..., 0]
        return tuple(sums[..., self.names.index(name)] / _unit(name) / pixels for name in self.of_pixels)


def _unit(column: str) -> int:
    return 1 if column == "correct" else UNIT


class ImageMeans(Input):
    """The mean over images of one value per image, an array (...); NaN where no image has it.

    Args:
        column: of `names`; `absolute` is the mean over the pixels of an image, the others are measures of whole maps.
    """

    description = "mean over images"
    family, classes = "images", "two"
    names = ("absolute", "s_measure", "e_measure")

    def __init__(self, column: str):
        self.column = column
        self.present = len(self.names) + self.names.index(column)

    def columns(self, counted: ProtocolCounts, bins: int) -> Columns:
        def summed(images: slice) -> np.ndarray:
            table = counted.rows.table[images]
            values = {name: table[:, COLUMNS.index(name)] for name in ("pixels", *self.names)}
            measured = [np.where(values[name] == UNMEASURED, np.nan, values[name] / UNIT) for name in self.names]
            measured[0] = np.where(values["pixels"] > 0, measured[0] / np.maximum(values["pixels"], 1), np.nan)
            of_images = np.stack(measured, axis=1)
            return np.concatenate([np.nan_to_num(of_images), ~np.isnan(of_images)], axis=1)

        return summed

    def from_sums(self, sums: np.ndarray, bins: int) -> tuple:
        k = self.names.index(self.column)
        return (sums[..., k] / sums[..., len(self.names) + k],)


def f_curve(levels: np.ndarray) -> np.ndarray:
    """F at the thresholds f >= t/255, t = 0..255.

    F = (1 + beta2) P R / (beta2 P + R) with beta2 = 0.3 (Achanta et al., CVPR 2009), which in counts is
    (1 + beta2) TP / (beta2 FG + predicted): defined wherever there is foreground, and 0 without true positives.

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


class MeanFCurve(Input):
    """The mean of the F curves of the images that have foreground, (..., 256) over thresholds."""

    description = "F curves of images"
    family, classes, present = "F curves", "two", 256

    def columns(self, counted: ProtocolCounts, bins: int) -> Columns:
        def curves(images: slice) -> np.ndarray:
            curve = f_curve(counted.rows.levels[images])
            return np.concatenate([np.nan_to_num(curve), ~np.isnan(curve[:, :1])], axis=1)

        return curves

    def from_sums(self, sums: np.ndarray, bins: int) -> tuple:
        return (sums[..., :256] / sums[..., 256:],)


class PooledLevels(Input):
    """Pixels of all images by 8-bit level and label, (..., 256, 2)."""

    description = "F curve of all pixels"
    family, classes = "levels", "two"

    def columns(self, counted: ProtocolCounts, bins: int) -> Columns:
        return lambda images: counted.rows.levels[images].reshape(-1, 512)

    def from_sums(self, sums: np.ndarray, bins: int) -> tuple:
        return (sums.reshape(*sums.shape[:-1], 256, 2),)


class ClassAreas(Input):
    """IoU of each of K classes, (..., K); NaN where a class does not occur."""

    description = "areas of each class"
    family, classes = "class areas", "several"

    def columns(self, counted: ProtocolCounts, bins: int) -> Columns:
        """Union of label and prediction of each class, and their intersection."""
        places = [COLUMNS.index(name) for name in ("pixels", "correct")]
        tables = [image_rows(counts).table for counts in counted.of_classes]
        return lambda images: np.stack([table[images][:, places] for table in tables], axis=2).reshape(
            -1, 2 * len(tables)
        )

    def from_sums(self, sums: np.ndarray, bins: int) -> tuple:
        union, both = np.split(sums, 2, axis=-1)
        return (both / union,)


class ImageErrors(Input):
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


class ImageAreas(Input):
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
