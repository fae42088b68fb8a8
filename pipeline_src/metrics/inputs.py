"""Inputs of metrics: taken exactly from all images, or from sums over resampled images.

An input provides the arguments of a metric in both ways, so a metric is one function of arrays
(...), evaluated once or on a thousand resamples. Inputs of one `family` share their sums over
images. `bins` is the number of equal-width bins; inputs without bins ignore it. `image_inputs` has
inputs by image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from pipeline_src.counting.bins import Bins, positive, top_label
from pipeline_src.counting.counts import COLUMNS, UNMEASURED, Counts, Histogram, image_blocks
from pipeline_src.counting.levels import LEVELS, SPLIT, UNIT, further_cells
from pipeline_src.metrics.cells import CLASSES, POSITIVE, TOP, Columns, as_bins, image_cells

Arguments = tuple[Any, ...]  # of a metric: `Bins` or arrays
EQUAL = 204  # number of equally wide cells of `Ordered`
# Number of resamples of inputs with many columns, which take ten times as long as the others.
FEW = 250


class Input:
    """Base of all inputs.

    Attributes:
        family: hashable; inputs of one family need the same sums, which are computed once.
        classes: the numbers of classes it is defined for: "two", "several" or "any".
        pooled: whether the pixels of all images together suffice, without rows per image.
        coarse: whether a pooled input needs no more than `levels.COARSE` levels, if these form its
            bins.
        few: whether `FEW` resamples suffice.
        centred: whether resampling biases its metrics; resampled values are shifted then to have
            the exact value as their mean.
        present: the column that counts the images that have its metrics; None if all have them.
    """

    family: object = None
    classes = "any"
    pooled = coarse = few = centred = False
    present: int | None = None

    def exact(self, counts: Counts, bins: int) -> Arguments:
        """Return the metric's arguments for all images, shape (); by default from sums over all
        independent units.
        """
        sums = [terms.sum(axis=0) for terms in self.unit_terms(counts, bins)]
        return self.from_sums(np.sum(sums, axis=0), bins)

    def unit_terms(self, counts: Counts, bins: int) -> Iterator[np.ndarray]:
        """Yield batches (n, C) of the terms of independent units, images or groups of images, in
        order. A bootstrap draws units, and sums their terms.
        """
        columns = self.columns(counts, bins)
        groups = counts.images.groups
        blocks = image_blocks(len(counts.images))
        if groups is None:
            for block in blocks:
                yield self.terms(columns(block))
            return
        # The images of a group may lie in several blocks, so all groups are summed before the first
        # is returned.
        sums = np.zeros((counts.images.units, columns(slice(0, 1)).shape[1]))
        for block in blocks:
            np.add.at(sums, groups[block], columns(block))
        yield self.terms(sums)

    def columns(self, counts: Counts, bins: int) -> Columns:
        """Return the numbers (n, c) of each image that are summed within a unit."""
        raise NotImplementedError

    def terms(self, columns: np.ndarray) -> np.ndarray:
        """Return the terms (n, C) of n units from their summed `columns` (n, c), which they are by
        default. Terms may hold squares, which must be taken of units and not of images.
        """
        return columns

    def from_sums(self, sums: np.ndarray, bins: int) -> Arguments:
        """Return the metric's arguments for sums (..., C) over units."""
        raise NotImplementedError


