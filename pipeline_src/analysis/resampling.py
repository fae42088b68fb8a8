"""The bootstrap over images: all metrics of a set of counts on the same resamples.

Images are drawn with replacement; pixels of an image stay together, since they are not independent,
and so do images of a group, such as frames of a video. `estimate` adds the variance of training.

Metrics are functions of sums over images (`metrics.inputs`). Resampled values are shifted to vary
around the exact value: sums leave out the finer order of pixels, and resampling adds a bias to a
squared error (`Input.centred`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, ParamSpec, TypeVar
from zlib import crc32

import numpy as np
from threadpoolctl import threadpool_limits

from pipeline_src.analysis.intervals import Groups
from pipeline_src.analysis.measurement import COMPARED, Measurement
from pipeline_src.counting.counts import Counts, ImageTable, grouped
from pipeline_src.metrics.cells import TOP
from pipeline_src.metrics.inputs import FEW, Binned
from pipeline_src.metrics.registry import METRICS, summary

RESAMPLES = 1000
# The family of inputs whose sums also give the error bars of reliability diagrams.
IN_BINS = Binned(TOP).family
SEED = 0  # the key of draws that no other bootstrap has to share
# Resampled values are shifted to the exact value unless they differ from it by rounding only: then
# equal methods keep a difference of exactly 0.
ROUNDING = 1e-12
P = ParamSpec("P")
T = TypeVar("T")
ByProtocol = Mapping[str, Counts]  # the counts of a run, by protocol
# Sums of the terms of units: over all units (C,), over each of R resamples (R, C), and the number
# of units whose term is not 0, (C,).
Sums = tuple[np.ndarray, np.ndarray, np.ndarray]


def one_thread(function: Callable[P, T]) -> Callable[P, T]:
    """Return `function` with matrix products limited to one thread.

    The results of several threads differ in the last bits.
    """
    return threadpool_limits.wrap(limits=1, user_api="blas")(function)


def key_of(split: str) -> int:
    """Return the seed of the resamples of a dataset, which follows from its name.

    Datasets are compared as independent, so their resamples must differ.
    """
    return crc32(split.encode())


def measure_protocols(
    counts: ByProtocol,
    bins: int,
    key: int,
    resamples: int = RESAMPLES,
    groups: Groups = None,
) -> dict[str, Measurement]:
    """Return the measurement of a run, its metrics exactly and on resamples, by protocol.

    Args:
        counts: by protocol.
        bins: number of equal-width bins.
        key: seed of the resamples.
        resamples: their number.
        groups: (N,) the group of each image (`counting.counts.grouped`); None if images are
            independent.
    """
    return {
        protocol: measure(of_protocol, bins, key=key, resamples=resamples)
        for protocol, of_protocol in grouped(counts, groups).items()
    }


@one_thread
def measure(
    counts: Counts,
    bins: int,
    key: int,
    resamples: int = RESAMPLES,
    names: Iterable[str] | None = None,
) -> Measurement:
    """Return the metrics of a run, exactly and on resamples of its independent units.

    A unit is an image, or a group of images that are not independent.

    The draws depend on (number of units, resamples, key) only: two runs on the same images, in the
    order of their ids, see the same resamples, so their differences are paired.

    Args:
        bins: number of equal-width bins.
        key: seed of the resamples, such as `key_of` the dataset.
        resamples: number of resamples; 0 for exact values only.
        names: the metrics to compute; by default all, which takes far longer.
    """
    points, reasons = summary(counts, bins, names)
    sampled = sampled_units(counts)
    units = int(sampled.sum())
    measured = Measurement(
        seeds=[0],
        images=len(counts.images),
        units=units,
        points={name: np.array([point]) for name, point in points.items()},
        values={},
        pixels=counts.pixels,
        reasons=reasons,
    )
    if not points or not resamples:
        return measured
    sums = _family_sums(counts, bins, points, _weights(draws(units, resamples, key), sampled))
    present = {}  # number of units with the metric, where some have none
    for name in points:
        source = METRICS[name].input
        filled = sums[source.family][2]
        if source.present is not None and filled[source.present] < units:
            present[name] = int(filled[source.present])
    values = {name: resampled[None] for name, resampled in _values(sums, bins, points).items()}
    arrays = {}
    if IN_BINS in sums:
        arrays["bin_sums"], arrays["resampled_bin_sums"], _ = sums[IN_BINS]
    return replace(measured, values=values, present=present, arrays=arrays)


@one_thread
def leave_one_out(counts: Counts, bins: int) -> np.ndarray:
    """Return the metrics `COMPARED` with each of the U independent units left out, (4, U); NaN if U
    is 1.

    They tell how many units carry a difference (`estimate.effective_units`).
    """
    points = {}
    for name in COMPARED:
        metric = METRICS[name]
        points[name] = float(metric.function(*metric.input.exact(counts, bins)))
    sampled = sampled_units(counts)
    units = int(sampled.sum())
    # (U, U) resamples: row k has each unit once, except for unit k, which it does not have.
    others = 1 - np.eye(units, dtype=np.uint16) if units > 1 else np.full((1, 1), np.nan)
    sums = _family_sums(counts, bins, points, _weights(others, sampled))
    return np.array(list(_values(sums, bins, points).values()))


def sampled_units(counts: Counts) -> np.ndarray:
    """Return which units have a pixel that counts, (U,) bool. Others are not drawn."""
    return units_with(counts.images, counts.images.column("pixels") > 0)


def units_with(images: ImageTable, flags: np.ndarray) -> np.ndarray:
    """Return which units (images, or groups of them) have an image with a flag, (U,) bool.

    Args:
        flags: (N,) bool, a flag for each image.
    """
    if images.groups is None:
        return flags
    return np.bincount(images.groups, flags) > 0


def _weights(times: np.ndarray, sampled: np.ndarray) -> np.ndarray:
    """Return the weights (R, U) of all units in R resamples; units that are not sampled have 0.

    Args:
        times: (R, sampled units) how often each sampled unit is drawn.
        sampled: (U,) bool, which units are sampled.
    """
    weights = np.zeros((len(times), len(sampled)), times.dtype)
    weights[:, sampled] = times
    return weights


def _family_sums(
    counts: Counts, bins: int, names: Iterable[str], weights: np.ndarray
) -> dict[object, Sums]:
    """Return the sums over units that metrics are functions of, by family of the metrics' inputs.

    Metrics of one family share their sums, which take most of the time.

    Args:
        names: of the metrics.
        weights: (R, U) how often each unit is in each resample.
    """
    sums: dict[object, Sums] = {}
    for name in names:
        source = METRICS[name].input
        if source.family not in sums:
            # Inputs with many columns, which take long, have the first `FEW` resamples only.
            of_family = weights[:FEW] if source.few else weights
            sums[source.family] = _weighted_sums(source.unit_terms(counts, bins), of_family)
    return sums


def _weighted_sums(unit_terms: Iterable[np.ndarray], weights: np.ndarray) -> Sums:
    """Return the sums of terms over units: over all, over each resample, and how many are not 0.

    Args:
        unit_terms: the terms of the units in batches (n, C), in order.
        weights: (R, U) how often each unit is in each resample.
    """
    start = 0
    total: Any = 0
    resampled: Any = 0
    filled: Any = 0
    for terms in unit_terms:
        total = total + terms.sum(axis=0)
        resampled = resampled + weights[:, start : start + len(terms)] @ terms
        filled = filled + np.count_nonzero(terms, axis=0)
        start += len(terms)
    return total, resampled, filled


@np.errstate(invalid="ignore", divide="ignore")  # a resample may hold no pixel that counts
def _values(
    sums: Mapping[object, Sums], bins: int, points: Mapping[str, float]
) -> dict[str, np.ndarray]:
    """Return metric -> (R,) values on resamples, shifted to vary around the exact value.

    Args:
        sums: by family of the metrics' inputs.
        points: metric -> its exact value.
    """
    result = {}
    for name, point in points.items():
        metric = METRICS[name]
        total, resampled, _ = sums[metric.input.family]
        if np.isnan(resampled).all():  # a single unit
            result[name] = np.full(len(resampled), np.nan)
            continue
        # Sums leave out the finer order of pixels: the value from the sums of all images differs
        # from the exact one by as much as values on resamples do.
        coarse = metric.function(*metric.input.from_sums(total, bins))
        values = metric.function(*metric.input.from_sums(resampled, bins))
        shift = float(point - (values.mean() if metric.input.centred else coarse))
        result[name] = values + shift if abs(shift) > ROUNDING else values
    return result


@lru_cache(maxsize=1)  # methods and seeds on a dataset share the draws
def draws(units: int, resamples: int, key: int) -> np.ndarray:
    """Return how often each unit is in each resample, (R, U); a resample draws U units.

    The result is NaN for a single unit, which does not tell how units differ.

    Args:
        key: seed of the draws; equal for runs whose differences are paired.
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
    """Return means over resampled images, (R, M), of M values per image.

    Args:
        values: (N, M); NaN is left out.
        key: seed of the resamples.
    """
    defined = ~np.isnan(values)
    # The sums and the numbers of values on a resample are sums weighted by how often it draws each.
    columns = np.concatenate([np.where(defined, values, 0), defined], axis=1)
    total, number = np.split(draws(len(values), resamples, key) @ columns, 2, axis=1)
    with np.errstate(invalid="ignore"):
        return total / number
