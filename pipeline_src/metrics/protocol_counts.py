"""What a statistic counts in one protocol, with what many metrics need of it, made once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from pipeline_src.counting.counts import COLUMNS, Counts, ImageRows
from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.counting.score_histogram import ScoreHistogram, UndefinedMetricError, positive, top_label
from pipeline_src.metrics.cells import TOP, PixelGroups

QUICK = "a quick statistic does not measure it"
Columns = Callable[[slice], np.ndarray]  # images -> (n, C), numbers of each image that are summed


@dataclass(frozen=True)
class ProtocolCounts:
    """What a statistic counts in one protocol, of all its classes or of one.

    Attributes:
        statistic: None of counts alone, of which no metric of several classes can be told.
        regions: the regions of the images by name, where they were counted.
        units: (N,) int64, the group of each image, where images are not independent.
    """

    statistic: MapCounts | None
    counts: Counts
    regions: Mapping[str, ProtocolCounts] = field(default_factory=dict)
    units: np.ndarray | None = None

    @cached_property
    def groups(self) -> PixelGroups:
        """The pooled pixels, which all images share; raises `UndefinedMetricError` where images have no rows."""
        if self.counts.rows is None:
            raise UndefinedMetricError(QUICK)
        return PixelGroups(self.counts)

    @cached_property
    def _histograms(self) -> dict[str, ScoreHistogram]:
        return {}

    def histogram(self, score: str) -> ScoreHistogram:
        """The pixels by a score; made once, as many metrics need it."""
        if score not in self._histograms:
            self._histograms[score] = (top_label if score == TOP else positive)(self.counts)
        return self._histograms[score]

    @cached_property
    def confidences(self) -> np.ndarray:
        """(N,) int64, the summed confidence of each image as the rows have it."""
        return self.rows.table.column(COLUMNS.index("confidence"))

    @cached_property
    def shared(self) -> dict[int, np.ndarray]:
        """What `_with_own_confidence` finds out of all images, by number of bins: several inputs need it."""
        return {}

    @cached_property
    def of_regions(self) -> dict[str, ProtocolCounts]:
        """`regions`, in the units of the images."""
        return {name: replace(of, units=self.units) for name, of in self.regions.items()}

    @cached_property
    def levels(self) -> Columns:
        """(n, 512) pixels of images by 8-bit level and label. The last block stays at hand, as many inputs need it."""
        rows, block = self.rows.levels, dict[tuple[int, int], np.ndarray]()

        def of(images: slice) -> np.ndarray:
            key = images.start, images.stop
            if key not in block:
                block.clear()
                block[key] = rows[images].reshape(-1, 512).astype(np.float64)
            return block[key]

        return of

    @property
    def of_classes(self) -> list[Counts]:
        """The counts of each of several classes."""
        assert self.statistic is not None
        return self.statistic.classes

    @property
    def rows(self) -> ImageRows:
        """The rows per image; raises `UndefinedMetricError` where there are none."""
        if self.counts.pixels == 0:
            raise UndefinedMetricError("no pixel counts")
        if self.counts.rows is None:
            raise UndefinedMetricError(QUICK)
        return self.counts.rows

    @property
    def number(self) -> int:
        """Of independent units: of groups of images, or of images."""
        return len(self.rows) if self.units is None else int(self.units.max(initial=-1)) + 1

    @classmethod
    def by_protocol(cls, statistic: MapCounts, units: np.ndarray | None = None) -> dict[str, ProtocolCounts]:
        """Those of each protocol of a statistic; `units` as above."""
        regions: dict[str, dict[str, ProtocolCounts]] = {}
        for name, of in statistic.regions.items():
            for protocol, counted in cls.by_protocol(of).items():
                regions.setdefault(protocol, {})[name] = counted
        return {
            protocol: cls(statistic, counts, regions.get(protocol, {}), units)
            for protocol, counts in statistic.protocols.items()
        }