class PixelMeans(Input):
    """Means over pixels of columns of the rows per image: an array (...) each.

    Args:
        columns: those of `names` whose means are the metric's arguments.
        classes: the numbers of classes it is defined for: "two", "several" or "any".
    """

    family = "pixels"
    coarse = True
    names = ("pixels", "correct", "confidence", "absolute", "brier", "nll", "entropy")

    def __init__(self, *columns: str, classes: str = "any"):
        """Take the columns whose means are the metric's arguments."""
        self.means = columns
        self.classes = classes
        self.pooled = set(columns) <= {"correct", "confidence"}  # the histogram has these, too

    def exact(self, counts: Counts, bins: int) -> Arguments:
        """Return the means over all pixels, from exact sums of whole numbers."""
        if len(counts.images):
            sums = {name: counts.images.total(name) / unit(name) for name in self.means}
        else:
            pixels = top_label(counts.histogram, 1)
            sums = {"correct": pixels.hits[0], "confidence": pixels.score[0]}
        return tuple(sums[name] / counts.pixels for name in self.means)

    def columns(self, counts: Counts, bins: int) -> Columns:
        """Return a function of a slice of images that returns their columns `names`, (n, 7).

        The columns are the same for all inputs of the family, which share their sums. They are
        whole numbers, whose sums are exact, unless a sum over a resample might exceed int64.
        """
        table = counts.images.table[:, [COLUMNS.index(name) for name in self.names]]
        # The largest sum is that of a resample that draws the largest image each time.
        if len(table) * int(table.max(initial=0)) >= 2**63:
            table = table.astype(np.float64)
        return lambda images: table[images]

    def from_sums(self, sums: np.ndarray, bins: int) -> Arguments:
        """Return the means over pixels for sums (..., 7) of `names`."""
        pixels = sums[..., 0]
        return tuple(sums[..., self.names.index(name)] / unit(name) / pixels for name in self.means)


def unit(column: str) -> int:
    """Return the number by which a column of the rows per image is divided: 1 for numbers of
    pixels, `UNIT` for sums of scores, which are stored in 1 / UNIT.
    """
    return 1 if column == "correct" else UNIT


