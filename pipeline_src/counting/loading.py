"""Statistics in files, full or compact."""

from __future__ import annotations

from pathlib import Path

from pipeline_src.counting.counts import Counts
from pipeline_src.counting.map_counts import MapCounts


def load(path: Path | str) -> MapCounts:
    """The statistic in a file, without its provenance; UserError as `MapCounts.load`."""
    return MapCounts.load(path)[0]


# Names of earlier versions, for packages that have not moved to `MapCounts` yet.
AnyStatistic = MapCounts


def by_protocol(statistic: MapCounts) -> dict[str, Counts]:
    """Counts by protocol: `MapCounts.protocols`."""
    return statistic.protocols
