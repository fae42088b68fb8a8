"""The bootstrap over images: all metrics of a statistic on the same resamples.

Images are drawn with replacement; pixels of an image stay together, since they are not independent, and so do images of
a group, such as frames of a video. Resampled values speak of the sampling of images only; `estimate` adds the variance
of training.

Metrics are functions of sums over images (`metrics.inputs`). What the sums leave out of the exact value, the finer
order of pixels for instance, shifts all resampled values alike: they vary around the exact value. So does the
bias that resampling adds to an unbiased estimate of a squared error (`Input.centred`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import ParamSpec, TypeVar
from zlib import crc32

import numpy as np
from threadpoolctl import threadpool_limits

from pipeline_src.analysis.intervals import error_interval, interval, units_of, within
from pipeline_src.counting.counts import parts
from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.metrics.inputs import FEW, Input, of_groups
from pipeline_src.metrics.protocol_counts import Columns, ProtocolCounts
from pipeline_src.metrics.registry import METRICS
from pipeline_src.metrics.summary import summary

Draws = Iterator[tuple[slice, np.ndarray]]  # as `draws` returns
RESAMPLES, SEED = 1000, 0  # of a bootstrap whose draws no other has to share
ROUNDING = 1e-12  # metrics that are exact on sums are left as they are: equal methods differ by 0, and not by rounding


P = ParamSpec("P")
T = TypeVar("T")


def one_thread(function: Callable[P, T]) -> Callable[P, T]:
    """A function whose matrix products use one thread: with more, they differ in the last bits."""
    wrapped: Callable[P, T] = threadpool_limits.wrap(limits=1, user_api="blas")(function)
    return wrapped


@dataclass
class Sums:
    """Sums over images: `total` (C,) over all, `resampled` (R, C) over resamples of them; `present` (C,) is the number
    of images, or groups of them, that add something."""

    total: np.ndarray
    resampled: np.ndarray
    present: np.ndarray


@dataclass(frozen=True)
class Resampled:
    """A statistic in one protocol.

    Attributes:
        points: metric -> its value.
        reasons: metric -> why it has none.
        values: metric -> (R,), its values on R resamples of the images; NaN where a resample leaves it undefined.
        sums: family of inputs -> what the values are computed from.
        units: number of images that were resampled, or of groups of them.
        present: metric -> number of images, or groups, that have it, of those that some do not have.
    """

    points: Mapping[str, float]
    reasons: Mapping[str, str]
    values: Mapping[str, np.ndarray]
    sums: Mapping[object, Sums]
    units: int
    present: Mapping[str, int] = field(default_factory=dict)

    def intervals(self) -> dict[str, tuple[float, float] | None]:
        """The 95 % interval of every metric; None where a resample leaves it undefined."""
        units = dict.fromkeys(self.values, self.units) | dict(self.present)
        ends = {name: interval(self.points[name], values, units[name]) for name, values in self.values.items()}
        limits = {
            name: error_interval(self.points[name], pair, square)
            if pair and (square := ends.get(METRICS[name].decided_by))
            else pair
            for name, pair in ends.items()
        }
        return {name: pair and within(pair, METRICS[name].range) for name, pair in limits.items()}


def key_of(part: str) -> int:
    """The key of the draws on a data set: two sets must not share draws, since they are compared as independent."""
    return crc32(part.encode())


def resample(
    statistic: MapCounts,
    bins: int,
    key: int,
    resamples: int = RESAMPLES,
    groups: np.ndarray | None = None,
    further: Sequence[Input] = (),
) -> dict[str, Resampled]:
    """`resample_counts` of a statistic, by protocol."""
    return {
        protocol: resample_counts(counted, bins, key, resamples, groups, further)
        for protocol, counted in ProtocolCounts.by_protocol(statistic).items()
    }


@one_thread
def resample_counts(
    counted: ProtocolCounts,
    bins: int,
    key: int,
    resamples: int = RESAMPLES,
    groups: np.ndarray | None = None,
    further: Sequence[Input] = (),
    names: Sequence[str] | None = None,
) -> Resampled:
    """Metrics, exactly and on resamples of the images.

    The draws depend on (number of images, their groups, resamples, key) only: two statistics of the same images, in the
    order of their ids, see the same resamples, so their differences are paired.

    Args:
        groups: (N,) the group of each image, as `draws` takes it.
        further: inputs whose sums are also computed.
        names: metrics, which have to be defined; all by default, which takes far longer.
    """
    counted = replace(counted, units=groups)
    if names is None:
        exact, reasons = summary(counted, bins)
        points = {name: value for name, value in exact.items() if value is not None}
    else:
        points = {name: float(METRICS[name].function(*METRICS[name].input.exact(counted, bins))) for name in names}
        reasons = {}
    inputs = {source.family: source for source in (*(METRICS[name].input for name in points), *further)}
    drawn = _with_pixels(counted) if points and groups is None else groups
    sums = _sums(counted, inputs, bins, draws(len(counted.rows), resamples, key, drawn)) if points else {}
    values = {name: _values(name, sums, bins, point) for name, point in points.items()}
    units = units_of(drawn, len(counted.rows)) if points else 0
    present = {
        name: int(sums[source.family].present[source.present])
        for name, source in ((name, METRICS[name].input) for name in points)
        if source.present is not None
    }
    fewer = {name: number for name, number in present.items() if number < units}
    return Resampled(points, reasons, values, sums, units, fewer)


def _with_pixels(counted: ProtocolCounts) -> np.ndarray | None:
    """(N,) a group for each image that has a pixel that counts, and -1 for others, which tell nothing; None if all
    have."""
    counts = counted.rows.column("pixels") > 0
    return None if counts.all() else np.where(counts, np.cumsum(counts) - 1, -1)


@np.errstate(invalid="ignore", divide="ignore")  # a resample may hold no pixel that counts
def _values(name: str, sums: Mapping[object, Sums], bins: int, point: float) -> np.ndarray:
    metric = METRICS[name]
    summed = sums[metric.input.family]
    if np.isnan(summed.resampled).all():  # a single group
        return np.full(len(summed.resampled), np.nan)
    of_sums, values = (metric.function(*metric.input.from_sums(a, bins)) for a in (summed.total, summed.resampled))
    return around(point, values, values.mean() if metric.input.centred else of_sums)


def around(point: float, values: np.ndarray, of_sums: float | np.ndarray) -> np.ndarray:
    """Resampled values (R,) shifted to vary around the exact value `point` and not around `of_sums`, that of
    the sums over all images or, of `Input.centred`, the mean of the values."""
    shift = float(point - of_sums)
    return values + shift if abs(shift) > ROUNDING else values


def _sums(counted: ProtocolCounts, inputs: Mapping[object, Input], bins: int, drawn: Draws) -> dict[object, Sums]:
    """Sums over all images and over resamples of them, by family of inputs."""
    columns = {family: source.columns(counted, bins) for family, source in inputs.items()}
    sums: dict[object, Sums] = {}
    for of_units, times in _units(counted, columns, drawn):
        for family, numbers in of_units.items():
            values = inputs[family].of_units(numbers)
            of_resamples = (times[:FEW] if inputs[family].few else times) @ values
            added = Sums(values.sum(axis=0), of_resamples, np.count_nonzero(values, axis=0))
            if family in sums:
                sums[family].total += added.total
                sums[family].resampled += added.resampled
                sums[family].present += added.present
            else:
                sums[family] = added
    return sums


def _units(
    counted: ProtocolCounts, columns: Mapping[object, Columns], drawn: Draws
) -> Iterator[tuple[dict[object, np.ndarray], np.ndarray]]:
    """Blocks of independent units, images or groups of them: their columns by family, and how often each is drawn."""
    if counted.units is None:
        yield from (({family: column(block) for family, column in columns.items()}, times) for block, times in drawn)
        return
    groups, times_of = counted.units.max(initial=-1) + 1, np.empty(0)
    for block, times in drawn:
        times_of = times_of if times_of.size else np.empty((len(times), groups))
        times_of[:, counted.units[block]] = times
    yield {family: of_groups(counted, column) for family, column in columns.items()}, times_of


def draws(images: int, resamples: int, key: int, groups: np.ndarray | None = None) -> Draws:
    """How often each of N images is in each of R resamples of them: blocks of images, (R, n) float64 of each.

    Args:
        groups: (N,) int64, the group of each image, from 0 without gaps; -1 is never drawn. As many groups as there
            are, are drawn, each with all its images: the number of images varies. None: each image is a group
            of its own.

    Returns:
        NaN if there is one group: nothing is known then of how groups differ.
    """
    single = (images if groups is None else groups.max(initial=-1) + 1) == 1
    times = _times(images, resamples, key, None if groups is None else np.asarray(groups, np.int64).tobytes())
    return ((block, np.where(single, np.nan, times[:, block])) for block in parts(images))


@lru_cache(maxsize=1)  # methods and seeds on a data set see the same
def _times(images: int, resamples: int, key: int, groups: bytes | None) -> np.ndarray:
    generator = np.random.Generator(np.random.PCG64(key))
    of_images = np.arange(images) if groups is None else np.frombuffer(groups, np.int64)
    units = of_images.max(initial=-1) + 1
    times = np.empty((resamples, images), np.uint16)
    for row in times:
        drawn = np.bincount(generator.integers(0, units, units), minlength=units)
        row[:] = np.append(drawn, 0)[of_images]  # the last is that of -1
    return times


@one_thread
def image_means(
    values: np.ndarray, key: int, resamples: int = RESAMPLES, groups: np.ndarray | None = None
) -> np.ndarray:
    """(R, M) means over resampled images of M values per image, (N, M); NaN in `values` is left out."""
    defined = ~np.isnan(values)
    columns = np.concatenate([np.where(defined, values, 0), defined], axis=1)
    sums: np.ndarray = sum(times @ columns[block] for block, times in draws(len(values), resamples, key, groups))
    total, number = np.split(sums, 2, axis=1)
    with np.errstate(invalid="ignore"):
        return np.divide(total, number)
