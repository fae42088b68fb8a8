"""The bootstrap over images: all metrics of a set of counts on the same resamples.

Images are drawn with replacement; pixels of an image stay together, since they are not independent,
and so do images of a group, such as frames of a video. `estimate` adds the variance of training.

Metrics are functions of sums over images (`metrics.inputs`). Resampled values are shifted to vary
around the exact value: sums leave out the finer order of pixels, and resampling adds a bias to a
squared error (`Input.centred`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import ParamSpec, TypeVar
from zlib import crc32

import numpy as np
from threadpoolctl import threadpool_limits

from pipeline_src.analysis.measurement import Measurement
from pipeline_src.counting.counts import Counts, grouped
from pipeline_src.metrics.inputs import FEW, Input
from pipeline_src.metrics.registry import METRICS, summary

RESAMPLES = 1000
SEED = 0  # the key of draws that no other bootstrap has to share
# Metrics that are exact on sums are left as they are: equal methods differ by 0, not by rounding.
ROUNDING = 1e-12
P = ParamSpec("P")
T = TypeVar("T")
Sums = tuple[np.ndarray, np.ndarray, np.ndarray]


def one_thread(function: Callable[P, T]) -> Callable[P, T]:
    """Return a function whose matrix products use one thread: with more, they differ in the last
    bits.
    """
    wrapped: Callable[P, T] = threadpool_limits.wrap(limits=1, user_api="blas")(function)
    return wrapped


def key_of(part: str) -> int:
    """Return the key of the draws on a dataset. Datasets are compared as independent, so they must
    not share draws.
    """
    return crc32(part.encode())


def measure_protocols(
    counts: Mapping[str, Counts],
    bins: int,
    key: int,
    resamples: int = RESAMPLES,
    groups: np.ndarray | None = None,
) -> dict[str, Measurement]:
    """Return `measure` of a run by protocol; `groups` (N,) as of `counting.counts.grouped`."""
    result = {}
    for protocol, of_protocol in grouped(counts, groups).items():
        result[protocol] = measure(of_protocol, bins, key, resamples)
    return result


@one_thread
def measure(
    counts: Counts,
    bins: int,
    key: int,
    resamples: int = RESAMPLES,
    names: Iterable[str] | None = None,
) -> Measurement:
    """Return the metrics of a run, exactly and on resamples of its independent units, which are
    images or groups of them.

    The draws depend on (number of units, resamples, key) only: two runs on the same images, in the
    order of their ids, see the same resamples, so their differences are paired.

    Args:
        resamples: their number; 0 for exact values only.
        names: of the metrics; all by default, which takes far longer.
    """
    points, reasons = summary(counts, bins, names)
    units = 0
    values: dict[str, np.ndarray] = {}
    present: dict[str, int] = {}
    if points and resamples:
        sampled = sampled_units(counts)
        units = int(sampled.sum())
        weights = _weights(draws(units, resamples, key), sampled)
        values, present = _weighted_values(counts, bins, weights, points)
    return Measurement(
        seeds=[0],
        images=len(counts.images),
        units=units,
        points={name: np.array([point]) for name, point in points.items()},
        values={name: resampled[None] for name, resampled in values.items()},
        pixels=counts.pixels,
        reasons=reasons,
        present={name: number for name, number in present.items() if number < units},
    )


@one_thread
def leave_one_out(counts: Counts, bins: int, names: Sequence[str]) -> np.ndarray:
    """Return metrics (M, U) without each of the U independent units; NaN of a single unit."""
    points = {}
    for name in names:
        metric = METRICS[name]
        points[name] = float(metric.function(*metric.input.exact(counts, bins)))
    sampled = sampled_units(counts)
    units = int(sampled.sum())
    others = 1 - np.eye(units, dtype=np.uint16) if units > 1 else np.full((1, 1), np.nan)
    values, _ = _weighted_values(counts, bins, _weights(others, sampled), points)
    return np.array(list(values.values()))


@one_thread
def resampled_sums(
    counts: Counts, bins: int, source: Input, key: int, resamples: int = RESAMPLES
) -> Sums:
    """Return the sums (C,) of the terms of an input over all units, those over resamples (R, C),
    and (C,) how many units add something to each.
    """
    sampled = sampled_units(counts)
    times = draws(int(sampled.sum()), resamples, key)
    return _weighted_sums(source.unit_terms(counts, bins), _weights(times, sampled))


def sampled_units(counts: Counts) -> np.ndarray:
    """Return which units are drawn, (U,) bool: all groups, or the images with a pixel that counts."""
    if counts.images.groups is not None:
        return np.ones(counts.images.units, bool)
    has_pixels: np.ndarray = counts.images.column("pixels") > 0
    return has_pixels


def _weights(times: np.ndarray, sampled: np.ndarray) -> np.ndarray:
    """Return the weights (R, U) of all units, 0 of those that are not drawn."""
    if sampled.all():
        return times
    weights = np.zeros((len(times), len(sampled)), times.dtype)
    weights[:, sampled] = times
    return weights


def _weighted_values(
    counts: Counts, bins: int, weights: np.ndarray, points: Mapping[str, float]
) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Return metric -> (R,) values for units of these weights (R, U), and metric -> number of units
    that have it, of metrics that some units may lack.

    Args:
        points: metric -> its exact value.
    """
    sums: dict[object, Sums] = {}
    values = {}
    present = {}
    for name, point in points.items():
        source = METRICS[name].input
        if source.family not in sums:
            of_source = weights[:FEW] if source.few else weights
            sums[source.family] = _weighted_sums(source.unit_terms(counts, bins), of_source)
        total, resampled, filled = sums[source.family]
        values[name] = _values(name, total, resampled, bins, point)
        if source.present is not None:
            present[name] = int(filled[source.present])
    return values, present


