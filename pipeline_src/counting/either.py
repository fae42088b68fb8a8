"""The statistic of an evaluation, of two classes or of K: what tables, figures and claims ask of both alike."""

from __future__ import annotations

from pathlib import Path

from pipeline_src.counting import multiclass
from pipeline_src.counting.counts import Counts
from pipeline_src.counting.multiclass import MultiClassStatistic
from pipeline_src.counting.statistic import PROTOCOLS, Statistic
from pipeline_src.counting.storage import kind
from pipeline_src.metrics import metrics

Either = Statistic | MultiClassStatistic


def empty(classes: int) -> Either:
    """A statistic to add maps of 2 or of K classes to."""
    return Statistic.empty() if classes == 2 else MultiClassStatistic.empty(classes)


def load(path: Path | str) -> Either:
    """The statistic in a file; its provenance is left out.

    Raises:
        UserError: as `Statistic.load`.
    """
    return (MultiClassStatistic if kind(path) == "multi-class" else Statistic).load(path)[0]


def by_protocol(statistic: Either) -> dict[str, Counts]:
    """Counts by protocol; of K classes those of the top label, raw alone."""
    if isinstance(statistic, MultiClassStatistic):
        return {"raw": statistic.top}
    return {protocol: getattr(statistic, protocol) for protocol in PROTOCOLS}


def summaries(statistic: Either, bins: int) -> dict[str, tuple[dict[str, float | None], dict[str, str]]]:
    """By protocol all metrics by name, and the reasons for those that are undefined."""
    if isinstance(statistic, MultiClassStatistic):
        return {"raw": multiclass.summary(statistic, bins)}
    return {protocol: metrics.summary(counts, bins) for protocol, counts in by_protocol(statistic).items()}
