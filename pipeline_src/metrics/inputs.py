"""What metrics are functions of: taken exactly from all images, or from sums over resampled images.

An input gives a metric its arguments in both ways, so that a metric is one function of arrays (...,) whether it is
evaluated once or on a thousand resamples. `family` names the sums over images that an input needs; inputs that share a
family share its sums.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline_src.counting.counts import COLUMNS, UNMEASURED, Counts, ImageRows
from pipeline_src.counting.levels import UNIT
from pipeline_src.counting.loading import AnyStatistic, by_protocol
from pipeline_src.counting.multiclass import MultiClassStatistic
from pipeline_src.counting.rows import parts
from pipeline_src.counting.score_histogram import Bins, ScoreHistogram, UndefinedMetricError, positive, top_label
from pipeline_src.metrics import estimators
from pipeline_src.metrics.cells import POSITIVE, TOP, PixelGroups, as_bins
from pipeline_src.metrics.f_measure import f_curve

CELLS = 204  # of a score, in which resamples know the pixels of metrics that sort them
FEW = 250  # resamples of such metrics, which cost ten times as much as the others
Columns = Callable[[slice], np.ndarray]  # images -> (n, C), what is summed over images


@dataclass(frozen=True)
class Run:
    """A statistic in one protocol, or one of its classes."""

    statistic: AnyStatistic
    counts: Counts

    @cached_property
    def groups(self) -> PixelGroups:
        """The pooled pixels, which all images share."""
        return PixelGroups(self.counts)

    @property
    def rows(self) -> ImageRows:
        """The rows per image; raises `UndefinedMetricError` where there are none."""
        if self.counts.pixels == 0:
            raise UndefinedMetricError("no pixel counts")
        if self.counts.rows is None:
            raise UndefinedMetricError("a quick statistic does not measure it")
        return self.counts.rows

    @classmethod
    def by_protocol(cls, statistic: AnyStatistic) -> dict[str, Run]:
        """A run for each protocol of a statistic."""
        return {protocol: cls(statistic, counts) for protocol, counts in by_protocol(statistic).items()}


class Input:
    """The base of all inputs."""

    family: object  # hashable: inputs of one family need the same sums
    few: bool = False  # whether `FEW` resamples must do
    classes: str = "any"  # "two", "several" or "any" number of classes

    def exact(self, run: Run, bins: int) -> tuple:
        """The metric's arguments for all images, shape ()."""
        raise NotImplementedError

    def columns(self, run: Run, bins: int) -> Columns:
        """What is summed over images."""
        raise NotImplementedError

    def from_sums(self, sums: np.ndarray, bins: int) -> tuple:
        """The metric's arguments for sums (..., C)."""
        raise NotImplementedError


@dataclass(frozen=True)
class Binned(Input):
    """Pixels in equal-width bins of a score: `Bins` (..., bins).

    Attributes:
        score: TOP, the confidence of the predicted class, or POSITIVE, the probability of the positive class.
        bins: their number; None for that of the experiment.
    """

    score: str
    bins: int | None = None

    @property
    def family(self) -> object:
        return self

    @property
    def classes(self) -> str:
        return "any" if self.score == TOP else "two"

    def exact(self, run: Run, bins: int) -> tuple[Bins]:
        return (histogram(run.counts, self.score).binned(self.bins or bins).bins,)

    def columns(self, run: Run, bins: int) -> Columns:
        return _by_cell(run, self.score, self.bins or bins)

    def from_sums(self, sums: np.ndarray, bins: int) -> tuple[Bins]:
        return (as_bins(sums),)


