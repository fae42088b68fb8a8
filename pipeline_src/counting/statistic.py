"""The names of earlier versions for `MapCounts`, for packages that have not moved yet."""

from __future__ import annotations

from pipeline_src.counting.map_counts import MapCounts

TwoClassStatistic = MapCounts
