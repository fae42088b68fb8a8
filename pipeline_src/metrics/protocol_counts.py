"""What a statistic counts in one protocol, and the pixels of its images in cells of a score.

An image is known by its pixels per (8-bit level, label). Finer than 8 bits, the pixels of such a group keep the
distribution that all images together have there: for 8-bit maps every number is exact, for float maps a sum over all
images is exact and a sum over some of them is exact to second order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property

import numpy as np

from pipeline_src.counting.counts import COLUMNS, Counts, ImageRows, image_rows, upper_edge
from pipeline_src.counting.levels import EIGHT, HALF, LEVELS, POSITION
from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.counting.score_histogram import Bins, ScoreHistogram, UndefinedMetricError, positive, top_label

TOP, POSITIVE = "confidence", "probability"  # of the predicted class, of the positive class
CLASSES = "probability of each class"
MIDDLE = HALF // EIGHT  # the 8-bit level that 0.5 lies in
QUICK = "a quick statistic does not measure it"
Columns = Callable[[slice], np.ndarray]  # images -> (n, C), numbers of each image that are summed


@dataclass(frozen=True)
class ProtocolCounts:
    """The counts of a counts file in one protocol, for all its classes or for one.

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
        """A cache of the results of `_with_own_confidence` by number of bins, which several inputs share."""
        return {}

    @cached_property
    def of_regions(self) -> dict[str, ProtocolCounts]:
        """`regions`, in the units of the images."""
        return {name: replace(chosen, units=self.units) for name, chosen in self.regions.items()}

    @cached_property
    def levels(self) -> Columns:
        """(n, 512) pixels of images by 8-bit level and label. The last block stays at hand, as many inputs need it."""
        rows, block = self.rows.levels, dict[tuple[int, int], np.ndarray]()

        def chosen(images: slice) -> np.ndarray:
            key = images.start, images.stop
            if key not in block:
                block.clear()
                block[key] = rows[images].reshape(-1, 512).astype(np.float64)
            return block[key]

        return chosen

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
        for name, chosen in statistic.regions.items():
            for protocol, counted in cls.by_protocol(chosen).items():
                regions.setdefault(protocol, {})[name] = counted
        return {
            protocol: cls(statistic, counts, regions.get(protocol, {}), units)
            for protocol, counts in statistic.protocols.items()
        }


def split(cells: Bins, width: int) -> Bins:
    """(..., K / width, width) the same cells (..., K), `width` adjacent ones by themselves."""
    return Bins(*(getattr(cells, chosen.name).reshape(*cells.count.shape[:-1], -1, width) for chosen in fields(cells)))


class PixelGroups:
    """The pooled pixels of one protocol, ready to be put into the cells of a score."""

    def __init__(self, counts: Counts):
        level, predicted, label = np.nonzero(counts.count)
        count = counts.count[level, predicted, label]
        doubt = (level * count + counts.position[level, predicted, label] / POSITION) / LEVELS
        edge = np.where(predicted == 1, upper_edge(counts)[level, label], counts.on_edge[level, label])
        # Each level in two entries: the pixels exactly at doubt = level / LEVELS, and the others.
        level, predicted, label = (np.concatenate([a, a]) for a in (level, predicted, label))
        on_edge = np.arange(len(level)) < len(count)
        count = np.concatenate([edge, count - edge])
        doubt = np.concatenate([edge * (level[on_edge] / LEVELS), doubt - edge * (level[on_edge] / LEVELS)])
        cell = LEVELS - 1 - level
        # floor(255 f): edges below 0.5 are closed below, those above belong to the 8-bit level above them
        eight = np.where(predicted == 1, (cell + on_edge) // EIGHT, level // EIGHT)
        total = image_rows(counts).pooled()
        if not np.array_equal(np.bincount(eight * 2 + label, count, 512)[: 2 * MIDDLE], total[:MIDDLE].reshape(-1)):
            places, eight, part = _as_rows_have_them(level, on_edge, predicted, label, count, eight, total)
            doubt, count = doubt[places] * (part / count[places]), part
            level, predicted, label, on_edge, cell = (
                chosen[places] for chosen in (level, predicted, label, on_edge, cell)
            )
        self.group = eight * 2 + label
        # By probability of the positive class an edge below 0.5 lies one cell lower; all of level HALF is at 0.5.
        below = np.maximum(np.where(on_edge, level - 1, np.minimum(level, HALF - 1)), 0)
        positive = (
            np.where(predicted == 1, cell, below),
            count,
            count * label,
            np.where(predicted == 1, count - doubt, doubt),
        )
        top = positive if counts.top else (cell, count, count * (predicted == label), count - doubt)
        self.entries = {TOP: top, POSITIVE: positive}
        self.weight = 1 / np.where(total > 0, total, 1).reshape(-1)

    def per_pixel(self, score: str, cells: int) -> np.ndarray:
        """(512, 3 cells) pixels, hits and scores in each of equally wide cells, of one pixel of each group."""
        return self.in_cells(score, np.arange(LEVELS) * cells // LEVELS)

    def in_cells(self, score: str, cell_of_level: np.ndarray) -> np.ndarray:
        """`per_pixel` for the cells that levels of a score, (LEVELS,), are joined to, numbered from 0."""
        level, *entries = self.entries[score]
        cells = int(cell_of_level.max()) + 1
        places = self.group * cells + cell_of_level[level]
        summed = [np.bincount(places, values, minlength=512 * cells).reshape(512, cells) for values in entries]
        return np.concatenate(summed, axis=1) * self.weight[:, None]


def _as_rows_have_them(
    level: np.ndarray,
    on_edge: np.ndarray,
    predicted: np.ndarray,
    label: np.ndarray,
    count: np.ndarray,
    eight: np.ndarray,
    total: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entries whose pixels below 0.5 are dealt to the 8-bit levels that the rows have them on.

    The rows know all bits of a float32 f, the grid knows f below 0.5 as 1 - float32 confidence. Close to a threshold
    t/255 the two can lie on different sides of it, and of 8-bit values that are stored as floats whole levels do. Both
    have the pixels of a label in the same order, so that their numbers tell which belong to which level.

    Args:
        level, on_edge, predicted, label, count, eight: (m,) of each entry; `eight` is the 8-bit level by the grid.
        total: (256, 2) pixels by the rows.

    Returns:
        (n,) each: an entry, the 8-bit level by the rows, and the pixels of the entry that lie there.
    """
    above = np.flatnonzero((predicted == 1) & (count > 0))
    dealt = [(above, eight[above], count[above])]
    for of_label in (0, 1):
        below_half = np.flatnonzero((predicted == 0) & (label == of_label) & (count > 0))
        below_half = below_half[np.lexsort((~on_edge[below_half], level[below_half]))]
        after, begins = np.cumsum(count[below_half]), np.cumsum(total[:MIDDLE, of_label])
        cuts = np.unique(np.concatenate([[0], after, begins[begins < count[below_half].sum()]]))
        entry, by_rows = (np.searchsorted(ends, cuts[:-1], side="right") for ends in (after, begins))
        dealt.append((below_half[entry], by_rows, np.diff(cuts)))
    entries, levels, pixels = (np.concatenate(chosen) for chosen in zip(*dealt, strict=True))
    return entries, levels, pixels


def as_bins(sums: np.ndarray) -> Bins:
    """Sums (..., 3 K) of pixels, hits and scores by cell."""
    count, hits, score = np.split(sums, 3, axis=-1)
    return Bins(count, hits, score, score - hits)
