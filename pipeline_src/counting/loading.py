"""Statistics in files, full or compact."""

from __future__ import annotations

from pathlib import Path

from pipeline_src.counting.map_counts import MapCounts


def load(path: Path | str) -> MapCounts:
    """The statistic in a file, without its provenance; UserError as `MapCounts.load`."""
    return MapCounts.load(path)[0]
