"""Statistics in files, full or compact."""

from __future__ import annotations

from pathlib import Path

from pipeline_src.counting.compact_file import KIND, read_compact, write_compact
from pipeline_src.counting.counts import Counts
from pipeline_src.counting.map_counts import MapCounts, by_name, from_names
from pipeline_src.counting.storage import kind


def load(path: Path | str) -> MapCounts:
    """The statistic in a file, full or compact, without its provenance.

    Raises:
        UserError: as `MapCounts.load`.
    """
    return from_names(*read_compact(Path(path))) if kind(path) == KIND else MapCounts.load(path)[0]


def save_compact(statistic: MapCounts, path: Path, bins: int) -> None:
    """Write a statistic in the form that is published (`compact`); `load` reads it."""
    write_compact(path, by_name(statistic), statistic.confusion, bins)


# Names of earlier versions, for packages that have not moved to `MapCounts` yet.
AnyStatistic = MapCounts


def by_protocol(statistic: MapCounts) -> dict[str, Counts]:
    """Counts by protocol: `MapCounts.protocols`."""
    return statistic.protocols
