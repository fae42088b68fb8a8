"""Inputs of metrics that compare images, from the rows kept per image: means, F curves, IoU, the
ECE of each image.

What is computed from 8-bit levels is exact for 8-bit maps. Of float maps the pixels of an image
within an 8-bit level take the distribution that all images together have there (`cells`);
the mean confidence of an image is exact.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline_src.counting.alignment import e_curve
from pipeline_src.counting.counts import (
    UNMEASURED,
    Counts,
    ImageTable,
    image_blocks,
)
from pipeline_src.counting.levels import UNIT
from pipeline_src.metrics import estimators
from pipeline_src.metrics.cells import TOP, Columns, as_bins
from pipeline_src.metrics.inputs import Arguments, Binned, Input, unit

BETA2 = 0.3  # weight of precision in F (`f_curve`)
# (counts, number of bins) -> function of a slice of images: their numbers (n, C).
Values = Callable[[Counts, int], Columns]


class ImageMean(Input):
    """The mean over images of one number, an array (...), or of C numbers, (..., C); NaN where no
    image has them.

    Args:
        values: (counts, number of bins) -> numbers (n, C) of a block of images; an image of NaN
            does not count.
        classes: the numbers of classes it is defined for: "two", "several" or "any".
        few: whether `FEW` resamples suffice, as of curves with many columns.
    """

    present = -1  # the last column

    def __init__(self, values: Values, classes: str = "two", few: bool = False):
        """Take the function that returns the numbers; means of equal functions share their sums."""
        self.values = values
        self.family = values
        self.classes = classes
        self.few = few

    def columns(self, counts: Counts, bins: int) -> Columns:
        """Return the numbers of each image, and 1 where it has them, else zeros, (n, C + 1).

        The sum over images then gives the mean over the images that have the numbers.
        """
        values = self.values(counts, bins)

        def values_and_presence(images: slice) -> np.ndarray:
            """Return the columns of a slice of images."""
            numbers = values(images)
            defined = ~np.isnan(numbers[:, :1])
            return np.concatenate([np.where(defined, numbers, 0), defined], axis=1)

        return values_and_presence

    def from_sums(self, sums: np.ndarray, bins: int) -> Arguments:
        """Return the means: sums divided by the number of images that have the numbers."""
        means = sums[..., :-1] / sums[..., -1:]
        return (means[..., 0] if means.shape[-1] == 1 else means,)


def whole_map_measure(column: str) -> Values:
    """Return the values of `ImageMean` for a measure of whole maps, such as the S-measure.

    Args:
        column: of `counts.COLUMNS`.
    """

    def values(counts: Counts, bins: int) -> Columns:
        """Return the measure of images, (n, 1); NaN where it was not measured."""
        numbers = counts.images.column(column)[:, None]
        return lambda images: np.where(
            numbers[images] == UNMEASURED, np.nan, numbers[images] / UNIT
        )

    return values


def absolute_errors(counts: Counts, bins: int) -> Columns:
    """Return the mean absolute errors of images, (n, 1); NaN without a pixel that counts."""
    means = pixel_means(counts.images, "absolute")
    return lambda images: means[images, None]


def e_curves(counts: Counts, bins: int) -> Columns:
    """Return the E curves of images, (n, 256) over thresholds; NaN where E is not measured."""
    measured = counts.images.column("e_measure") != UNMEASURED
    return lambda images: np.where(
        measured[images, None], e_curve(counts.images.levels[images]), np.nan
    )


def rate_curves(counts: Counts, bins: int) -> Columns:
    """Return precision, whether a pixel is predicted, true and false positive rate of images at the
    thresholds f >= t/255, t = 255..0, one after the other, (n, 1024); NaN without foreground or
    without background.
    """

    def rates(images: slice) -> np.ndarray:
        """Return the four curves of a slice of images, (n, 1024)."""
        # Pixels with f >= t/255 by label, (n, 256, 2), from the highest threshold; the last is all.
        at_least = np.flip(counts.images.levels[images], axis=1).cumsum(axis=1, dtype=np.int64)
        total = at_least[:, -1:]
        predicted = at_least.sum(axis=2)
        precision = at_least[..., 1] / np.maximum(predicted, 1)
        false, true = np.moveaxis(at_least / np.maximum(total, 1), -1, 0)
        curves = np.concatenate([precision, predicted > 0, true, false], axis=1)
        return np.where(total.all(axis=2), curves, np.nan)

    return rates


def f_curves(counts: Counts, bins: int) -> Columns:
    """Return the F curves of images, (n, 256) over thresholds; NaN without foreground."""
    return lambda images: f_curve(counts.images.levels[images])


def image_errors(counts: Counts, bins: int) -> Columns:
    """Return the ECE of images, (n, 1); NaN without a pixel that counts."""
    in_bins = Binned(TOP).columns(counts, bins)

    @np.errstate(invalid="ignore")  # 0 / 0 of an image without pixels that count
    def errors(images: slice) -> np.ndarray:
        """Return the ECE of a slice of images, (n, 1)."""
        return estimators.ece(as_bins(in_bins(images)))[:, None]

    return errors


def f_curve(levels: np.ndarray) -> np.ndarray:
    """Return F at the thresholds f >= t/255, t = 0..255.

    F = (1 + beta2) P R / (beta2 P + R) with beta2 = 0.3 (Achanta et al., CVPR 2009), which in
    counts is (1 + beta2) TP / (beta2 FG + predicted): defined wherever there is foreground, and 0
    without true positives.

    Args:
        levels: (..., 256, 2) pixels per 8-bit level and label.

    Returns:
        (..., 256) float64 in [0, 1]; NaN without foreground.
    """
    # Pixels with f >= t/255 by label, (..., 256, 2): sums from the highest level down.
    at_least = np.flip(np.cumsum(np.flip(levels, axis=-2), axis=-2), axis=-2)
    hits = at_least[..., 1]
    with np.errstate(invalid="ignore"):
        curve = (1 + BETA2) * hits / (BETA2 * hits[..., :1] + at_least.sum(axis=-1))
    return np.where(hits[..., :1] > 0, curve, np.nan)


class ClassAreas(Input):
    """IoU of each of K classes, (..., K); NaN where a class does not occur."""

    family = "class areas"
    classes = "several"

    def columns(self, counts: Counts, bins: int) -> Columns:
        """Return the pixels of each class by label or prediction (union), and by both
        (intersection), (n, 2 K); `counts.Counts` says which columns of a class hold them.
        """
        union = [of_class.images.column("pixels") for of_class in counts.classes]
        both = [of_class.images.column("correct") for of_class in counts.classes]
        areas = np.stack([*union, *both], axis=1)
        return lambda images: areas[images]

    def from_sums(self, sums: np.ndarray, bins: int) -> Arguments:
        """Return intersection over union; 0 / 0 is NaN."""
        union, both = np.split(sums, 2, axis=-1)
        return (both / union,)


def pixel_means(images: ImageTable, column: str) -> np.ndarray:
    """Return the mean of a column over the pixels of each image, (N,) float64; NaN without a pixel
    that counts.
    """
    pixels = images.column("pixels")
    return images.column(column) / np.where(pixels > 0, pixels, np.nan) / unit(column)


def per_image(counts: Counts, bins: int = 10) -> dict[str, np.ndarray]:
    """Return the metrics of each image, in the order of `counts.images.ids`.

    `ece` and `oe` are exact for 8-bit maps; for float maps pixels within an 8-bit level (1/255
    wide) take the pooled distribution in it, and the mean confidence of their image. All others are
    exact.

    Returns:
        (N,) float64 by name: confidence and accuracy (means), gap (their difference, positive where
        overconfident), ece, oe, brier, nll, entropy, mae, and of one object max_f (over thresholds,
        of this image). NaN where an image has no pixel that counts, or no foreground (max_f).
    """
    images = counts.images
    in_bins = Binned(TOP).columns(counts, bins)
    blocks = list(image_blocks(len(images)))
    binned = as_bins(np.concatenate([in_bins(block) for block in blocks]))
    confidence = pixel_means(images, "confidence")
    accuracy = pixel_means(images, "correct")
    with np.errstate(invalid="ignore", divide="ignore"):
        values = {
            "confidence": confidence,
            "accuracy": accuracy,
            "gap": confidence - accuracy,
            "ece": estimators.ece(binned),
            "oe": estimators.oe(binned),
            "brier": pixel_means(images, "brier"),
            "nll": pixel_means(images, "nll"),
            "entropy": pixel_means(images, "entropy"),
            "mae": pixel_means(images, "absolute"),
        }
    if not counts.histogram.top:
        curves = [f_curve(images.levels[block]) for block in blocks]
        values["max_f"] = np.concatenate([curve.max(axis=1) for curve in curves])
    return values
