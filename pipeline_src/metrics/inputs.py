"""Inputs of metrics: taken exactly from all images, or from sums over resampled images.

An input provides the arguments of a metric in both ways, so that a metric is one function of arrays (...), evaluated
once or on a thousand resamples. `family` names the sums over images that an input needs; inputs of one family share
them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from pipeline_src.counting.counts import UNMEASURED
from pipeline_src.counting.levels import UNIT
from pipeline_src.counting.rows import parts
from pipeline_src.counting.score_histogram import Bins, UndefinedMetricError
from pipeline_src.metrics.protocol_counts import CLASSES, POSITIVE, TOP, Columns, ProtocolCounts, as_bins

FEW = 250  # resamples of such metrics, which cost ten times as much as the others


class Input:
    """Base of all inputs."""

    present: int | None = None  # the column that counts the images that have its metrics; None if all have them

    # Of a class, or of an input where its parameters decide.

    @property
    def description(self) -> str:
        """In a word or two, for docs/reference/metrics.md."""
        raise NotImplementedError

    @property
    def family(self) -> object:
        """Hashable: inputs of one family need the same sums."""
        raise NotImplementedError

    @property
    def classes(self) -> str:
        """For which numbers of classes it is: "two", "several" or "any"."""
        return "any"

    @property
    def pooled(self) -> bool:
        """Whether all pixels together tell it, without the rows per image."""
        return False

    @property
    def few(self) -> bool:
        """Whether `FEW` resamples suffice."""
        return False

    @property
    def centred(self) -> bool:
        """Whether resampling biases its metrics: resampled values are shifted to the exact one."""
        return False

    def exact(self, counted: ProtocolCounts, bins: int) -> tuple:
        """The metric's arguments for all images, shape (): by default those of the sums over all independent units."""
        return self.from_sums(np.sum([units.sum(axis=0) for units in self.units(counted, bins)], axis=0), bins)

    def units(self, counted: ProtocolCounts, bins: int = 10) -> Iterator[np.ndarray]:
        """Blocks (n, C) of what is summed over independent units, images or groups of them, in order."""
        columns = self.columns(counted, bins)
        blocks = (columns(block) for block in parts(len(counted.rows)))
        yield from map(self.of_units, blocks if counted.units is None else [of_groups(counted, columns)])

    def columns(self, counted: ProtocolCounts, bins: int) -> Columns:
        """The numbers of each image that are summed."""
        raise NotImplementedError

    def of_units(self, columns: np.ndarray) -> np.ndarray:
        """Return the sums (n, C) of n independent units from their `columns` (n, c). A unit is an image, or a group of
        dependent images."""
        return columns

    def from_sums(self, sums: np.ndarray, bins: int) -> tuple:
        """The metric's arguments for sums (..., C)."""
        raise NotImplementedError


