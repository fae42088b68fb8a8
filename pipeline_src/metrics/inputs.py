"""Inputs of metrics: taken exactly from all images, or from sums over resampled images.

An input provides the arguments of a metric in both ways, so a metric is one function of arrays
(...), evaluated once or on a thousand resamples. Inputs of one `family` share their sums over
images. `image_inputs` has inputs by image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from functools import cache
from typing import Any

import numpy as np

from pipeline_src.counting.counts import COLUMNS, UNMEASURED, Counts, parts
from pipeline_src.counting.levels import LEVELS, SPLIT, UNIT, further_cells
from pipeline_src.counting.score_histogram import Bins, top_label
from pipeline_src.metrics.protocol_counts import POSITIVE, TOP, Columns, ProtocolCounts, as_bins

Arguments = tuple[Any, ...]  # of a metric: `Bins` or arrays
EQUAL = 204  # equally wide cells of `Ordered`
FEW = 250  # resamples of such metrics, which cost ten times as much as the others


class Input:
    """Base of all inputs.

    Attributes:
        family: hashable; inputs of one family need the same sums.
        classes: the numbers of classes it is defined for: "two", "several" or "any".
        pooled: whether the pixels of all images together suffice, without rows per image.
        coarse: whether a pooled input needs no more than `levels.COARSE` levels, if these form its
            bins.
        few: whether `FEW` resamples suffice.
        centred: whether resampling biases its metrics: resampled values are shifted to the exact
            one.
        present: the column that counts the images that have its metrics; None if all have them.
    """

    family: object = None
    classes = "any"
    pooled = coarse = few = centred = False
    present: int | None = None

    def exact(self, counted: ProtocolCounts, bins: int) -> Arguments:
        """Return the metric's arguments for all images, shape (); by default from sums over all independent units."""
        return self.from_sums(
            np.sum([units.sum(axis=0) for units in self.units(counted, bins)], axis=0), bins
        )

    def units(self, counted: ProtocolCounts, bins: int = 10) -> Iterator[np.ndarray]:
        """Return batches (n, C) of the terms of independent units, images or groups of images, in order."""
        columns, blocks = self.columns(counted, bins), parts(len(counted.rows))
        if counted.units is None:
            yield from (self.of_units(columns(block)) for block in blocks)
            return
        sums = np.zeros((counted.number, columns(slice(0, 1)).shape[1]))
        for block in blocks:
            np.add.at(sums, counted.units[block], columns(block))
        yield self.of_units(sums)

    def columns(self, counted: ProtocolCounts, bins: int) -> Columns:
        """Return the numbers (n, c) of each image that are summed within a unit."""
        raise NotImplementedError

    def of_units(self, columns: np.ndarray) -> np.ndarray:
        """Return the terms (n, C) of n units, images or groups of dependent images, from their `columns` (n, c)."""
        return columns

    def from_sums(self, sums: np.ndarray, bins: int) -> Arguments:
        """Return the metric's arguments for sums (..., C) over units."""
        raise NotImplementedError


class PixelMeans(Input):
    """Means over pixels of columns of the rows per image: an array (...) each.

    Args:
        columns: of `names`.
    """

    family, coarse = "pixels", True
    names = ("pixels", "correct", "confidence", "absolute", "brier", "nll", "entropy")

    def __init__(self, *columns: str, classes: str = "any"):
        self.means, self.classes = columns, classes
        self.pooled = {*columns} <= {"correct", "confidence"}

    def exact(self, counted: ProtocolCounts, bins: int) -> Arguments:
        counts = counted.counts
        if self.pooled and counts.rows is None:
            pixels = counted.histogram(TOP).binned(1).bins
            sums = {"correct": pixels.hits[0], "confidence": pixels.score[0]}
            return tuple(sums[name] / counts.pixels for name in self.means)
        return tuple(counted.rows.total(name) / unit(name) / counts.pixels for name in self.means)

    def columns(self, counted: ProtocolCounts, bins: int) -> Columns:
        places = [COLUMNS.index(name) for name in self.names]
        return lambda images: counted.rows.table[images][:, places]

    def from_sums(self, sums: np.ndarray, bins: int) -> Arguments:
        pixels = sums[..., 0]
        return tuple(sums[..., self.names.index(name)] / unit(name) / pixels for name in self.means)


