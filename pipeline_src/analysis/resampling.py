"""The bootstrap over images: all metrics of a set of counts on the same resamples.

Images are drawn with replacement; pixels of an image stay together, since they are not independent,
and so do images of a group, such as frames of a video. `estimate` adds the variance of training.

Metrics are functions of sums over images (`metrics.inputs`). Resampled values are shifted to vary
around the exact
value: sums leave out the finer order of pixels, and resampling adds a bias to a squared error
    (`Input.centred`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple, ParamSpec, TypeVar
from zlib import crc32

import numpy as np
from threadpoolctl import threadpool_limits

from pipeline_src.analysis.intervals import error_interval, interval, within
from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.metrics.inputs import FEW, Input
from pipeline_src.metrics.protocol_counts import ProtocolCounts
from pipeline_src.metrics.registry import METRICS, summary

LEAVE_ONE_OUT = -1  # the key of resamples that each lack one unit
RESAMPLES, SEED = 1000, 0  # of a bootstrap whose draws no other has to share
ROUNDING = 1e-12  # metrics that are exact on sums are left as they are: equal methods differ by 0, and not by rounding
P = ParamSpec("P")
T = TypeVar("T")


def one_thread(function: Callable[P, T]) -> Callable[P, T]:
    """Return a function whose matrix products use one thread: with more, they differ in the last bits."""
    wrapped: Callable[P, T] = threadpool_limits.wrap(limits=1, user_api="blas")(function)
    return wrapped


class Sums(NamedTuple):
    """Sums over units: `total` (C,) over all, `resampled` (R, C) over resamples; `present` (C,) units add something."""

    total: np.ndarray
    resampled: np.ndarray
    present: np.ndarray


@dataclass(frozen=True)
class Resampled:
    """The metrics of a set of counts in one protocol, exactly and on resamples.

    Attributes:
        points: metric -> its value.
        reasons: metric -> why it has none.
        values: metric -> (R,), its values on R resamples of the images; NaN where a resample leaves
            it undefined.
        sums: family of inputs -> what the values are computed from.
        units: number of images that were resampled, or of groups of them.
        present: metric -> number of units that have it, where some do not.
    """

    points: Mapping[str, float]
    reasons: Mapping[str, str]
    values: Mapping[str, np.ndarray]
    sums: Mapping[object, Sums]
    units: int
    present: Mapping[str, int] = field(default_factory=dict)

    def intervals(self) -> dict[str, tuple[float, float] | None]:
        """Return the 95 % interval of every metric; None where a resample leaves it undefined."""
        units = dict.fromkeys(self.values, self.units) | dict(self.present)
        ends = {
            name: interval(self.points[name], values, units[name])
            for name, values in self.values.items()
        }
        limits = {
            name: error_interval(self.points[name], pair, square)
            if pair and (square := ends.get(METRICS[name].decided_by))
            else pair
            for name, pair in ends.items()
        }
        return {name: pair and within(pair, METRICS[name].range) for name, pair in limits.items()}


def key_of(part: str) -> int:
    """Return the key of the draws on a dataset. Datasets are compared as independent, so they must not share draws."""
    return crc32(part.encode())


def resample(
    statistic: MapCounts,
    bins: int,
    key: int,
    resamples: int = RESAMPLES,
    groups: np.ndarray | None = None,
) -> dict[str, Resampled]:
    """Return `resample_counts` of a set of counts by protocol; `groups` (N,) as `ProtocolCounts.units`."""
    runs = ProtocolCounts.by_protocol(statistic, groups)
    return {
        protocol: resample_counts(counted, bins, key, resamples)
        for protocol, counted in runs.items()
    }


@one_thread
def resample_counts(
    counted: ProtocolCounts,
    bins: int,
    key: int,
    resamples: int = RESAMPLES,
    names: Sequence[str] | None = None,
) -> Resampled:
    """Return metrics, exactly and on resamples of the independent units, which are images or groups
    of them.

    The draws depend on (number of units, resamples, key) only: two statistics of the same images,
    in the order of their ids, see the same resamples, so their differences are paired.

    Args:
        resamples: their number; 0 for exact values only.
        names: metrics, which have to be defined; all by default, which takes far longer.
    """
    if names is None:
        exact, reasons = summary(counted, bins)
        points = {name: value for name, value in exact.items() if value is not None}
    else:
        points = {
            name: float(METRICS[name].function(*METRICS[name].input.exact(counted, bins)))
            for name in names
        }
        reasons = {}
    if not points or not resamples:
        return Resampled(points, reasons, {}, {}, 0)
    units, times = _draws_of(counted, key, resamples)
    inputs = {name: METRICS[name].input for name in points}
    by_family = {source.family: source for source in inputs.values()}
    sums = {
        family: _sums(source.units(counted, bins), times, source)
        for family, source in by_family.items()
    }
    values, present = {}, {}
    for name, source in inputs.items():
        summed = sums[source.family]
        values[name] = _values(name, summed, bins, points[name])
        if source.present is not None and summed.present[source.present] < units:
            present[name] = int(summed.present[source.present])
    return Resampled(points, reasons, values, sums, units, present)


def _draws_of(counted: ProtocolCounts, key: int, resamples: int) -> tuple[int, np.ndarray]:
    """Return the number of resampled units and the `draws` of all (R, U); images without pixels are never drawn."""
    counts = (
        np.ones(counted.number, bool)
        if counted.units is not None
        else counted.rows.column("pixels") > 0
    )
    units = int(counts.sum())
    times = draws(units, resamples, key)
    if counts.all():
        return units, times
    drawn = np.zeros((len(times), len(counts)), times.dtype)
    drawn[:, counts] = times
    return units, drawn


def _sums(units: Iterator[np.ndarray], times: np.ndarray, source: Input) -> Sums:
    """Return the sums of the terms (n, C) over all units, and over each resample: `times` (R, U) for each unit."""
    times, start, sums = times[:FEW] if source.few else times, 0, []
    for terms in units:
        drawn = times[:, start : start + len(terms)] @ terms
        sums.append((terms.sum(axis=0), drawn, np.count_nonzero(terms, axis=0)))
        start += len(terms)
    return Sums(*(sum(arrays[1:], arrays[0]) for arrays in zip(*sums, strict=True)))


@np.errstate(invalid="ignore", divide="ignore")  # a resample may hold no pixel that counts
def _values(name: str, sums: Sums, bins: int, point: float) -> np.ndarray:
    metric = METRICS[name]
    if np.isnan(sums.resampled).all():  # a single unit
        return np.full(len(sums.resampled), np.nan)
    total, values = (
        metric.function(*metric.input.from_sums(a, bins)) for a in (sums.total, sums.resampled)
    )
    shift = float(point - (values.mean() if metric.input.centred else total))
    return values + shift if abs(shift) > ROUNDING else values


@lru_cache(maxsize=1)  # methods and seeds on a dataset share the draws
def draws(units: int, resamples: int, key: int) -> np.ndarray:
    """Return how often each unit is in each resample, (R, U): as many units are drawn as there are.

    NaN if there is one unit: nothing is known then of how units differ.
    """
    if units == 1:
        return np.full((resamples, 1), np.nan)
    if key == LEAVE_ONE_OUT:
        return 1 - np.eye(units, dtype=np.uint16)
    generator = np.random.Generator(np.random.PCG64(key))
    times = np.empty((resamples, units), np.uint16)
    for row in times:
        row[:] = np.bincount(generator.integers(0, units, units), minlength=units)
    return times


@one_thread
def image_means(values: np.ndarray, key: int, resamples: int = RESAMPLES) -> np.ndarray:
    """Return (R, M) means over resampled images of M values per image, (N, M); NaN in `values` is left out."""
    defined = ~np.isnan(values)
    columns = np.concatenate([np.where(defined, values, 0), defined], axis=1)
    total, number = np.split(draws(len(values), resamples, key) @ columns, 2, axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / number)
