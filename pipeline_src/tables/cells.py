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
    for method, run in measured.items():
        points = run.points.get(metric, np.array([math.nan]))
        interval = estimate(metric, (run, 1.0), quantities=quantities)
        yield {
            **place,
            "method": method,
            "metric": metric,
            "mean": points.mean(),
            "sd": sample_sd(points),
            "low": interval.low if interval else math.nan,
            "high": interval.high if interval else math.nan,
            "seeds": " ".join(map(str, run.seeds)),
            "images": run.images,
            "mark": marked.get(method, ""),
        }


def marks(
    metric: str, measured: Mapping[str, Measurement], quantities: Mapping[str, Quantity] = METRICS
) -> dict[str, str]:
    """method -> BEST, TIED or FLOOR, for one metric, or another of `quantities`, on one data set.

    The best is the one of the best mean. Methods whose paired difference to it is not significant, or not available
    since they share no seed, are tied with it. A single method is no best, and no method is where neither
    direction is better. A method below the noise floor has only that mark.
    """
    means = {method: run.points[metric].mean() for method, run in measured.items() if metric in run.points}
    means = {method: mean for method, mean in means.items() if not math.isnan(mean)}
    better = quantities[metric].better
    below = {m: FLOOR for m in means if below_floor(metric, measured[m])}
    if len(means) < 2 or better == NEITHER:
        return below
    best = max(means, key=lambda method: better * means[method])
    tied = [m for m in means if m != best and not _differ(metric, measured[best], measured[m])]
    return (dict.fromkeys([best, *tied], TIED) if tied else {best: BEST}) | below


def _differ(metric: str, run: Measurement, other: Measurement) -> bool:
    difference = estimate(metric, (run, 1.0), (other, -1.0))
    return difference is not None and difference.excludes_zero


def below_floor(metric: str, run: Measurement) -> bool:
    """Whether a metric is below what it would be without an error, where that is known. Errors whose differences the
    square of the same bins decides are, where the ECE is."""
    if metric not in METRICS:
        return False
    name = "ece" if METRICS[metric].decided_by in (SQUARED, OVER, UNDER) else metric
    floor = METRICS[name].floor
    return floor in run.points and bool(run.points[name].mean() < run.points[floor].mean())
