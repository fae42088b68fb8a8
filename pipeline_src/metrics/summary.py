"""Exact values of all metrics of counts, and the reasons of those that are undefined."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from pipeline_src.counting.counts import Counts
from pipeline_src.counting.score_histogram import UndefinedMetricError
from pipeline_src.metrics.inputs import Arguments, Input
from pipeline_src.metrics.metric import Metric
from pipeline_src.metrics.protocol_counts import ProtocolCounts
from pipeline_src.metrics.registry import METRICS


def value(name: str, counts: Counts, bins: int = 10) -> float:
    """One metric of the counts of a protocol; raises `UndefinedMetricError` where it does not exist."""
    counted = ProtocolCounts(None, counts)
    return _value(METRICS[name], counted, lambda source: source.exact(counted, bins))


def summary(counted: ProtocolCounts, bins: int = 10) -> tuple[dict[str, float | None], dict[str, str]]:
    """Values by name of the metrics for this number of classes, and the reason for each that is None.

    Args:
        bins: number of equal-width bins, a divisor of `levels.LEVELS`.
    """
    values: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    exact = cache(lambda source: source.exact(counted, bins))  # many metrics have the same arguments
    classes = counted.statistic.classes if counted.statistic else []
    # Saved maps can have two classes of which none is the positive one.
    for name in defined(max(3, len(classes)) if classes else 2):
        try:
            values[name] = _value(METRICS[name], counted, exact)
        except UndefinedMetricError as reason:
            values[name], reasons[name] = None, str(reason)
    return values, reasons


def defined(classes: int) -> list[str]:
    """Names of the metrics for one object class (2), or for several classes."""
    kind = "several" if classes > 2 else "two"
    return [name for name, metric in METRICS.items() if metric.classes in ("any", kind)]


def _value(metric: Metric, counted: ProtocolCounts, exact: Callable[[Input], Arguments]) -> float:
    if metric.needs_true_class and _without_class(counted):
        raise UndefinedMetricError("on some pixels no class is right")
    if counted.counts.pixels == 0:
        raise UndefinedMetricError("no pixel counts")
    with np.errstate(invalid="ignore", divide="ignore"):
        number = float(metric.function(*exact(metric.input)))
    if np.isnan(number):
        raise UndefinedMetricError(metric.undefined)
    return number


def _without_class(counted: ProtocolCounts) -> bool:
    """Whether some pixels of several classes have no true class."""
    confusion = counted.statistic.confusion if counted.statistic else None
    return confusion is not None and int(confusion.sum()) < counted.counts.pixels
