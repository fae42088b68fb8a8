"""The name of earlier versions for a `MapCounts` of K classes, for packages that have not moved yet."""

from __future__ import annotations

from typing import Any

from pipeline_src.counting.map_counts import MapCounts


class _OfClasses(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, MapCounts) and instance.confusion is not None


class MultiClassStatistic(metaclass=_OfClasses):
    """`MapCounts.of_classes`."""

    @staticmethod
    def empty(classes: int) -> Any:
        return MapCounts.of_classes(classes)
