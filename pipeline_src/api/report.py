"""What `Statistic.compute` returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pipeline_src.metrics.registry import METRICS


@dataclass(frozen=True, eq=False)
class CalibrationReport(Mapping[str, float]):
    """A mapping of the names of docs/metrics.md to values, fractions and not percent; printed, it is a table.

    Attributes:
        numbers: metric -> value, of all metrics that are defined.
        intervals: metric -> ends of its 95 % interval over images; empty unless it was asked for.
        undefined: metric -> why it has no value.
        images, pixels: that count.
        bins: of the metrics that have bins.
    """

    numbers: Mapping[str, float]
    images: int
    pixels: int
    bins: int
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    undefined: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> float:
        return self.numbers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)

    def __str__(self) -> str:
        rows = [(METRICS[name].column, self._cell(name)) for name in self]
        width = max((len(heading) for heading, _ in rows), default=0)
        lines = [f"{heading:<{width}}  {cell}" for heading, cell in rows]
        return "\n".join([f"{self.images:,} images, {self.pixels:,} pixels, {self.bins} bins", *lines])

    def _cell(self, name: str) -> str:
        low, high = self.intervals.get(name, (float("nan"),) * 2)
        return METRICS[name].text(self[name], low=low, high=high)
