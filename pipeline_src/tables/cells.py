"""Metrics of an experiment's methods with spread, interval and marks: the cells of tables of methods."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping

import numpy as np

from pipeline_src.analysis.estimate import estimate, sample_sd
from pipeline_src.analysis.measurement import Measurement
from pipeline_src.analysis.results import Results
from pipeline_src.metrics.entries.calibration import OVER, SQUARED, UNDER
from pipeline_src.metrics.metric import NEITHER, Quantity
from pipeline_src.metrics.registry import METRICS
from pipeline_src.metrics.summary import defined
from pipeline_src.tables.paper_table import BEST, FLOOR, TIED, Row


def cells(results: Results, protocol: str, part: str, metric: str, methods: Collection[str] = ()) -> Iterator[Row]:
    """The rows of a `PaperTable` for a metric of some methods on a data set, all methods if none are named, marked
    among themselves; without their place in the table."""
    facts = results.facts
    if metric not in defined(facts.classes):
        return
    measured = results.measured(protocol, part)
    measured = {method: measured[method] for method in methods or measured if method in measured}
    yield from rows({"protocol": protocol, "part": part, "role": facts.parts[part]}, metric, measured)


def rows(
    place: Row, metric: str, measured: Mapping[str, Measurement], quantities: Mapping[str, Quantity] = METRICS
) -> Iterator[Row]:
    """A row for a metric, or another of `quantities`, of each measured method, after what `place` says."""
    marked = marks(metric, measured, quantities)
    for method, one in measured.items():
        points = one.points.get(metric, np.array([math.nan]))
        interval = estimate(metric, (one, 1.0), quantities=quantities)
        yield {
            **place,
            "method": method,
            "metric": metric,
            "mean": points.mean(),
            "sd": sample_sd(points),
            "low": interval.low if interval else math.nan,
            "high": interval.high if interval else math.nan,
            "seeds": " ".join(map(str, one.seeds)),
            "images": one.images,
            "mark": marked.get(method, ""),
        }


def marks(
    metric: str, measured: Mapping[str, Measurement], quantities: Mapping[str, Quantity] = METRICS
) -> dict[str, str]:
    """method -> BEST, TIED or FLOOR, for one metric, or another of `quantities`, on one data set.

    The best is the one of the best mean. Methods whose paired difference to it is not significant, or not available
    since they share no seed, are tied with it. One alone is no best, and where neither direction is better none is.
    What lies below the noise floor is marked as that alone.
    """
    means = {method: one.points[metric].mean() for method, one in measured.items() if metric in one.points}
    means = {method: mean for method, mean in means.items() if not math.isnan(mean)}
    better = quantities[metric].better
    below = {m: FLOOR for m in means if below_floor(metric, measured[m])}
    if len(means) < 2 or better == NEITHER:
        return below
    best = max(means, key=lambda method: better * means[method])
    tied = [m for m in means if m != best and not _differ(metric, measured[best], measured[m])]
    return (dict.fromkeys([best, *tied], TIED) if tied else {best: BEST}) | below


def _differ(metric: str, one: Measurement, other: Measurement) -> bool:
    difference = estimate(metric, (one, 1.0), (other, -1.0))
    return difference is not None and difference.excludes_zero


def below_floor(metric: str, one: Measurement) -> bool:
    """Whether a metric is below what it would be without an error, where that is known. Errors whose differences the
    square of the same bins decides are, where the ECE is."""
    if metric not in METRICS:
        return False
    name = "ece" if METRICS[metric].decided_by in (SQUARED, OVER, UNDER) else metric
    floor = METRICS[name].floor
    return floor in one.points and bool(one.points[name].mean() < one.points[floor].mean())
