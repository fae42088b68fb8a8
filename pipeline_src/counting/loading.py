"""Statistics of two classes or of several, handled alike."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pipeline_src.counting.counts import Counts
from pipeline_src.counting.levels import PROTOCOLS
from pipeline_src.counting.multiclass import MultiClassStatistic
from pipeline_src.counting.statistic import TwoClassStatistic
from pipeline_src.counting.storage import kind

AnyStatistic = TwoClassStatistic | MultiClassStatistic


def empty(classes: int) -> AnyStatistic:
    """An empty statistic for maps of two classes or of several."""
    return TwoClassStatistic.empty() if classes == 2 else MultiClassStatistic.empty(classes)


def load(path: Path | str) -> AnyStatistic:
    """The statistic in a file, without its provenance; UserError as `TwoClassStatistic.load`."""
    return (MultiClassStatistic if kind(path) == "multi-class" else TwoClassStatistic).load(path)[0]


def named_counts(statistic: AnyStatistic) -> tuple[dict[str, Counts], np.ndarray | None]:
    """All counts of a statistic by name (`raw`, `border/raw`, `top`, `class0`), and a confusion matrix of several
    classes."""
    if isinstance(statistic, MultiClassStatistic):
        classes = {f"class{k}": counts for k, counts in enumerate(statistic.classes)}
        return {"top": statistic.top} | classes, statistic.confusion
    regions = {
        f"{region}/{protocol}": counts
        for region, of in statistic.regions.items()
        for protocol, counts in by_protocol(of).items()
    }
    return by_protocol(statistic) | regions, None


def statistic_of(counts: Mapping[str, Counts], confusion: np.ndarray | None) -> AnyStatistic:
    """The statistic of `named_counts`."""
    if confusion is not None:
        return MultiClassStatistic(counts["top"], [of for name, of in counts.items() if name != "top"], confusion)
    regions = dict.fromkeys(name.partition("/")[0] for name in counts if "/" in name)
    of_regions = {name: TwoClassStatistic(counts[f"{name}/raw"], counts.get(f"{name}/stretched")) for name in regions}
    return TwoClassStatistic(counts["raw"], counts["stretched"], of_regions)


def by_protocol(statistic: AnyStatistic) -> dict[str, Counts]:
    """Counts by protocol; for several classes those of the top label, in raw only."""
    if isinstance(statistic, MultiClassStatistic):
        return {"raw": statistic.top}
    found = {protocol: getattr(statistic, protocol) for protocol in PROTOCOLS}
    return {protocol: counts for protocol, counts in found.items() if counts is not None}
