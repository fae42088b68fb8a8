"""Inputs of metrics: taken exactly from all images, or from sums over resampled images.

An input provides the arguments of a metric in both ways, so that a metric is one function of arrays (...), evaluated
once or on a thousand resamples. `family` names the sums over images that an input needs; inputs of one family share
them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property

import numpy as np

from pipeline_src.counting.counts import COLUMNS, UNMEASURED, Counts, ImageRows
from pipeline_src.counting.levels import UNIT
from pipeline_src.counting.loading import AnyStatistic, by_protocol
from pipeline_src.counting.multiclass import MultiClassStatistic
from pipeline_src.counting.rows import parts
from pipeline_src.counting.score_histogram import Bins, ScoreHistogram, UndefinedMetricError, positive, top_label
from pipeline_src.counting.statistic import TwoClassStatistic
from pipeline_src.metrics.cells import CLASSES, POSITIVE, TOP, PixelGroups, as_bins

QUICK = "a quick statistic does not measure it"
FEW = 250  # resamples of such metrics, which cost ten times as much as the others
Columns = Callable[[slice], np.ndarray]  # images -> (n, C), numbers of each image that are summed


@dataclass(frozen=True)
class ProtocolCounts:
    """What a statistic counts in one protocol, of all its classes or of one.

    Attributes:
        regions: the regions of the images by name, where they were counted.
        units: (N,) int64, the group of each image, where images are not independent.
    """

    statistic: AnyStatistic
    counts: Counts
    regions: Mapping[str, ProtocolCounts] = field(default_factory=dict)
    units: np.ndarray | None = None

    @cached_property
    def groups(self) -> PixelGroups:
        """The pooled pixels, which all images share; raises `UndefinedMetricError` where images have no rows."""
        if self.counts.rows is None:
            raise UndefinedMetricError(QUICK)
        return PixelGroups(self.counts)

    @cached_property
    def _histograms(self) -> dict[str, ScoreHistogram]:
        return {}

    def histogram(self, score: str) -> ScoreHistogram:
        """The pixels by a score; made once, as many metrics need it."""
        if score not in self._histograms:
            self._histograms[score] = (top_label if score == TOP else positive)(self.counts)
        return self._histograms[score]

    @cached_property
    def confidences(self) -> np.ndarray:
        """(N,) int64, the summed confidence of each image as the rows have it."""
        return self.rows.table.column(COLUMNS.index("confidence"))

    @cached_property
    def shared(self) -> dict[int, np.ndarray]:
        """What `_with_own_confidence` finds out of all images, by number of bins: several inputs need it."""
        return {}

    @cached_property
    def of_regions(self) -> dict[str, ProtocolCounts]:
        """`regions`, in the units of the images."""
        return {name: replace(of, units=self.units) for name, of in self.regions.items()}

    @cached_property
    def levels(self) -> Columns:
        """(n, 512) pixels of images by 8-bit level and label. The last block stays at hand, as many inputs need it."""
        rows, block = self.rows.levels, {}

        def of(images: slice) -> np.ndarray:
            key = images.start, images.stop
            if key not in block:
                block.clear()
                block[key] = rows[images].reshape(-1, 512).astype(np.float64)
            return block[key]

        return of

    @property
    def of_classes(self) -> list[Counts]:
        """The counts of each of several classes."""
        assert isinstance(self.statistic, MultiClassStatistic)
        return self.statistic.classes

    @property
    def rows(self) -> ImageRows:
        """The rows per image; raises `UndefinedMetricError` where there are none."""
        if self.counts.pixels == 0:
            raise UndefinedMetricError("no pixel counts")
        if self.counts.rows is None:
            raise UndefinedMetricError(QUICK)
        return self.counts.rows

    @property
    def number(self) -> int:
        """Of independent units: of groups of images, or of images."""
        return len(self.rows) if self.units is None else int(self.units.max(initial=-1)) + 1

    @classmethod
    def by_protocol(cls, statistic: AnyStatistic, units: np.ndarray | None = None) -> dict[str, ProtocolCounts]:
        """Those of each protocol of a statistic; `units` as above."""
        regions: dict[str, dict[str, ProtocolCounts]] = {}
        for name, of in (statistic.regions if isinstance(statistic, TwoClassStatistic) else {}).items():
            for protocol, counted in cls.by_protocol(of).items():
                regions.setdefault(protocol, {})[name] = counted
        return {
            protocol: cls(statistic, counts, regions.get(protocol, {}), units)
            for protocol, counts in by_protocol(statistic).items()
        }


class Input:
    """Base of all inputs."""

    description: str  # in a word or two, for docs/metrics.md
    family: object  # hashable: inputs of one family need the same sums
    pooled: bool = False  # whether all pixels together tell it, without the rows per image
    few: bool = False  # whether `FEW` resamples suffice
    present: int | None = None  # the column that counts the images that have its metrics; None if all have them
    centred: bool = False  # whether resampling biases its metrics: resampled values are shifted to the exact one
    classes: str = "any"  # "two", "several" or "any" number of classes

    def exact(self, counted: ProtocolCounts, bins: int) -> tuple:
        """The metric's arguments for all images, shape ()."""
        raise NotImplementedError

    def columns(self, counted: ProtocolCounts, bins: int) -> Columns:
        """The numbers of each image that are summed."""
        raise NotImplementedError

    def of_units(self, columns: np.ndarray) -> np.ndarray:
        """What is summed over independent units, (n, C), of the `columns` (n, c) of each: of an image, or summed over a
        group of images that are not independent."""
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
        of = [one.histogram(score).binned(self.bins or bins).bins for one, score in self._scores(counted)]
        arrays = ([getattr(one, name.name) for one in of] for name in fields(Bins))
        return (Bins(*map(np.concatenate, arrays)),)

    def columns(self, counted: ProtocolCounts, bins: int) -> Columns:
        number = self.bins or bins
        cells = [of_pixels(one, score, number) for one, score in self._scores(counted)]

        if self.score == TOP:
            return _with_own_confidence(counted, cells[0], number)

        def of_images(images: slice) -> np.ndarray:
            by_kind = [of(images).reshape(-1, 3, number) for of in cells]
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
        """What is binned by which score."""
        if self.score != CLASSES:
            return [(counted, self.score)]
        return [(ProtocolCounts(counted.statistic, counts), POSITIVE) for counts in counted.of_classes]


