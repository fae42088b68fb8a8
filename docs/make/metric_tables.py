"""The tables of docs/metrics.md, from the registry of metrics: a row each."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from pipeline_src.metrics.metric import HIGH, LOW, NEITHER, Metric
from pipeline_src.metrics.registry import METRICS

CLASSES = ("any", "two", "several")
BETTER = {LOW: "lower", HIGH: "higher", NEITHER: "–"}


def of_classes(classes: str) -> str:
    """The metrics for one object (`two` classes), for several classes, or for any number."""
    rows = [_row(name, metric) for name, metric in METRICS.items() if metric.classes == classes]
    head = ["| name | heading | from | definition | range | better | reference |", "|---|---|---|---|---|---|---|"]
    return "\n".join(head + rows)


def _row(name: str, metric: Metric) -> str:
    better = BETTER[metric.better]
    cells = [f"`{name}`", metric.column, metric.of.description, metric.definition, _range(metric)]
    return f"| {' | '.join([*cells, better, metric.reference or '–'])} |"


def _range(metric: Metric) -> str:
    low, high = metric.range
    if math.isinf(high):
        return "–" if math.isinf(low) else f"≥ {low:g}"
    return f"{low:g} to {high:g}"


TABLES: dict[str, Callable[[], str]] = {classes: partial(of_classes, classes) for classes in CLASSES}
