"""Effects with intervals: a metric of one method, or a weighted sum over several, paired by seed and image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline_src.analysis.measurement import Measurement
from pipeline_src.analysis.resampling import percentiles


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval over images (NaN where undefined).

    Attributes:
        by_seed: seed -> value.
    """

    by_seed: Mapping[int, float]
    low: float
    high: float

    @property
    def value(self) -> float:
        """The mean over seeds."""
        return sum(self.by_seed.values()) / len(self.by_seed)

    @property
    def excludes_zero(self) -> bool:
        """Whether 0 lies outside of the interval."""
        return self.low > 0 or self.high < 0


def estimate(metric: str, *terms: tuple[Measurement, float]) -> Estimate | None:
    """The weighted sum of a metric over (measurement, weight) terms, averaged over the seeds that all have.

    Returns:
        None where the measurements have no seed in common or one lacks the metric.
    """
    measured = [one for one, _ in terms]
    seeds = common_seeds(measured)
    if not seeds or not all(metric in one.points for one in measured):
        return None
    points = sum(weight * one.of_seeds(one.points[metric], seeds) for one, weight in terms)
    values = sum(weight * one.of_seeds(one.values[metric], seeds) for one, weight in terms)
    low, high = percentiles(values.mean(axis=0)) or (math.nan, math.nan)
    return Estimate(dict(zip(seeds, points.tolist(), strict=True)), low, high)


def common_seeds(measured: Sequence[Measurement]) -> list[int]:
    """Seeds that all have; what is made of all seeds goes with any."""
    single = [set(one.seeds) for one in measured if not one.of_all_seeds]
    return sorted(set.intersection(*single)) if single else list(measured[0].seeds)