@dataclass(frozen=True)
class Ordered(Input):
    """Pixels in the order of a score: `Bins` of many narrow cells, ascending.

    Exact for 8-bit and 16-bit maps. On resamples they are known in `CELLS` cells, so that resampled values need a shift
    to the exact one (`analysis.resampling`).

    Attributes:
        cells: joined to so many equally wide cells; None for all levels.
        groups: whether the metric is also given the number of bins.
    """

    score: str
    cells: int | None = None
    groups: bool = False
    few = True

    @property
    def family(self) -> object:
        return ("ordered", self.score)

    @property
    def classes(self) -> str:
        return "any" if self.score == TOP else "two"

    def exact(self, run: Run, bins: int) -> tuple:
        pixels = histogram(run.counts, self.score)
        return self._with_groups((pixels.binned(self.cells) if self.cells else pixels).bins, bins)

    def columns(self, run: Run, bins: int) -> Columns:
        cells = _by_cell(run, self.score, CELLS)
        if self.score == POSITIVE or run.counts.top:
            return cells
        # Of two classes no confidence lies below 0.5.
        return lambda images: cells(images).reshape(-1, 3, CELLS)[:, :, CELLS // 2 :].reshape(-1, 3 * CELLS // 2)

    def from_sums(self, sums: np.ndarray, bins: int) -> tuple:
        by_kind = sums.reshape(*sums.shape[:-1], 3, -1)
        missing = CELLS - by_kind.shape[-1]
        padded = np.pad(by_kind, [(0, 0)] * (by_kind.ndim - 1) + [(missing, 0)])
        return self._with_groups(as_bins(padded.reshape(*sums.shape[:-1], -1)), bins)

    def _with_groups(self, cells: Bins, bins: int) -> tuple:
        return (cells, bins) if self.groups else (cells,)


class PixelMeans(Input):
    """Means over pixels of columns of the rows per image: an array (...) each."""

    family = "pixels"
    names = ("pixels", "correct", "confidence", "absolute", "brier", "nll", "entropy")

    def __init__(self, *columns: str, classes: str = "any"):
        self.own, self.classes = columns, classes

    def exact(self, run: Run, bins: int) -> tuple:
        return tuple(self._total(run, name) for name in self.own)

    def _total(self, run: Run, name: str) -> float:
        counts = run.counts
        if name == "correct" and counts.pixels:  # a quick statistic knows that too
            right = counts.count[:, :, 1] if counts.top else counts.count[:, (0, 1), (0, 1)]
            return int(right.sum()) / counts.pixels
        return run.rows.total(name) / _unit(name) / counts.pixels

    def columns(self, run: Run, bins: int) -> Columns:
        at = [COLUMNS.index(name) for name in self.names]
        return lambda images: run.rows.table[images][:, at]

    def from_sums(self, sums: np.ndarray, bins: int) -> tuple:
        pixels = sums[..., 0]
        return tuple(sums[..., self.names.index(name)] / _unit(name) / pixels for name in self.own)


class ImageMeans(Input):
    """The mean over images of one value per image, an array (...); NaN where no image has it.

    Args:
        column: of the rows per image: `absolute`, taken as the mean over the image's pixels, or a whole-map measure.
    """

    classes = "two"
    names = ("absolute", "s_measure", "e_measure")
    family = "images"

    def __init__(self, column: str):
        self.column = column

    def exact(self, run: Run, bins: int) -> tuple:
        values = self._values(run)(slice(None))[:, self.names.index(self.column)]
        return (np.nan if np.isnan(values).all() else np.nanmean(values),)

    def columns(self, run: Run, bins: int) -> Columns:
        values = self._values(run)

        def summed(images: slice) -> np.ndarray:
            found = values(images)
            return np.concatenate([np.nan_to_num(found), ~np.isnan(found)], axis=1)

        return summed

    def from_sums(self, sums: np.ndarray, bins: int) -> tuple:
        k = self.names.index(self.column)
        return (sums[..., k] / sums[..., len(self.names) + k],)

    def _values(self, run: Run) -> Columns:
        def values(images: slice) -> np.ndarray:
            table = run.rows.table[images]
            column = {name: table[:, COLUMNS.index(name)] for name in ("pixels", *self.names)}
            with np.errstate(invalid="ignore", divide="ignore"):
                mean = np.where(column["pixels"] > 0, column["absolute"] / UNIT / column["pixels"], np.nan)
            kept = [np.where(column[n] == UNMEASURED, np.nan, column[n] / UNIT) for n in self.names[1:]]
            return np.stack([mean, *kept], axis=1)

        return values


class MeanFCurve(Input):
    """The mean of the F curves of the images that have foreground, (..., 256) over thresholds."""

    family, classes = "F curves", "two"

    def exact(self, run: Run, bins: int) -> tuple:
        columns = self.columns(run, bins)
        blocks = parts(len(run.rows), 512)  # the sum of few large blocks is what was published
        return self.from_sums(sum((columns(block).sum(axis=0) for block in blocks), np.zeros(257)), bins)

    def columns(self, run: Run, bins: int) -> Columns:
        def curves(images: slice) -> np.ndarray:
            curve = f_curve(run.rows.levels[images])
            return np.concatenate([np.nan_to_num(curve), ~np.isnan(curve[:, :1])], axis=1)

        return curves

    def from_sums(self, sums: np.ndarray, bins: int) -> tuple:
        return (sums[..., :256] / sums[..., 256:],)


class PooledLevels(Input):
    """Pixels of all images by 8-bit level and label, (..., 256, 2)."""

    family, classes = "levels", "two"

    def exact(self, run: Run, bins: int) -> tuple:
        return (run.rows.pooled(),)

    def columns(self, run: Run, bins: int) -> Columns:
        return lambda images: run.rows.levels[images].reshape(-1, 512)

    def from_sums(self, sums: np.ndarray, bins: int) -> tuple:
        return (sums.reshape(*sums.shape[:-1], 256, 2),)


class OfClasses(Input):
    """ECE and IoU of each of K classes, (..., K) each; IoU is NaN where a class does not occur."""

    family, classes = "classes", "several"

    def exact(self, run: Run, bins: int) -> tuple:
        statistic = run.statistic
        ece = [estimators.ece(positive(counts).binned(bins).bins) for counts in statistic.classes]
        both = np.diag(statistic.confusion)
        union = statistic.confusion.sum(axis=0) + statistic.confusion.sum(axis=1) - both
        with np.errstate(invalid="ignore"):
            return np.array(ece), both / union

    def columns(self, run: Run, bins: int) -> Columns:
        """Class after class: pixels, hits and scores by bin of p_k, union and intersection of label and prediction."""
        at = [COLUMNS.index(name) for name in ("pixels", "correct")]
        of_class = [
            (counts.rows.table, _by_cell(Run(run.statistic, counts), POSITIVE, bins)) for counts in _classes(run)
        ]
        return lambda images: np.concatenate(
            [part for table, cells in of_class for part in (cells(images), table[images][:, at])], axis=1
        )

    def from_sums(self, sums: np.ndarray, bins: int) -> tuple:
        by_class = sums.reshape(*sums.shape[:-1], -1, 3 * bins + 2)
        return estimators.ece(as_bins(by_class[..., : 3 * bins])), by_class[..., -1] / by_class[..., -2]


def histogram(counts: Counts, score: str) -> ScoreHistogram:
    """The pixels by a score."""
    return (top_label if score == TOP else positive)(counts)


def _classes(run: Run) -> list[Counts]:
    assert isinstance(run.statistic, MultiClassStatistic)
    return run.statistic.classes


def _unit(column: str) -> int:
    return 1 if column == "correct" else UNIT


def _by_cell(run: Run, score: str, cells: int) -> Columns:
    per_pixel, levels = run.groups.per_pixel(score, cells), run.counts.rows.levels
    return lambda images: levels[images].reshape(-1, 512) @ per_pixel
