"""All metrics of an experiment with their spread and intervals, as plain values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pipeline_src.analysis.results import Results


def metrics_with_intervals(results: Results) -> dict[str, Any]:
    """What a published metrics.json holds: `labels` of the methods, `sets` with `role`, `images` and `pixels`, and
    `metrics`: protocol -> method -> data set -> metric -> `mean` and `sd` over seeds, and the ends `low` and `high` of
    the interval. What is undefined is null."""
    facts = results.facts
    sets = {}
    for part, role in facts.parts.items():
        first = next(iter(results.measured(facts.protocols[0], part).values()))
        sets[part] = {"role": role, "images": first.images, "pixels": first.pixels}
    metrics: dict[str, Any] = {}
    for protocol in facts.protocols:
        for part in facts.parts:
            for method, one in results.measured(protocol, part).items():
                of_method = metrics.setdefault(protocol, {}).setdefault(method, {})
                of_method[part] = {name: _values(results, name, protocol, method, part) for name in one.points}
    labels = {method: facts.label(method) for method in facts.methods}
    return {"experiment": facts.experiment, "labels": labels, "sets": sets, "metrics": metrics}


def _values(results: Results, metric: str, protocol: str, method: str, part: str) -> dict[str, float | None]:
    of = results.estimate(metric, protocol, method, part)
    seeds = list(of.by_seed.values())
    sd = float(np.std(seeds, ddof=1)) if len(seeds) > 1 else math.nan
    values = {"mean": of.value, "sd": sd, "low": of.low, "high": of.high}
    return {name: None if math.isnan(value) else value for name, value in values.items()}