@dataclass(frozen=True)
class BinNoise(Binned):
    """The same and the sampling variance of each bin's excess, (..., B): V_k = n / (n - 1) sum_i (e_ik - g_k c_ik)^2
    over n independent units (images, or groups of them), with c_ik pixels of excess e_ik of unit i in bin k, and g_k
    their ratio over all units."""

    pooled, centred = False, True

    @property
    def description(self) -> str:
        return f"{super().description}, image by image"

    def exact(self, counted: ProtocolCounts, bins: int) -> tuple:
        images = parts(len(counted.rows))
        columns = self.columns(counted, bins)
        units = (columns(block) for block in images) if counted.units is None else [of_groups(counted, columns)]
        sums = sum(self.of_units(unit).sum(axis=0) for unit in units)
        return *super().exact(counted, bins), self.from_sums(sums, bins)[1]

    def from_sums(self, sums: np.ndarray, bins: int) -> tuple:
        (pixels,) = super().from_sums(sums, bins)
        square, product, squared_excess = np.split(sums[..., sums.shape[-1] // 2 : -1], 3, axis=-1)
        gap = pixels.excess / pixels.one
        units = sums[..., -1:]
        spread = np.maximum(squared_excess - 2 * gap * product + gap**2 * square, 0)  # at least 0 but for rounding
        return pixels, np.where(units > 1, units / np.maximum(units - 1, 1), np.nan) * spread


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
        own = counted.confidences[images, None]
        off = own / UNIT - confidence
        exact = np.abs(off) <= pixels / UNIT  # as of 8-bit maps: the confidence of each pixel was rounded
        return np.where(exact | (own == UNMEASURED), 0, off) / np.maximum(pixels, 1)

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