class Binned(Input):
    """Pixels in equal-width bins of a score: `Bins` (..., B). Of K classes they are the bins of one
    class after the other, so a sum over bins, as a share of the pixels in all of them, is a mean
    over classes.

    Args:
        score: TOP, the confidence in the predicted class, or CLASSES, the probability of each
            class.
    """

    pooled = True
    coarse = True

    def __init__(self, score: str):
        """Take the score.

        Bins of TOP suit any number of classes, and are known without rows per image (`pooled`).
        """
        self.score = score
        self.family = ("bins", score)
        if score == CLASSES:
            self.pooled = False
            self.classes = "several"

    def exact(self, counts: Counts, bins: int) -> Arguments:
        """Return the bins of all pixels, from the histograms, which are exact."""
        if self.score == TOP:
            return (top_label(counts.histogram, bins),)
        by_class = [positive(of_class.histogram, bins) for of_class in counts.classes]
        numbers = {}
        for name in ("count", "hits", "score", "excess"):
            numbers[name] = np.concatenate([getattr(cells, name) for cells in by_class])
        return (Bins(**numbers),)

    def columns(self, counts: Counts, bins: int) -> Columns:
        """Return pixels, hits and scores of images by bin, (n, 3 B), each of all classes."""
        if self.score == TOP:
            return _with_image_confidence(counts, image_cells(counts, TOP, bins), bins)
        by_class = [image_cells(of_class, POSITIVE, bins) for of_class in counts.classes]

        def class_after_class(images: slice) -> np.ndarray:
            """Return the pixels of all classes, then the hits of all, then the scores of all."""
            by_kind = [columns(images).reshape(-1, 3, bins) for columns in by_class]
            return np.concatenate(by_kind, axis=2).reshape(-1, 3 * bins * len(by_class))

        return class_after_class

    def terms(self, columns: np.ndarray) -> np.ndarray:
        """Return the columns (n, 3 B), the squares (n, 3 B) that `BinNoise` needs, and whether the
        unit has pixels in a bin (n, B) and in any bin (n, 1), so (n, 7 B + 1).

        Pixels of an 8-bit level that lies in two bins are split, so a unit can have less than a
        pixel in a bin. It then counts as that share of a unit.
        """
        bins = as_bins(columns)
        squares = (bins.count**2, bins.count * bins.excess, bins.excess**2)
        filled = np.minimum(bins.count, 1)
        present = bins.count.any(axis=1, keepdims=True)
        return np.concatenate([columns, *squares, filled, present], axis=1)

    def from_sums(self, sums: np.ndarray, bins: int) -> Arguments:
        """Return the bins of sums (..., 7 B + 1) of `terms`; the first 3 B of these are columns."""
        return (as_bins(sums[..., : 3 * (sums.shape[-1] // 7)]),)


class BinNoise(Binned):
    """Binned counts with the sampling variance of each bin's excess, (..., B).

    V_k = n / (n - 1) sum_i (e_ik - g_k c_ik)^2 over n independent units (images, or groups of
    them). Unit i has c_ik pixels of excess e_ik in bin k, and g_k is their ratio over all units.
    """

    pooled = False  # a variance over images needs their rows
    centred = True

    def exact(self, counts: Counts, bins: int) -> Arguments:
        """Return the exact bins of all pixels, and the variance over the units."""
        (pixels,) = super().exact(counts, bins)
        _, variance = Input.exact(self, counts, bins)
        return pixels, variance

    def from_sums(self, sums: np.ndarray, bins: int) -> Arguments:
        """Return the bins and variances for sums (..., 7 B + 1) over units.

        The sums are, B each: pixels, hits, scores; c_ik^2, c_ik e_ik, e_ik^2; units with pixels in
        the bin. The last one is the number of units with pixels at all. The square of
        e_ik - g_k c_ik is expanded, so the sums of the three products suffice.
        """
        (pixels,) = super().from_sums(sums, bins)
        square, product, squared_excess = np.split(sums[..., :-1], 7, axis=-1)[3:6]
        gap = pixels.excess / pixels.divisor
        units = sums[..., -1:]
        # At least 0 but for rounding.
        spread = np.maximum(squared_excess - 2 * gap * product + gap**2 * square, 0)
        return pixels, np.where(units > 1, units / np.maximum(units - 1, 1), np.nan) * spread


class Ordered(Input):
    """Pixels in the order of confidence: `Bins` of all levels, ascending; on resamples of `EQUAL`
    cells. It serves metrics that choose their own bins or smooth.

    Exact for 8-bit and 16-bit maps. On resamples cells are few: `analysis.resampling` shifts values
    to the exact one.

    Args:
        cells: number of equally wide cells to which levels are joined; None for all levels.
        groups: whether the metric forms groups of pixels: it also gets their number, `bins`.
    """

    family = "ordered"
    pooled = True
    few = True

    def __init__(self, cells: int | None = None, groups: bool = False):
        """Take the number of cells, and whether the metric forms groups of pixels."""
        self.cells = cells
        self.groups = groups

    def exact(self, counts: Counts, bins: int) -> Arguments:
        """Return all pixels by level of confidence, or by cell."""
        return self._with_groups(top_label(counts.histogram, self.cells), bins)

    def columns(self, counts: Counts, bins: int) -> Columns:
        """Return pixels, hits and confidences of images in `EQUAL` cells, (n, 3 * EQUAL)."""
        return image_cells(counts, TOP, EQUAL)

    def from_sums(self, sums: np.ndarray, bins: int) -> Arguments:
        """Return the cells that sums (..., 3 * EQUAL) over units hold."""
        return self._with_groups(as_bins(sums), bins)

    def _with_groups(self, cells: Bins, bins: int) -> Arguments:
        """Return the metric's arguments: the cells, and if it forms groups, their number."""
        return (cells, bins) if self.groups else (cells,)


class Ranked(Input):
    """Pixels in the order of confidence as `Bins`, for metrics that rank pixels; scores are not
    used. The first levels are split into cells (`counting.levels`).

    Confidences of networks crowd near 1. So on resamples each cell joins levels that span about a
    twelfth of its distance to 1, at most 0.01: the surest pixels keep their order.
    """

    family = "ranked"
    pooled = True
    few = True

    def exact(self, counts: Counts, bins: int) -> Arguments:
        """Return all pixels by level, or by cell where cells order them better."""
        histogram = counts.histogram
        finer = further_cells(histogram.surest)  # 0 if cells order pixels no better than levels
        return (_with_surest(histogram) if finer else top_label(histogram),)

    def columns(self, counts: Counts, bins: int) -> Columns:
        """Return pixels, hits and confidences of images in C cells, finer near 1, (n, 3 C)."""
        return image_cells(counts, TOP, _cell_of_level())

    def from_sums(self, sums: np.ndarray, bins: int) -> Arguments:
        """Return the cells that sums (..., 3 C) over units hold."""
        return (as_bins(sums),)


@cache
def _cell_of_level() -> np.ndarray:
    """Return the cell of `Ranked` to which each level of confidence belongs, (LEVELS,).

    Cells are formed from doubt 0 on, and numbered from the least confidence.
    """
    starts = [0]  # the first level of doubt of each cell, and at last `LEVELS`
    while starts[-1] < LEVELS:
        width = min(max(1, starts[-1] // 12), LEVELS // 100)
        starts.append(min(starts[-1] + width, LEVELS))
    by_doubt = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    return len(starts) - 2 - by_doubt[::-1]  # confidence ascends where doubt descends


def _with_surest(histogram: Histogram) -> Bins:
    """Return pixels and hits in the order of confidence: by level, and the surest ones by cell.

    The scores are not used, so they are 0.
    """
    # The first levels of doubt are left out, because `surest` has their pixels.
    count = histogram.count.copy()
    on_edge = histogram.on_edge.copy()
    count[:SPLIT] = 0
    on_edge[:SPLIT] = 0
    middle = top_label(replace(histogram, count=count, on_edge=on_edge))
    cells = histogram.surest
    # Misses and hits by cell of doubt: `low` where confidence ascends with doubt, `high` where it
    # descends.
    if histogram.top:  # the score of a top label may lie below 0.5
        low = cells[:, 0]
        high = cells[:, 1]
    else:
        low = cells[:0, 0]  # none
        wrong = cells[:, 0, 1] + cells[:, 1, 0]
        right = cells[:, 0, 0] + cells[:, 1, 1]
        high = np.stack([wrong, right], axis=1)
    pixels = np.concatenate([low.sum(axis=1), middle.count, high[::-1].sum(axis=1)])
    hits = np.concatenate([low[:, 1], middle.hits, high[::-1, 1]])
    return Bins(pixels, hits, np.zeros(1), np.zeros(1))


def _with_image_confidence(counts: Counts, columns: Columns, bins: int) -> Columns:
    """Return `columns` (n, 3 B), pixels, hits and confidences per bin, corrected to each image's
    exact confidence.

    Below 8 bits an image takes the distribution of all images together. The difference to its exact
    summed confidence is shared by its pixels, and the mean of these shares in a bin is subtracted
    there: images of a saturated network keep their own gaps, and the sum over all images stays.
    """
    confidences = counts.images.column("confidence")
    if (confidences == UNMEASURED).all():
        return columns

    def missing(images: slice, cells: np.ndarray) -> np.ndarray:
        """Return the confidence (n, 1) that a pixel of each image lacks in `cells` (n, 3, B)."""
        pixels, _, confidence = np.moveaxis(cells.sum(axis=2, keepdims=True), 1, 0)
        exact = confidences[images, None]
        difference = exact / UNIT - confidence
        # A difference that rounding of the row explains is none, so 8-bit maps stay exact.
        rounding = np.abs(difference) <= pixels / UNIT
        known = np.where(rounding | (exact == UNMEASURED), 0, difference)
        return known / np.maximum(pixels, 1)

    added = np.zeros((2, bins))  # what pixels of each bin lack in sum, and their number
    for block in image_blocks(len(counts.images)):
        cells = columns(block).reshape(-1, 3, bins)
        added[0] += (missing(block, cells) * cells[:, 0]).sum(axis=0)
        added[1] += cells[:, 0].sum(axis=0)
    mean = added[0] / np.maximum(added[1], 1)

    def corrected(images: slice) -> np.ndarray:
        """Return `columns` of a slice of images, with corrected confidences."""
        cells = columns(images).reshape(-1, 3, bins)
        cells[:, 2] += (missing(images, cells) - mean) * cells[:, 0]
        return cells.reshape(-1, 3 * bins)

    return corrected
