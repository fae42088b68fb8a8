"""Scores of maps before and after calibration on the same resamples, and warnings about the scored images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_src.analysis.compare import paired
from pipeline_src.analysis.estimate import Estimate, estimate
from pipeline_src.analysis.resampling import SEED, resample_counts
from pipeline_src.counting.counts import COLUMNS, ImageRows, image_rows
from pipeline_src.maps.counts import FolderCounts
from pipeline_src.metrics.protocol_counts import ProtocolCounts
from pipeline_src.metrics.registry import METRICS

SCORED = ("ece", "brier", "augrc", "nll", "accuracy")


def compared(
    runs: Sequence[ProtocolCounts], bins: int, resamples: int, units: np.ndarray | None
) -> dict[str, dict[str, Any]]:
    """Compare the runs before and after calibration.

    Returns:
        `scores`: by metric the values `before` and `after`, their `intervals`, and whether the value `changed`. Where
        another metric decides, the interval of the difference is of that metric, under its name. `bounds`: by side and
        metric, how far values of float maps can be off.
    """
    sides = before, after = [resample_counts(run, bins, SEED, resamples, units) for run in runs]
    ends = [resampled.intervals() if resamples else {} for resampled in sides]
    terms = [(paired([resampled]), weight) for resampled, weight in zip(sides, (-1.0, 1.0), strict=True)]
    scores = {}
    for name in (name for name in SCORED if name in before.points):
        intervals = {"before": ends[0].get(name), "after": ends[1].get(name), "difference": None}
        changed = ""
        if resamples and (change := estimate(name, *terms)):
            intervals["difference"], changed = _limits(change), change.direction
            intervals |= {METRICS[name].decided_by: _limits(change.decided)} if change.decided else {}
        values = {"before": before.points[name], "after": after.points[name]}
        scores[name] = values | {"intervals": intervals, "changed": changed}
    bounds = {
        side: {name: off for name, off in resampled.bounds.items() if name in scores}
        for side, resampled in zip(("before", "after"), sides, strict=True)
    }
    return {"scores": scores, "bounds": bounds}


def _limits(effect: Estimate) -> tuple[float, float] | None:
    return None if math.isnan(effect.low) else (effect.low, effect.high)


def warnings_of(fitted_and_scored: Mapping[Path, FolderCounts]) -> list[str]:
    """The warnings about two folders, each with its name; and one where they share images."""
    lines = [f"{folder}: {line}" for folder, counted in fitted_and_scored.items() for line in counted.warnings()]
    fitted, scored = (image_rows(counted.counts["raw"]) for counted in fitted_and_scored.values())
    known = set(_contents(fitted).values())
    if again := [name for name, content in _contents(scored).items() if content in known]:
        lines.append(
            f"{len(again)} of the {len(scored)} scored images were also fitted to, perhaps under other names "
            f"({', '.join(again[:3])}{', ...' if len(again) > 3 else ''}): their scores are too good"
        )
    return lines


def _contents(rows: ImageRows) -> dict[str, bytes]:
    """By name, sums over an image's pixels, which identify its content. Maps of one value are left out: several images
    can have the same."""
    constant = COLUMNS.index("constant")
    return {name: row.tobytes() for name, row in zip(rows.ids, rows.table, strict=True) if not row[constant]}
