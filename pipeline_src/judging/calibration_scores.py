"""Scores of maps before and after calibration, and what a reader has to know of them."""

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
from pipeline_src.counting.loading import by_protocol
from pipeline_src.counting.multiclass import MultiClassStatistic
from pipeline_src.counting.rows import parts
from pipeline_src.judging.folder_counts import FolderCounts
from pipeline_src.metrics.protocol_counts import ProtocolCounts
from pipeline_src.metrics.registry import METRICS
from pipeline_src.metrics.summary import value

SCORED = ("ece", "brier", "augrc", "nll", "accuracy")


def compared(
    runs: Sequence[ProtocolCounts], bins: int, resamples: int, units: np.ndarray | None
) -> dict[str, dict[str, Any]]:
    """`scores` of the runs before and after and their differences on the same resamples, each with its interval. Where
    another metric decides, the interval of the difference is that one's, and stands under its name. And `bounds`: by
    side and metric, how far values of float maps can be off."""
    sides = before, after = [resample_counts(run, bins, SEED, resamples, units) for run in runs]
    ends = [resampled.intervals() if resamples else {} for resampled in sides]
    terms = [(paired([resampled]), weight) for resampled, weight in zip(sides, (-1.0, 1.0), strict=True)]
    scores = {}
    for name in (name for name in SCORED if name in before.points):
        intervals = {"before": ends[0].get(name), "after": ends[1].get(name), "difference": None}
        changed = ""
        if resamples and (change := estimate(name, *terms)):
            intervals["difference"], changed = _ends(change), change.direction
            intervals |= {METRICS[name].decided_by: _ends(change.decided)} if change.decided else {}
        values = {"before": before.points[name], "after": after.points[name]}
        scores[name] = values | {"intervals": intervals, "changed": changed}
    bounds = {
        side: {name: off for name, off in resampled.bounds.items() if name in scores}
        for side, resampled in zip(("before", "after"), sides, strict=True)
    }
    return {"scores": scores, "bounds": bounds}


def _ends(effect: Estimate) -> tuple[float, float] | None:
    return None if math.isnan(effect.low) else (effect.low, effect.high)


def warnings_of(fitted_and_scored: Mapping[Path, FolderCounts]) -> list[str]:
    """Of two folders, each with its name; and that they share images."""
    lines = [f"{folder}: {line}" for folder, counted in fitted_and_scored.items() for line in counted.warnings()]
    fitted_images, scored = (
        image_rows(by_protocol(counted.statistic)["raw"]) for counted in fitted_and_scored.values()
    )
    fitted_to = set(_contents(fitted_images).values())
    if again := [name for name, content in _contents(scored).items() if content in fitted_to]:
        lines.append(
            f"{len(again)} of the {len(scored)} images that are scored are among those fitted to, under whatever names "
            f"({', '.join(again[:3])}{', ...' if len(again) > 3 else ''}): their scores are too good"
        )
    return lines


def inverted(counted: FolderCounts) -> list[str]:
    """A line where the maps are worse than chance at telling classes apart: a calibrator would hide it, or turn them
    round."""
    run = by_protocol(counted.statistic)["raw"]
    accuracy = value("accuracy", run)
    several = isinstance(counted.statistic, MultiClassStatistic)
    chance = 1 / len(counted.statistic.classes) if isinstance(counted.statistic, MultiClassStatistic) else 0.5
    auc = 0.5 if several else value("auc", run)
    if accuracy >= chance and auc >= 0.5:
        return []
    right = f"the fitted maps are right on {100 * accuracy:.1f} % of the pixels"
    if several:
        return [f"{right}; are class ids in another order?"]
    look = "are maps or masks inverted, or labels swapped?" if auc < 0.5 else "do maps and masks belong together?"
    return [f"{right}, and rank {100 * auc:.1f} % of the pairs of object and background rightly; {look}"]


def _contents(rows: ImageRows) -> dict[str, bytes]:
    """By name, sums over an image's pixels of 30 bits each, by which it is known again. Maps of one value are left out:
    images can have the same."""
    constant = COLUMNS.index("constant")
    sums = (row for part in parts(len(rows)) for row in rows.table[part])
    return {name: row.tobytes() for name, row in zip(rows.ids, sums, strict=True) if not row[constant]}
