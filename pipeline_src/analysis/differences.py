"""The differences between two experiments, number by number.

Where both were evaluated on the same images, the resamples of the images are the same, and
differences are paired by image. Where images differ, each side has its own draws: its images count
as independent of the other's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from pipeline_src.analysis.estimate import Estimate, estimate
from pipeline_src.analysis.intervals import Groups
from pipeline_src.analysis.measurement import Measurement
from pipeline_src.analysis.resampling import RESAMPLES, ByProtocol, key_of, measure_protocols
from pipeline_src.counting.storage import equal_counts

# Verdicts on a difference.
SAME = "same"
DIFFERENT = "different"
UNDECIDED = "inconclusive"
ROUNDING = 1e-9  # what another processor's order of additions may change


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
    split: str
    method: str
    metric: str
    seeds: Sequence[tuple[int, int]]
    a: float
    b: float
    verdict: str
    effect: Estimate | None = None


def seed_pairs(a: Sequence[int], b: Sequence[int], pooled: bool) -> list[tuple[int, int]]:
    """Return pairs of a seed of A and a seed of B.

    A seed that both have is paired with itself. If there is none, seeds are paired in ascending
    order. A single run of the networks of all seeds is paired with each seed of the other side.

    Args:
        pooled: whether only one side is such a run. All pairs of seeds are compared then.
    """
    if pooled:
        return list(product(sorted(a), sorted(b)))
    common = sorted({*a} & {*b})
    if common:
        return [(seed, seed) for seed in common]
    return list(zip(sorted(a), sorted(b), strict=False))


def metric_differences(
    split: str,
    method: str,
    bins: int,
    seeds: Sequence[tuple[int, int]],
    a: Mapping[int, ByProtocol],
    b: Mapping[int, ByProtocol],
    groups: tuple[Groups, Groups] = (None, None),
) -> list[MetricDifference]:
    """Return all metrics of a method on a dataset, resampled unless A and B have equal counts.

    Args:
        split: name of the dataset, from which the seed of its resamples follows.
        bins: equal-width bins of ECE and OE on [0, 1].
        seeds: the pairs of seeds that are compared (`seed_pairs`).
        a, b: seed -> counts by protocol.
        groups: group of each image of A and of B, where images are not independent; equal images
            share one.
    """
    counts_a = [a[seed] for seed, _ in seeds]
    counts_b = [b[seed] for _, seed in seeds]
    groups_a, groups_b = groups
    key_b = key_of(f"{split} of the other")  # draws that are independent of those of A
    if counts_a[0]["raw"].images.ids == counts_b[0]["raw"].images.ids:
        key_b = key_of(split)  # the same draws
        groups_b = groups_a = groups_b if groups_a is None else groups_a
    equal = all(map(equal_counts, counts_a, counts_b))
    runs_a = _measured(counts_a, bins, key_of(split), groups_a, equal)
    runs_b = _measured(counts_b, bins, key_b, groups_b, equal)
    found = []
    for protocol, run_a in runs_a.items():
        if protocol not in runs_b:
            continue
        run_b = runs_b[protocol]
        for metric in dict.fromkeys([*run_a.points, *run_b.points]):
            effect = None
            if not equal:
                effect = estimate(metric, (run_b, 1.0), (run_a, -1.0))
            undefined = np.full(len(seeds), np.nan)
            values_a = run_a.points.get(metric, undefined)
            values_b = run_b.points.get(metric, undefined)
            found.append(
                MetricDifference(
                    protocol=protocol,
                    split=split,
                    method=method,
                    metric=metric,
                    seeds=seeds,
                    a=float(values_a.mean()),
                    b=float(values_b.mean()),
                    verdict=_verdict(values_a, values_b, effect),
                    effect=effect,
                )
            )
    return found


def _verdict(a: np.ndarray, b: np.ndarray, effect: Estimate | None) -> str:
    """Return SAME, DIFFERENT or UNDECIDED (`MetricDifference.verdict`).

    Args:
        a, b: (S,) values of the metric in A and B by pair of seeds; NaN where it is undefined.
        effect: the difference B - A with its interval, if it is known.
    """
    if np.allclose(a, b, rtol=0, atol=ROUNDING, equal_nan=True):
        return SAME
    if effect is not None and effect.significant:
        return DIFFERENT
    return UNDECIDED


def _measured(
    counts: Sequence[ByProtocol], bins: int, key: int, groups: Groups, equal: bool
) -> dict[str, Measurement]:
    """Return the measurements of one experiment by protocol.

    Runs are numbered by their pair, from 0, because the seeds of the two experiments may differ.

    Args:
        counts: the counts by protocol, for each training seed.
        key: the seed of the generator that draws the resamples.
        equal: whether both experiments have equal counts; all differences are 0 then.
    """
    resamples = 1 if equal else RESAMPLES  # one where none is needed: arrays must not be empty
    runs = [measure_protocols(run, bins, key, resamples, groups) for run in counts]
    numbers = range(len(runs))
    return {
        protocol: Measurement.of_runs(numbers, [run[protocol] for run in runs])
        for protocol in runs[0]
    }
