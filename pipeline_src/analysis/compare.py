"""Two experiments compared number by number: a metric of a method on a data set, in each of both, and their difference.

Where both were evaluated on the same images, the resamples of the images are the same, and differences are paired
by image. Where images differ, each side has its own draws: its images count as independent of the other's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline_src.analysis.estimate import Estimate, estimate
from pipeline_src.analysis.measurement import Measurement
from pipeline_src.analysis.resampling import Resampled, key_of, resample, resample_counts
from pipeline_src.counting.counts import image_rows
from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.metrics.protocol_counts import ProtocolCounts
from pipeline_src.metrics.registry import METRICS
from pipeline_src.metrics.summary import summary

SAME, DIFFERENT, UNDECIDED = "same", "different", "inconclusive"
ROUNDING = 1e-9  # what another processor's order of additions may change
Groups = np.ndarray | None
Points = Mapping[str, Mapping[str, np.ndarray]]  # protocol -> metric -> (S,), NaN where it is undefined


@dataclass(frozen=True)
class Cell:
    """A metric of a method on a data set in one protocol, of experiments A and B.

    Attributes:
        seeds: the pairs of seeds that are compared.
        a, b: the metric, means over these seeds; NaN where it is undefined.
        verdict: SAME if no pair differs by more than rounding, DIFFERENT if the 95 % interval of the difference
            excludes 0, else UNDECIDED.
        largest: the largest absolute difference of a pair of seeds.
        effect: the difference B - A with its interval; None where it was not resampled.
        present: how many images, or groups of them, have the metric on either side; None where all have.
    """

    protocol: str
    part: str
    method: str
    metric: str
    seeds: Sequence[tuple[int, int]]
    a: float
    b: float
    verdict: str
    largest: float
    effect: Estimate | None = None
    present: int | None = None


def seed_pairs(a: Sequence[int], b: Sequence[int]) -> list[tuple[int, int]]:
    """Seeds of A with those of B: each with itself, or in their order where they have none in common."""
    if common := sorted({*a} & {*b}):
        return [(seed, seed) for seed in common]
    return list(zip(sorted(a), sorted(b), strict=False))


def compare(
    part: str,
    method: str,
    bins: int,
    a: Mapping[int, MapCounts],
    b: Mapping[int, MapCounts],
    groups: tuple[Groups, Groups] = (None, None),
    intervals: bool = True,
) -> list[Cell]:
    """All metrics of a method on a data set.

    Args:
        part: name of the data set, the key of the draws.
        bins: equal-width bins of ECE and OE on [0, 1].
        a, b: seed -> statistic.
        groups: of the images of A and of B, where images are not independent; of the same images those of one count for
            both.
        intervals: whether to resample where A and B are not equal.
    """
    pairs = seed_pairs([*a], [*b])
    sides = [a[seed] for seed, _ in pairs], [b[seed] for _, seed in pairs]
    same = image_rows(sides[0][0].raw).ids == image_rows(sides[1][0].raw).ids
    if same:
        shared = groups[1] if groups[0] is None else groups[0]
        groups = shared, shared  # the same draws
    points_a, points_b = (_points(*side, bins) for side in zip(sides, groups, strict=True))
    points = [
        (protocol, metric, values, points_b[protocol].get(metric, np.full(len(pairs), np.nan)))
        for protocol in points_a
        if protocol in points_b
        for metric, values in points_a[protocol].items()
    ]
    measured: list[dict[str, Measurement]] = []
    present: Mapping[str, Mapping[str, int]] = {}
    if intervals and any(_largest(*values) > ROUNDING for _, _, *values in points):
        measured, present = _resampled(part, bins, sides, groups, same)
    cells = []
    for protocol, metric, *values in points:
        if np.isnan(values).all():
            continue
        effect = None
        if measured:
            effect = estimate(metric, (measured[1][protocol], 1.0), (measured[0][protocol], -1.0))
        largest, (mean_a, mean_b) = _largest(*values), (float(side.mean()) for side in values)
        verdict = _verdict(largest, effect)
        fewest = present.get(protocol, {}).get(metric)
        cells.append(Cell(protocol, part, method, metric, pairs, mean_a, mean_b, verdict, largest, effect, fewest))
    return cells


def differences(
    part: str,
    bins: int,
    a: Mapping[int, ProtocolCounts],
    b: Mapping[int, ProtocolCounts],
    names: Sequence[str],
    groups: Groups = None,
) -> dict[str, Estimate]:
    """Differences B - A of some metrics on the same images of a data set, by metric.

    Args:
        part, bins: as of `compare`.
        a, b: seed -> counts of a protocol.
        groups: of the images.
    """
    pairs = seed_pairs([*a], [*b])
    metrics = [*dict.fromkeys([*names, *filter(None, (METRICS[name].decided_by for name in names))])]

    def measured(side: Sequence[ProtocolCounts]) -> Measurement:
        return paired([resample_counts(run, bins, key_of(part), groups=groups, names=metrics) for run in side])

    values_a, values_b = measured([a[seed] for seed, _ in pairs]), measured([b[seed] for _, seed in pairs])
    effects = {name: estimate(name, (values_b, 1.0), (values_a, -1.0)) for name in names}
    return {name: effect for name, effect in effects.items() if effect is not None}


def _verdict(largest: float, effect: Estimate | None) -> str:
    if largest <= ROUNDING:
        return SAME
    return DIFFERENT if effect is not None and effect.excludes_zero else UNDECIDED


def _points(statistics: Sequence[MapCounts], groups: Groups, bins: int) -> Points:
    of_seeds = [
        {name: summary(counted, bins)[0] for name, counted in ProtocolCounts.by_protocol(statistic, groups).items()}
        for statistic in statistics
    ]
    return {
        protocol: {name: np.array([values[protocol][name] for values in of_seeds], float) for name in names}
        for protocol, names in of_seeds[0].items()
    }


def _largest(a: np.ndarray, b: np.ndarray) -> float:
    """The largest absolute difference; NaN where the metric is undefined for a seed of only one side."""
    return float(np.where(np.isnan(a) & np.isnan(b), 0, np.abs(b - a)).max())


def _resampled(
    part: str, bins: int, sides: Sequence[Sequence[MapCounts]], groups: tuple[Groups, Groups], same: bool
) -> tuple[list[dict[str, Measurement]], dict[str, dict[str, int]]]:
    """Measurements of A and B by protocol, with the pairs of seeds numbered; `same` images have the same draws. And how
    many images, or groups, have a metric that some have not: the fewest of all, by protocol and metric."""
    keys = key_of(part), key_of(part if same else f"{part} of the other")
    measured: list[dict[str, Measurement]] = []
    present: dict[str, dict[str, int]] = {}
    for statistics, key, side_groups in zip(sides, keys, groups, strict=True):
        runs = [resample(statistic, bins, key, groups=side_groups) for statistic in statistics]
        measured.append({protocol: paired([run[protocol] for run in runs]) for protocol in runs[0]})
        for run in runs:
            for protocol, resampled in run.items():
                fewest = present.setdefault(protocol, {})
                fewest |= {name: min(number, fewest.get(name, number)) for name, number in resampled.present.items()}
    return measured, present


def paired(of_seeds: Sequence[Resampled]) -> Measurement:
    """The metrics that all have, with the seeds numbered: what `estimate` takes differences of."""
    names = [name for name in of_seeds[0].values if all(name in seed.values for seed in of_seeds)]
    return Measurement(
        range(len(of_seeds)),
        0,
        of_seeds[0].units,
        {name: np.array([seed.points[name] for seed in of_seeds]) for name in names},
        {name: np.stack([seed.values[name] for seed in of_seeds]) for name in names},
        bounds={name: np.array([seed.bounds.get(name, 0.0) for seed in of_seeds]) for name in names},
    )