@dataclass(frozen=True)
class Binned(Input):
    """Pixels in equal-width bins of a score: `Bins` (..., B). Of K classes they are the bins of one class after the
    other, so that a sum over bins, as a share of the pixels in all of them, is a mean over classes.

    Attributes:
        score: TOP, POSITIVE or CLASSES.
        bins: their number; None for that of the experiment.
    """

    score: str
    bins: int | None = None

    @property
    def description(self) -> str:
        return f"{self.score} in bins"

    @property
    def family(self) -> object:
        return "bins", self.score, self.bins

    @property
    def pooled(self) -> bool:
        return self.score != CLASSES

    @property
    def classes(self) -> str:
        return {TOP: "any", POSITIVE: "two", CLASSES: "several"}[self.score]

    def exact(self, counted: ProtocolCounts, bins: int) -> tuple:
        binned = [pixels.histogram(score).binned(self.bins or bins).bins for pixels, score in self._scores(counted)]
        arrays = ([getattr(cells, name.name) for cells in binned] for name in fields(Bins))
        return (Bins(*map(np.concatenate, arrays)),)

    def columns(self, counted: ProtocolCounts, bins: int) -> Columns:
        number = self.bins or bins
        cells = [of_pixels(pixels, score, number) for pixels, score in self._scores(counted)]
        if self.score == TOP:
            return _with_own_confidence(counted, cells[0], number)

        def of_images(images: slice) -> np.ndarray:
            by_kind = [columns(images).reshape(-1, 3, number) for columns in cells]
            return np.concatenate(by_kind, axis=2).reshape(-1, 3 * number * len(cells))

        return of_images

    def of_units(self, columns: np.ndarray) -> np.ndarray:
        """The columns and, of the experiment's bins, what `BinNoise` needs besides."""
        if self.bins:
            return columns
        count, excess = (getattr(as_bins(columns), name) for name in ("count", "excess"))
        present = count.any(axis=1, keepdims=True)
        return np.concatenate([columns, count**2, count * excess, excess**2, present], axis=1)

    def from_sums(self, sums: np.ndarray, bins: int) -> tuple:
        return (as_bins(sums if self.bins else sums[..., : sums.shape[-1] // 2]),)

    def _scores(self, counted: ProtocolCounts) -> list[tuple[ProtocolCounts, str]]:
        """The name of the score that is binned."""
        if self.score != CLASSES:
            return [(counted, self.score)]
        return [(ProtocolCounts(counted.statistic, counts), POSITIVE) for counts in counted.of_classes]


@dataclass(frozen=True)
class BinNoise(Binned):
    """Binned counts with the sampling variance of each bin's excess, (..., B).

    V_k = n / (n - 1) sum_i (e_ik - g_k c_ik)^2 over n independent units (images, or groups of them).
    Unit i has c_ik pixels of excess e_ik in bin k, and g_k is their ratio over all units."""

    pooled, centred = False, True

    @property
    def description(self) -> str:
        return f"{super().description}, image by image"

    def exact(self, counted: ProtocolCounts, bins: int) -> tuple:
        return *super().exact(counted, bins), Input.exact(self, counted, bins)[1]

    def from_sums(self, sums: np.ndarray, bins: int) -> tuple:
        (pixels,) = super().from_sums(sums, bins)
        square, product, squared_excess = np.split(sums[..., sums.shape[-1] // 2 : -1], 3, axis=-1)
        gap = pixels.excess / pixels.one
        units = sums[..., -1:]
        spread = np.maximum(squared_excess - 2 * gap * product + gap**2 * square, 0)  # at least 0 but for rounding
        return pixels, np.where(units > 1, units / np.maximum(units - 1, 1), np.nan) * spread


@dataclass(frozen=True)
class InRegion(Input):
    """Another input, restricted to the pixels of a region (`counting.regions`).

    Attributes:
        region: its name.
        input: the other input.
    """

    region: str
    input: Input
    classes = "two"

    @property
    def description(self) -> str:
        return f"{self.input.description}, {self.region}"

    @property
    def family(self) -> object:
        return self.region, self.input.family

    @property
    def few(self) -> bool:
        return self.input.few

    @property
    def centred(self) -> bool:
        return self.input.centred

    def of_units(self, columns: np.ndarray) -> np.ndarray:
        return self.input.of_units(columns)

    def exact(self, counted: ProtocolCounts, bins: int) -> tuple:
        if self.region not in counted.regions:
            raise UndefinedMetricError("the regions of the masks were not counted")
        if counted.regions[self.region].counts.pixels == 0:
            raise UndefinedMetricError(f"no pixel lies in the {self.region} of an object")
        return self.input.exact(counted.of_regions[self.region], bins)

    def columns(self, counted: ProtocolCounts, bins: int) -> Columns:
        return self.input.columns(counted.of_regions[self.region], bins)

    def from_sums(self, sums: np.ndarray, bins: int) -> tuple:
        return self.input.from_sums(sums, bins)


def _with_own_confidence(counted: ProtocolCounts, columns: Columns, bins: int) -> Columns:
    """`columns`, (n, 3 B) pixels, hits and confidences of images in bins, with the summed confidence that each image
    truly has.

    Below 8 bits an image is taken to be as all are together. What it then has too much or too little is shared by its
    pixels, and what that brings into a bin is taken from the pixels there: images of a network that is nearly always
    sure keep a gap of their own, and the sum over all images stays.
    """
    if (counted.confidences == UNMEASURED).all():
        return columns

    def missing(images: slice, cells: np.ndarray) -> np.ndarray:
        pixels, _, confidence = np.moveaxis(cells.sum(axis=2, keepdims=True), 1, 0)
        of_rows = counted.confidences[images, None]
        off = of_rows / UNIT - confidence
        exact = np.abs(off) <= pixels / UNIT  # as of 8-bit maps: the confidence of each pixel was rounded
        return np.where(exact | (of_rows == UNMEASURED), 0, off) / np.maximum(pixels, 1)

    def of_images(images: slice) -> np.ndarray:
        cells = columns(images).reshape(-1, 3, bins)
        cells[:, 2] += (missing(images, cells) - counted.shared[bins]) * cells[:, 0]
        return cells.reshape(-1, 3 * bins)

    if bins not in counted.shared:
        brought = np.zeros((2, bins))
        for block in parts(len(counted.rows)):
            cells = columns(block).reshape(-1, 3, bins)
            brought += (missing(block, cells) * cells[:, 0]).sum(axis=0), cells[:, 0].sum(axis=0)
        counted.shared[bins] = brought[0] / np.maximum(brought[1], 1)
    return of_images


def of_pixels(counted: ProtocolCounts, score: str, cells: int | np.ndarray) -> Columns:
    """Pixels, hits and scores in cells of a score: so many equally wide ones, or those that levels are joined to."""
    levels, groups = counted.levels, counted.groups  # in this order: a quick statistic has no rows per image
    per_pixel = groups.per_pixel(score, cells) if isinstance(cells, int) else groups.in_cells(score, cells)
    return lambda images: levels(images) @ per_pixel


def of_groups(counted: ProtocolCounts, columns: Columns) -> np.ndarray:
    """Sums (G, C) of `columns` over the images of each group of `counted.units`."""
    assert counted.units is not None
    width = columns(slice(0, 1)).shape[1]
    sums = np.zeros((counted.units.max(initial=-1) + 1, width))
    for block in parts(len(counted.rows)):
        np.add.at(sums, counted.units[block], columns(block))
    return sums
