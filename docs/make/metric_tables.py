"""The lists of docs/reference/metrics.md, from the registry of metrics."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import partial

from pipeline_src.metrics.metric import HIGH, LOW, Metric
from pipeline_src.metrics.registry import METRICS

CLASSES = ("any", "two", "several")
BETTER = {LOW: "↓", HIGH: "↑"}


def list_of(classes: str) -> str:
    """The metrics for one object (`two` classes), for several classes, or for any number."""
    listed = {name: metric for name, metric in METRICS.items() if metric.classes == classes}
    return "\n".join(_item(name, metric) for name, metric in listed.items())


def _item(name: str, metric: Metric) -> str:
    """A list item: name, direction, range, definition and source."""
    heading = [f"`{name}`", BETTER.get(metric.better, ""), _range(metric)]
    text = re.split(r"(?<=[.)]) (?=[A-Z])", metric.definition)[0].rstrip(".")
    if metric.reference:
        text += f" ({metric.reference})"
    return f"- {' '.join(filter(None, heading))}: {text}."


def _range(metric: Metric) -> str:
    """The range, unless it is [0, 1]."""
    low, high = metric.range
    if metric.range == (0, 1) or math.isinf(low):
        return ""
    return f"≥ {low:g}" if math.isinf(high) else f"[{low:g}, {high:g}]"


TABLES: dict[str, Callable[[], str]] = {classes: partial(list_of, classes) for classes in CLASSES}