def _weighted_sums(unit_terms: Iterable[np.ndarray], weights: np.ndarray) -> Sums:
    """Return the sums of the terms (n, C) of all units, those weighted by `weights` (R, U), and the
    number of terms that are not 0.
    """
    start = 0
    sums: list[Sums] = []
    for terms in unit_terms:
        weighted = weights[:, start : start + len(terms)] @ terms
        sums.append((terms.sum(axis=0), weighted, np.count_nonzero(terms, axis=0)))
        start += len(terms)
    total, resampled, filled = sums[0]
    for more in sums[1:]:
        total = total + more[0]
        resampled = resampled + more[1]
        filled = filled + more[2]
    return total, resampled, filled


@np.errstate(invalid="ignore", divide="ignore")  # a resample may hold no pixel that counts
def _values(
    name: str, total: np.ndarray, resampled: np.ndarray, bins: int, point: float
) -> np.ndarray:
    """Return the values of a metric (R,) on resamples, shifted to vary around its exact value."""
    metric = METRICS[name]
    if np.isnan(resampled).all():  # a single unit
        return np.full(len(resampled), np.nan)
    of_sums = metric.function(*metric.input.from_sums(total, bins))
    values = metric.function(*metric.input.from_sums(resampled, bins))
    shift = float(point - (values.mean() if metric.input.centred else of_sums))
    return values + shift if abs(shift) > ROUNDING else values


@lru_cache(maxsize=1)  # methods and seeds on a dataset share the draws
def draws(units: int, resamples: int, key: int) -> np.ndarray:
    """Return how often each unit is in each resample, (R, U): as many units are drawn as there are.

    NaN if there is one unit: nothing is known then of how units differ.
    """
    if units == 1:
        return np.full((resamples, 1), np.nan)
    generator = np.random.Generator(np.random.PCG64(key))
    times = np.empty((resamples, units), np.uint16)
    for row in times:
        row[:] = np.bincount(generator.integers(0, units, units), minlength=units)
    return times


@one_thread
def image_means(values: np.ndarray, key: int, resamples: int = RESAMPLES) -> np.ndarray:
    """Return (R, M) means over resampled images of M values per image, (N, M); NaN in `values` is
    left out.
    """
    defined = ~np.isnan(values)
    columns = np.concatenate([np.where(defined, values, 0), defined], axis=1)
    total, number = np.split(draws(len(values), resamples, key) @ columns, 2, axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / number)
