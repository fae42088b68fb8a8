"""Exact values of all metrics of counts, and the reasons of those that are undefined."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cache

import numpy as np

from pipeline_src.counting.counts import Counts
from pipeline_src.counting.levels import POSITION
from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.counting.score_histogram import UndefinedMetricError
from pipeline_src.counting.surest import further_cells
from pipeline_src.metrics.inputs import Input
from pipeline_src.metrics.metric import Metric
from pipeline_src.metrics.protocol_counts import ProtocolCounts
from pipeline_src.metrics.registry import METRICS

ROUNDED = 2.0**-23  # a float32, with as much again for positions
FEW_VALUES = 64  # of all pixels; a network that is not rounded has thousands


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
    for name in defined_for(counted.statistic):
        try:
            values[name] = _value(METRICS[name], counted, exact)
        except UndefinedMetricError as reason:
            values[name], reasons[name] = None, str(reason)
    return values, reasons


def defined_for(statistic: MapCounts | None) -> list[str]:
    """Names of the metrics of counts. Saved maps can have two classes of which none is the positive one."""
    return defined(max(3, len(statistic.classes)) if statistic and statistic.classes else 2)


def defined(classes: int) -> list[str]:
    """Names of the metrics for one object class (2), or for several classes."""
    kind = "several" if classes > 2 else "two"
    return [name for name, metric in METRICS.items() if metric.classes in ("any", kind)]


def bounds(counted: ProtocolCounts, bins: int, names: Collection[str]) -> dict[str, float]:
    """How far each of some metrics can be off for float maps, by name; only those that sort pixels can be. Of maps of 8
    or 16 bits none is."""
    if _ties_are_real(counted.counts):
        return {}
    bounded = {name: (bound, METRICS[name].input) for name in names if (bound := METRICS[name].bound)}
    return {name: float(bound(*source.exact(counted, bins))) for name, (bound, source) in bounded.items()}


def _ties_are_real(counts: Counts) -> bool:
    """Whether pixels of one level are taken to have one value. So it is with a few values, as of histogram binning or a
    constant; with those of 16-bit maps, or of 8-bit maps that are stretched: no two of them share a level, so that the
    mean of a cell is the value of all its pixels."""
    finer = further_cells(counts.surest)  # of a level with several values
    level, predicted, label = np.nonzero(counts.count)
    cell = level, predicted, label
    mean = (level + counts.position[cell] / counts.count[cell] / POSITION) / counts.levels
    tied = not finer and any(
        (np.abs(mean - nearest) < ROUNDED).all() for nearest in (np.rint(65535 * mean) / 65535, _fraction(mean))
    )
    return tied or len(np.unique(level)) + finer <= FEW_VALUES


def _fraction(values: np.ndarray) -> np.ndarray:
    """The nearest k/m with 0 < m < 256, of which two are at least 1 / (254 * 255) apart: a level is narrower."""
    fractions = np.unique(np.concatenate([np.arange(m + 1) / m for m in range(1, 256)]))
    places = np.searchsorted((fractions[1:] + fractions[:-1]) / 2, values)
    return fractions[places]


def _value(metric: Metric, counted: ProtocolCounts, exact: Callable[[Input], tuple]) -> float:
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
