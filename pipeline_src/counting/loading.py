"""Statistics of two classes or of K: made, read, and their counts by protocol, without asking which it is."""

from __future__ import annotations

from pathlib import Path

from pipeline_src.counting.counts import Counts
from pipeline_src.counting.levels import PROTOCOLS
from pipeline_src.counting.multiclass import MultiClassStatistic
from pipeline_src.counting.statistic import Statistic
from pipeline_src.counting.storage import kind

AnyStatistic = Statistic | MultiClassStatistic


def empty(classes: int) -> AnyStatistic:
    """A statistic to add maps of 2 or of K classes to."""
    return Statistic.empty() if classes == 2 else MultiClassStatistic.empty(classes)


def load(path: Path | str) -> AnyStatistic:
    """The statistic in a file, without its provenance.

    Raises:
        UserError: as `Statistic.load`.
    """
    return (MultiClassStatistic if kind(path) == "multi-class" else Statistic).load(path)[0]


def by_protocol(statistic: AnyStatistic) -> dict[str, Counts]:
    """Counts by protocol; of K classes those of the top label, raw alone."""
    if isinstance(statistic, MultiClassStatistic):
        return {"raw": statistic.top}
    return {protocol: getattr(statistic, protocol) for protocol in PROTOCOLS}