def unit(column: str) -> int:
    """Return what a column of the rows per image counts in: whole pixels, or units of 1 / `UNIT`."""
    return 1 if column == "correct" else UNIT


class Binned(Input):
    """Pixels in equal-width bins of a score: `Bins` (..., B). Of K classes they are the bins of one
    class after the other, so a sum over bins, as a share of the pixels in all of them, is a mean
    over classes.

    Args:
        score: TOP or CLASSES.
    """

    coarse = True

    def __init__(self, score: str):
        self.score, self.family = score, ("bins", score)
        self.pooled, self.classes = score == TOP, "any" if score == TOP else "several"

    def exact(self, counted: ProtocolCounts, bins: int) -> Arguments:
        binned = [
            pixels.histogram(score).binned(bins).bins for pixels, score in self._scores(counted)
        ]
        arrays = ([getattr(cells, array.name) for cells in binned] for array in fields(Bins))
        return (Bins(*map(np.concatenate, arrays)),)

    def columns(self, counted: ProtocolCounts, bins: int) -> Columns:
        cells = [pixels.cells(score, bins) for pixels, score in self._scores(counted)]
        if self.score == TOP:
            return _with_image_confidence(counted, cells[0], bins)

        def class_after_class(images: slice) -> np.ndarray:
            by_kind = [columns(images).reshape(-1, 3, bins) for columns in cells]
            return np.concatenate(by_kind, axis=2).reshape(-1, 3 * bins * len(cells))

        return class_after_class

    def of_units(self, columns: np.ndarray) -> np.ndarray:
        """Return the columns (n, 3 B), the squares (n, 3 B) that `BinNoise` needs, and whether the
        unit has pixels in a bin (n, B) and in any bin. A unit with less than a pixel in a bin
        counts as that share of a unit.
        """
        bins = as_bins(columns)
        count, excess = bins.count, bins.excess
        squares, present = (count**2, count * excess, excess**2), count.any(axis=1, keepdims=True)
        return np.concatenate([columns, *squares, np.minimum(count, 1), present], axis=1)

    def from_sums(self, sums: np.ndarray, bins: int) -> Arguments:
        return (as_bins(sums[..., : 3 * (sums.shape[-1] // 7)]),)

    def _scores(self, counted: ProtocolCounts) -> list[tuple[ProtocolCounts, str]]:
        """Return the counts that are binned, with the score of each."""
        if self.score == TOP:
            return [(counted, TOP)]
        return [
            (ProtocolCounts(counted.statistic, counts), POSITIVE) for counts in counted.of_classes
        ]


class BinNoise(Binned):
    """Binned counts with the sampling variance of each bin's excess, (..., B).

    V_k = n / (n - 1) sum_i (e_ik - g_k c_ik)^2 over n independent units (images, or groups of
    them). Unit i has c_ik pixels of excess e_ik in bin k, and g_k is their ratio over all units.
    """

    centred = True

    def __init__(self, score: str):
        super().__init__(score)
        self.pooled = False

    def exact(self, counted: ProtocolCounts, bins: int) -> Arguments:
        return *super().exact(counted, bins), Input.exact(self, counted, bins)[1]

    def from_sums(self, sums: np.ndarray, bins: int) -> Arguments:
        (pixels,) = super().from_sums(sums, bins)
        square, product, squared_excess = np.split(sums[..., :-1], 7, axis=-1)[3:6]
        gap = pixels.excess / pixels.one
        units = sums[..., -1:]
        spread = np.maximum(
            squared_excess - 2 * gap * product + gap**2 * square, 0
        )  # at least 0 but for rounding
        return pixels, np.where(units > 1, units / np.maximum(units - 1, 1), np.nan) * spread


class Ordered(Input):
    """Pixels in the order of confidence: `Bins` of all levels, ascending; on resamples of `EQUAL`
    cells.

    Exact for 8-bit and 16-bit maps. On resamples cells are few: `analysis.resampling` shifts values
    to the exact one.

    Args:
        cells: joined to so many equally wide cells; None for all levels.
        groups: whether the metric is also given the number of bins.
    """

    family, pooled, few = "ordered", True, True

    def __init__(self, cells: int | None = None, groups: bool = False):
        self.cells, self.groups = cells, groups

    def exact(self, counted: ProtocolCounts, bins: int) -> Arguments:
        pixels = counted.histogram(TOP)
        return self._with_groups((pixels.binned(self.cells) if self.cells else pixels).bins, bins)

    def columns(self, counted: ProtocolCounts, bins: int) -> Columns:
        return counted.cells(TOP, EQUAL)

    def from_sums(self, sums: np.ndarray, bins: int) -> Arguments:
        return self._with_groups(as_bins(sums), bins)

    def _with_groups(self, cells: Bins, bins: int) -> Arguments:
        return (cells, bins) if self.groups else (cells,)


class Ranked(Input):
    """As `Ordered`, with cells of the surest pixels for the first levels; on resamples cells are
    fine near 1.

    Confidences of networks crowd near 1. So each cell joins levels that span about a twelfth of its
    distance to 1, at most 0.01: the surest pixels keep their order.
    """

    family, pooled, few = "ranked", True, True

    def exact(self, counted: ProtocolCounts, bins: int) -> Arguments:
        finer = further_cells(counted.counts.surest)
        return (_with_surest(counted.counts) if finer else counted.histogram(TOP).bins,)

    def columns(self, counted: ProtocolCounts, bins: int) -> Columns:
        return counted.cells(TOP, _cell_of_level())

    def from_sums(self, sums: np.ndarray, bins: int) -> Arguments:
        return (as_bins(sums),)


@cache
def _cell_of_level() -> np.ndarray:
    """Return the cell of `Ranked` to which each level of confidence belongs, (LEVELS,), both ascending."""
    starts = [0]  # first levels of doubt of the cells, and `LEVELS`
    while starts[-1] < LEVELS:
        width = min(max(1, starts[-1] // 12), LEVELS // 100)
        starts.append(min(starts[-1] + width, LEVELS))
    by_doubt = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    return len(starts) - 2 - by_doubt[::-1]


def _with_surest(counts: Counts) -> Bins:
    """Return pixels and hits by level of confidence, ascending, and by cell at the end; the scores are not used."""
    count, on_edge = counts.count.copy(), counts.on_edge.copy()
    count[:SPLIT] = on_edge[:SPLIT] = 0
    middle, cells = top_label(replace(counts, count=count, on_edge=on_edge)), counts.surest
    if counts.top:
        low, high = cells[:, 0], cells[:, 1]
    else:
        low, high = (
            cells[:0, 0],
            np.stack([cells[:, 0, 1] + cells[:, 1, 0], cells[:, 0, 0] + cells[:, 1, 1]], axis=1),
        )
    pixels = np.concatenate([low.sum(axis=1), middle.count, high[::-1].sum(axis=1)])
    hits = np.concatenate([low[:, 1], middle.hits, high[::-1, 1]])
    return Bins(pixels, hits, np.zeros(1), np.zeros(1))


def _with_image_confidence(counted: ProtocolCounts, columns: Columns, bins: int) -> Columns:
    """Return `columns` (n, 3 B), pixels, hits and confidences per bin, corrected to each image's
    exact confidence.

    Below 8 bits an image takes the distribution of all images together. The difference to its exact
    summed confidence is shared by its pixels, and the mean of these shares in a bin is subtracted
    there: images of a saturated network keep their own gaps, and the sum over all images stays.
    """
    confidences = counted.rows.column("confidence")
    if (confidences == UNMEASURED).all():
        return columns

    def missing(images: slice, cells: np.ndarray) -> np.ndarray:
        pixels, _, confidence = np.moveaxis(cells.sum(axis=2, keepdims=True), 1, 0)
        exact = confidences[images, None]
        difference = exact / UNIT - confidence
        rounding = (
            np.abs(difference) <= pixels / UNIT
        )  # as of 8-bit maps: the confidence of each pixel was rounded
        return np.asarray(
            np.where(rounding | (exact == UNMEASURED), 0, difference) / np.maximum(pixels, 1)
        )

    added = np.zeros((2, bins))
    for block in parts(len(counted.rows)):
        cells = columns(block).reshape(-1, 3, bins)
        added += (missing(block, cells) * cells[:, 0]).sum(axis=0), cells[:, 0].sum(axis=0)
    mean = added[0] / np.maximum(added[1], 1)

    def corrected(images: slice) -> np.ndarray:
        cells = columns(images).reshape(-1, 3, bins)
        cells[:, 2] += (missing(images, cells) - mean) * cells[:, 0]
        return cells.reshape(-1, 3 * bins)

    return corrected
