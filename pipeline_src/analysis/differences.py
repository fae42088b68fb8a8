"""The comparison of two experiments, number by number: a metric of a method on a dataset in both,
and the difference.

Where both were evaluated on the same images, the resamples of the images are the same, and
differences are paired by image. Where images differ, each side has its own draws: its images count
as independent of the other's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from pipeline_src.analysis.estimate import Estimate, estimate
from pipeline_src.analysis.measurement import Measurement
from pipeline_src.analysis.resampling import key_of, resample
from pipeline_src.counting.counts import image_rows
from pipeline_src.counting.map_counts import MapCounts

SAME, DIFFERENT, UNDECIDED = "same", "different", "inconclusive"
ROUNDING = 1e-9  # what another processor's order of additions may change
Groups = np.ndarray | None


@dataclass(frozen=True)
class MetricDifference:
    """A metric of a method on a dataset in one protocol, of experiments A and B.

    Attributes:
        seeds: the pairs of seeds that are compared.
        a, b: the metric, means over these seeds; NaN where it is undefined.
        verdict: SAME if all pairs are equal but for rounding, DIFFERENT if the 95 % interval
            excludes 0, or UNDECIDED.
        effect: the difference B - A with its interval; None where it was not resampled.
    """

    protocol: str
    part: str
    method: str
    metric: str
    seeds: Sequence[tuple[int, int]]
    a: float
    b: float
    verdict: str
    effect: Estimate | None = None


def seed_pairs(a: Sequence[int], b: Sequence[int]) -> list[tuple[int, int]]:
    """Return seeds of A with those of B: each with itself, or in their order where they have none in common."""
    if common := sorted({*a} & {*b}):
        return [(seed, seed) for seed in common]
    return list(zip(sorted(a), sorted(b), strict=False))


def metric_differences(
    part: str,
    method: str,
    bins: int,
    a: Mapping[int, MapCounts],
    b: Mapping[int, MapCounts],
    groups: tuple[Groups, Groups] = (None, None),
) -> list[MetricDifference]:
    """Return all metrics of a method on a dataset, resampled unless A and B have equal counts.

    Args:
        part: name of the dataset, the key of the draws.
        bins: equal-width bins of ECE and OE on [0, 1].
        a, b: seed -> counts.
        groups: group of each image of A and of B, where images are not independent; equal images
            share one.
    """
    pairs = seed_pairs([*a], [*b])
    sides = [a[seed] for seed, _ in pairs], [b[seed] for _, seed in pairs]
    same_images = image_rows(sides[0][0].raw).ids == image_rows(sides[1][0].raw).ids
    keys = key_of(part), key_of(part if same_images else f"{part} of the other")
    if same_images:
        shared = groups[1] if groups[0] is None else groups[0]
        groups = shared, shared  # the same draws
    equal = all(first == second for first, second in zip(*sides, strict=True))
    measured_a, measured_b = (
        _measured(*side, bins, equal) for side in zip(sides, keys, groups, strict=True)
    )
    cells = []
    for protocol in (protocol for protocol in measured_a if protocol in measured_b):
        run_a, run_b = measured_a[protocol], measured_b[protocol]
        undefined = np.full(len(pairs), np.nan)
        for metric in dict.fromkeys([*run_a.points, *run_b.points]):
            values_a, values_b = (run.points.get(metric, undefined) for run in (run_a, run_b))
            effect = None if equal else estimate(metric, (run_b, 1.0), (run_a, -1.0))
            # NaN where the metric is undefined for a seed of only one side.
            largest = float(
                np.where(
                    np.isnan(values_a) & np.isnan(values_b), 0, np.abs(values_b - values_a)
                ).max()
            )
            means, differs = (
                (float(values_a.mean()), float(values_b.mean())),
                effect is not None and effect.excludes_zero,
            )
            verdict = SAME if largest <= ROUNDING else DIFFERENT if differs else UNDECIDED
            cells.append(
                MetricDifference(protocol, part, method, metric, pairs, *means, verdict, effect)
            )
    return cells


def _measured(
    statistics: Sequence[MapCounts], key: int, groups: Groups, bins: int, equal: bool
) -> dict[str, Measurement]:
    """Return measurements of one side by protocol, with its seeds numbered; equal sides need no resamples."""
    resampled = partial(resample, resamples=1) if equal else resample
    runs = [resampled(statistic, bins, key, groups=groups) for statistic in statistics]
    return {
        protocol: Measurement.of_runs(range(len(runs)), [run[protocol] for run in runs])
        for protocol in runs[0]
    }
