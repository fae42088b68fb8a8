"""The values of all metrics of a statistic, exactly, and why some are undefined."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from pipeline_src.counting.counts import Counts
from pipeline_src.counting.loading import AnyStatistic
from pipeline_src.counting.multiclass import MultiClassStatistic
from pipeline_src.counting.score_histogram import UndefinedMetricError
from pipeline_src.metrics.inputs import Run
from pipeline_src.metrics.registry import METRICS, Metric


def value(name: str, counts: Counts, bins: int = 10) -> float:
    """One metric of one protocol's counts; raises `UndefinedMetricError` where it does not exist."""
    return _value(METRICS[name], Run(None, counts), bins)


def summary(run: Run, bins: int = 10) -> tuple[dict[str, float | None], dict[str, str]]:
    """The metrics by name that are defined for the number of classes, and for each that is None the reason.

    Args:
        bins: number of equal-width bins, a divisor of `levels.LEVELS`.
    """
    values: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    for name in defined(classes_of(run.statistic)):
        try:
            values[name] = _value(METRICS[name], run, bins)
        except UndefinedMetricError as reason:
            values[name], reasons[name] = None, str(reason)
    return values, reasons


def summaries(statistic: AnyStatistic, bins: int = 10) -> dict[str, tuple[dict[str, float | None], dict[str, str]]]:
    """`summary` by protocol."""
    return {protocol: summary(run, bins) for protocol, run in Run.by_protocol(statistic).items()}


def classes_of(statistic: AnyStatistic) -> int:
    """The number of classes of a statistic."""
    return len(statistic.classes) if isinstance(statistic, MultiClassStatistic) else 2


def defined(classes: int) -> list[str]:
    """Names of the metrics of two classes, or of several."""
    kind = "several" if classes > 2 else "two"
    return [name for name, metric in METRICS.items() if metric.classes in ("any", kind)]


def bounds(run: Run, bins: int, names: Collection[str]) -> dict[str, float]:
    """How far those of some metrics that sort pixels can be off for float maps, by name; 8-bit and 16-bit maps need no
    bound."""
    wanted = {name: METRICS[name] for name in names if METRICS[name].bound}
    return {name: float(metric.bound(*metric.of.exact(run, bins))) for name, metric in wanted.items()}


def _value(metric: Metric, run: Run, bins: int) -> float:
    if metric.needs_true_class and _without_class(run):
        raise UndefinedMetricError("on some pixels no class is right")
    if run.counts.pixels == 0:
        raise UndefinedMetricError("no pixel counts")
    with np.errstate(invalid="ignore", divide="ignore"):
        number = float(metric.function(*metric.of.exact(run, bins)))
    if np.isnan(number):
        raise UndefinedMetricError(metric.undefined)
    return number


def _without_class(run: Run) -> bool:
    """Whether some pixels of several classes have no true class."""
    several = isinstance(run.statistic, MultiClassStatistic)
    return several and run.statistic.confusion.sum() < run.counts.pixels
