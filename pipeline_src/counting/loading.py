"""Statistics of two classes or of several, handled alike."""

from __future__ import annotations

from pathlib import Path

from pipeline_src.counting.counts import Counts
from pipeline_src.counting.levels import PROTOCOLS
from pipeline_src.counting.multiclass import MultiClassStatistic
from pipeline_src.counting.statistic import Statistic
from pipeline_src.counting.storage import kind

AnyStatistic = Statistic | MultiClassStatistic


def empty(classes: int) -> AnyStatistic:
    """An empty statistic for maps of two classes or of several."""
    return Statistic.empty() if classes == 2 else MultiClassStatistic.empty(classes)


def load(path: Path | str) -> AnyStatistic:
    """The statistic in a file, without its provenance.

    Raises:
        UserError: as `Statistic.load`.
    """
    return (MultiClassStatistic if kind(path) == "multi-class" else Statistic).load(path)[0]


def by_protocol(statistic: AnyStatistic) -> dict[str, Counts]:
    """Counts by protocol; for several classes those of the top label, in raw only."""
    if isinstance(statistic, MultiClassStatistic):
        return {"raw": statistic.top}
    return {protocol: getattr(statistic, protocol) for protocol in PROTOCOLS}
