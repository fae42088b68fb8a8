"""What the interactive reliability diagrams show: the pixels by bin of confidence. The page only draws it."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline_src.analysis.results import Results
from pipeline_src.counting.either import by_protocol, load
from pipeline_src.counting.views import View, top_label
from pipeline_src.metrics import estimators
from pipeline_src.metrics.estimators import Bins

CHOICES = (5, 10, 15, 20, 30, 50, 100)  # numbers of bins, besides the experiment's own
DIGITS = 3  # of a bin's summed confidence minus hits: in pixels, so that no error can be seen


def diagrams(results: Results) -> dict[str, Any]:
    """For JSON: what there is to choose from, and `cells`: protocol -> part -> method -> number of bins -> numbers.

    These are `ece` and `oe`, the means over seeds that the tables have, and `rows`, one per bin with pixels: its place
    (0-based, of equally wide right-closed bins on [0, 1]), and of all seeds' pixels together their number, how many are
    right, and summed confidence minus that (`DIGITS` digits).
    """
    choices = sorted({*CHOICES, results.bins})
    cells: dict[str, Any] = {protocol: {part: {} for part in results.parts} for protocol in results.protocols}
    for part in results.parts:
        for method in results.methods:
            files = [results.statistics[method, seed, part] for seed in results.seeds(method, part)]
            runs = [by_protocol(load(file)) for file in files]
            for protocol in results.protocols if runs else ():
                views = [top_label(run[protocol]) for run in runs]
                cells[protocol][part][method] = {str(number): _numbers(views, number) for number in choices}
    return {
        "bins": results.bins,
        "choices": choices,
        "floor": 1 / results.classes,
        "methods": [{"name": method, "label": results.label(method)} for method in results.methods],
        "cells": cells,
    }


def _numbers(views: list[View], number: int) -> dict[str, Any]:
    """The numbers of one diagram from the views of its seeds."""
    binned = [view.binned(number) for view in views]
    seeds = [Bins(view.count, view.hits, view.score, view.excess) for view in binned if view.count.any()]
    count, hits, excess = (sum(getattr(view, name) for view in binned) for name in ("count", "hits", "excess"))
    return {
        "ece": float(np.mean([estimators.ece(bins) for bins in seeds])) if seeds else None,
        "oe": float(np.mean([estimators.oe(bins) for bins in seeds])) if seeds else None,
        "rows": [
            [k, int(count[k]), int(hits[k]), round(float(excess[k]), DIGITS)] for k in map(int, np.flatnonzero(count))
        ],
    }
