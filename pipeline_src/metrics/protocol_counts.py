"""The counts of a protocol, and the pixels of its images in cells of a score.

An image is known by its pixels per (8-bit level, label). Finer than 8 bits, the pixels of such a
group take the distribution that all images together have there: for 8-bit maps every number is
exact, for float maps a sum over all images is exact and a sum over some of them is exact to second
order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline_src.counting.counts import Counts, ImageRows, upper_edge
from pipeline_src.counting.levels import EIGHT, HALF, LEVELS, POSITION
from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.counting.score_histogram import (
    Bins,
    ScoreHistogram,
    UndefinedMetricError,
    positive,
    top_label,
)

TOP, POSITIVE = "confidence", "probability"  # of the predicted class, of the positive class
CLASSES = "probability of each class"
MIDDLE = HALF // EIGHT  # the 8-bit level that 0.5 lies in
Columns = Callable[[slice], np.ndarray]  # images -> (n, C), numbers of each image that are summed


@dataclass(frozen=True)
class ProtocolCounts:
    """The counts of a counts file in one protocol, for all its classes or for one.

    Attributes:
        statistic: None of counts without their file, for which no metric of several classes is
            defined.
        units: (N,) int64, the group of each image, where images are not independent.
    """

    statistic: MapCounts | None
    counts: Counts
    units: np.ndarray | None = None

    @cached_property
    def groups(self) -> PixelGroups:
        """The pooled pixels, which all images share; raises `UndefinedMetricError` where images have no rows."""
        return PixelGroups(self.counts, self.rows.pooled())

    def histogram(self, score: str) -> ScoreHistogram:
        """Return the pixels by a score, TOP or POSITIVE."""
        return (top_label if score == TOP else positive)(self.counts)

    def cells(self, score: str, cells: int | np.ndarray) -> Columns:
        """Return pixels, hits and scores of images, (n, 3 C), in the `cells` that `PixelGroups.per_pixel` describes."""
        per_pixel = self.groups.per_pixel(score, cells)
        return lambda images: self.rows.levels[images].reshape(-1, 512) @ per_pixel

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
            raise UndefinedMetricError("counts without rows per image do not measure it")
        return self.counts.rows

    @property
    def number(self) -> int:
        """The number of independent units: groups of images, or images."""
        return len(self.rows) if self.units is None else int(self.units.max(initial=-1)) + 1

    @classmethod
    def by_protocol(
        cls, statistic: MapCounts, units: np.ndarray | None = None
    ) -> dict[str, ProtocolCounts]:
        """Return the counts of each protocol of a counts file; `units` as above."""
        return {
            protocol: cls(statistic, counts, units)
            for protocol, counts in statistic.protocols.items()
        }


def as_bins(sums: np.ndarray) -> Bins:
    """Return sums (..., 3 K) of pixels, hits and scores by cell as bins."""
    count, hits, score = np.split(sums, 3, axis=-1)
    return Bins(count, hits, score, score - hits)


class PixelGroups:
    """The pooled pixels of one protocol by 8-bit level and label, ready to be put into the cells of
    a score.

    Args:
        counts: of the protocol.
        total: (256, 2) pixels of all images by 8-bit level and label.
    """

    def __init__(self, counts: Counts, total: np.ndarray):
        entries = _entries(counts)
        # floor(255 f): edges below 0.5 are closed below, edges above belong to the 8-bit level
        # above them.
        above = (LEVELS - 1 - entries["level"] + entries["on_edge"]) // EIGHT
        eight = np.where(entries["predicted"] == 1, above, entries["level"] // EIGHT)
        by_level = np.bincount(eight * 2 + entries["label"], entries["count"], 512)
        if not np.array_equal(by_level[: 2 * MIDDLE], total[:MIDDLE].reshape(-1)):
            entries, eight = _matched_to_rows(entries, eight, total)
        level, on_edge, predicted, label, count, doubt = entries.values()
        self.group = eight * 2 + label
        self.weight = 1 / np.where(total > 0, total, 1).reshape(-1)
        # By probability of the positive class an edge below 0.5 lies one cell lower; all of level
        # HALF is at 0.5.
        cell = LEVELS - 1 - level
        below = np.maximum(np.where(on_edge, level - 1, np.minimum(level, HALF - 1)), 0)
        probability = np.where(predicted == 1, count - doubt, doubt)
        positive_class = np.where(predicted == 1, cell, below), count, count * label, probability
        top = cell, count, count * (predicted == label), count - doubt
        self.entries = {TOP: positive_class if counts.top else top, POSITIVE: positive_class}

    def per_pixel(self, score: str, cells: int | np.ndarray) -> np.ndarray:
        """Return pixels, hits and scores of one pixel of each group in C cells of a score, (512, 3
        C).

        Args:
            cells: the number of equally wide cells, or (LEVELS,) the cell that each level is joined
                to, from 0.
        """
        cell_of_level = np.arange(LEVELS) * cells // LEVELS if isinstance(cells, int) else cells
        level, *entries = self.entries[score]
        number = int(cell_of_level.max()) + 1
        places = self.group * number + cell_of_level[level]
        sums = [
            np.bincount(places, values, minlength=512 * number).reshape(512, number)
            for values in entries
        ]
        return np.concatenate(sums, axis=1) * self.weight[:, None]


def _entries(counts: Counts) -> dict[str, np.ndarray]:
    """Return the pixels by level, predicted class and label, (m,) each: first those exactly at
    doubt = level / LEVELS, then all others, with their summed doubts.
    """
    level, predicted, label = np.nonzero(counts.count)
    count = counts.count[level, predicted, label]
    doubt = (level * count + counts.position[level, predicted, label] / POSITION) / LEVELS
    edge = np.where(predicted == 1, upper_edge(counts)[level, label], counts.on_edge[level, label])
    edge_doubt = edge * (level / LEVELS)
    return {
        "level": np.tile(level, 2),
        "on_edge": np.arange(2 * len(level)) < len(level),
        "predicted": np.tile(predicted, 2),
        "label": np.tile(label, 2),
        "count": np.concatenate([edge, count - edge]),
        "doubt": np.concatenate([edge_doubt, doubt - edge_doubt]),
    }


def _matched_to_rows(
    entries: Mapping[str, np.ndarray], eight: np.ndarray, total: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return `_entries`, split where levels differ, and their 8-bit levels (n,) according to the
    rows (`total`).

    The rows know all bits of a float32 f, the grid knows f below 0.5 as 1 - float32 confidence.
    Close to a threshold t/255 the two can lie on different sides of it, and of 8-bit values that
    are stored as floats whole levels do. Both have the pixels of a label in the same order, so
    their numbers tell which belong to which level.
    """
    count = entries["count"]
    above = np.flatnonzero((entries["predicted"] == 1) & (count > 0))
    matched = [(above, eight[above], count[above])]
    for label in (0, 1):
        below = np.flatnonzero(
            (entries["predicted"] == 0) & (entries["label"] == label) & (count > 0)
        )
        below = below[np.lexsort((~entries["on_edge"][below], entries["level"][below]))]
        after, begins = np.cumsum(count[below]), np.cumsum(total[:MIDDLE, label])
        cuts = np.unique(np.concatenate([[0], after, begins[begins < count[below].sum()]]))
        entry, by_rows = (
            np.searchsorted(ends, cuts[:-1], side="right") for ends in (after, begins)
        )
        matched.append((below[entry], by_rows, np.diff(cuts)))
    places, levels, pixels = (np.concatenate(arrays) for arrays in zip(*matched, strict=True))
    chosen = {name: array[places] for name, array in entries.items()}
    return chosen | {"count": pixels, "doubt": chosen["doubt"] * (pixels / chosen["count"])}, levels
