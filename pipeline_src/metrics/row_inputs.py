"""Inputs of metrics from the rows kept per image: means over pixels or images, F curves, 8-bit levels, areas of
classes."""

from __future__ import annotations

import numpy as np

from pipeline_src.counting.counts import COLUMNS, UNMEASURED, image_rows
from pipeline_src.counting.levels import UNIT
from pipeline_src.counting.rows import parts
from pipeline_src.metrics.inputs import Input
from pipeline_src.metrics.protocol_counts import Columns, ProtocolCounts

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
        self.own, self._classes = columns, classes

    @property
    def classes(self) -> str:
        return self._classes

    def exact(self, counted: ProtocolCounts, bins: int) -> tuple:
        return tuple(self._total(counted, name) for name in self.own)

    def _total(self, counted: ProtocolCounts, name: str) -> float:
        counts = counted.counts
        if name == "correct" and counts.pixels:  # also in a quick statistic
            right = counts.count[:, :, 1] if counts.top else counts.count[:, (0, 1), (0, 1)]
            return int(right.sum()) / counts.pixels
        return counted.rows.total(name) / _unit(name) / counts.pixels

    def columns(self, counted: ProtocolCounts, bins: int) -> Columns:
        at = [COLUMNS.index(name) for name in self.names]
        return lambda images: counted.rows.table[images][:, at]

    def from_sums(self, sums: np.ndarray, bins: int) -> tuple:
        pixels = sums[..., 0]
        return tuple(sums[..., self.names.index(name)] / _unit(name) / pixels for name in self.own)


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

    def exact(self, counted: ProtocolCounts, bins: int) -> tuple:
        values = self._values(counted)(slice(None))[:, self.names.index(self.column)]
        return (np.nan if np.isnan(values).all() else np.nanmean(values),)

    def columns(self, counted: ProtocolCounts, bins: int) -> Columns:
        values = self._values(counted)

        def summed(images: slice) -> np.ndarray:
            of_images = values(images)
            return np.concatenate([np.nan_to_num(of_images), ~np.isnan(of_images)], axis=1)

        return summed

    def from_sums(self, sums: np.ndarray, bins: int) -> tuple:
        k = self.names.index(self.column)
        return (sums[..., k] / sums[..., len(self.names) + k],)

    def _values(self, counted: ProtocolCounts) -> Columns:
        def values(images: slice) -> np.ndarray:
            table = counted.rows.table[images]
            column = {name: table[:, COLUMNS.index(name)] for name in ("pixels", *self.names)}
            with np.errstate(invalid="ignore", divide="ignore"):
                mean = np.where(column["pixels"] > 0, column["absolute"] / UNIT / column["pixels"], np.nan)
            kept = [np.where(column[n] == UNMEASURED, np.nan, column[n] / UNIT) for n in self.names[1:]]
            return np.stack([mean, *kept], axis=1)

        return values


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

    def exact(self, counted: ProtocolCounts, bins: int) -> tuple:
        columns = self.columns(counted, bins)
        blocks = parts(len(counted.rows), 512)  # the sum of few large blocks is what was published
        return self.from_sums(sum((columns(block).sum(axis=0) for block in blocks), np.zeros(257)), bins)

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

    def exact(self, counted: ProtocolCounts, bins: int) -> tuple:
        return (counted.rows.pooled(),)

    def columns(self, counted: ProtocolCounts, bins: int) -> Columns:
        return lambda images: counted.rows.levels[images].reshape(-1, 512)

    def from_sums(self, sums: np.ndarray, bins: int) -> tuple:
        return (sums.reshape(*sums.shape[:-1], 256, 2),)


class ClassAreas(Input):
    """IoU of each of K classes, (..., K); NaN where a class does not occur."""

    description = "areas of each class"
    family, classes = "class areas", "several"

    def exact(self, counted: ProtocolCounts, bins: int) -> tuple[np.ndarray]:
        assert counted.statistic is not None and counted.statistic.confusion is not None
        confusion = counted.statistic.confusion
        both = np.diag(confusion)
        union = confusion.sum(axis=0) + confusion.sum(axis=1) - both
        with np.errstate(invalid="ignore"):
            return (both / union,)

    def columns(self, counted: ProtocolCounts, bins: int) -> Columns:
        """Union of label and prediction of each class, and their intersection."""
        at = [COLUMNS.index(name) for name in ("pixels", "correct")]
        tables = [image_rows(counts).table for counts in counted.of_classes]
        return lambda images: np.stack([table[images][:, at] for table in tables], axis=2).reshape(-1, 2 * len(tables))

    def from_sums(self, sums: np.ndarray, bins: int) -> tuple[np.ndarray]:
        union, both = np.split(sums, 2, axis=-1)
        return (both / union,)


def _unit(column: str) -> int:
    return 1 if column == "correct" else UNIT
