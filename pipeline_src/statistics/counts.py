"""The counts of one protocol: what a pass over the pixels leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from pipeline_src.errors import UserError, listed
from pipeline_src.statistics.levels import HALF

COLUMNS = (
    "height",  # pixels
    "width",
    "pixels",  # that count: neither ignored nor outside
    "correct",  # pixels whose predicted class is their label
    "constant",  # 1 where the valid pixels of the map have one value only
    "confidence",  # sums over the pixels, in units of 1 / levels.UNIT
    "absolute",  # |f - y|
    "brier",  # (f - y)^2
    "nll",  # nats, clamped
    "entropy",  # nats, clamped
)


@dataclass
class ImageRows:
    """One row per image, kept in the order of the ids.

    Attributes:
        ids: N image ids, each once.
        table: (N, len(COLUMNS)) int64, columns as in `COLUMNS`.
        levels: (N, 256, 2) uint32, pixels per 8-bit level floor(255 f) and label: precision and recall at the
            thresholds f >= t/255, and the weights of the bootstrap over images.
    """

    ids: list[str] = field(default_factory=list)
    table: np.ndarray = field(default_factory=lambda: np.zeros((0, len(COLUMNS)), np.int64))
    levels: np.ndarray = field(default_factory=lambda: np.zeros((0, 256, 2), np.uint32))

    def __len__(self) -> int:
        return len(self.ids)

    def column(self, name: str) -> np.ndarray:
        """(N,) int64: the column `name` of the table."""
        return self.table[:, COLUMNS.index(name)]

    def total(self, name: str) -> int:
        """Sum of a column over the images, as a Python int: it cannot overflow."""
        return sum(self.column(name).tolist())

    def sorted(self) -> ImageRows:
        """The same rows in the order of their ids, so that no result depends on the order of adding.

        Raises:
            UserError: an id occurs twice, that is, an image was counted twice.
        """
        order = sorted(range(len(self.ids)), key=self.ids.__getitem__)
        ids = [self.ids[i] for i in order]
        twice = sorted({a for a, b in pairwise(ids) if a == b})
        if twice:
            raise UserError(
                f"{len(twice)} image(s) were added to a statistic more than once",
                found=listed(twice),
                expected="every image id once",
                do="merge statistics of different images only, and give every image an id of its own",
            )
        if ids == self.ids:  # as they come from a sorted folder: no copy of what grows with the images
            return self
        return ImageRows(ids, self.table[order], self.levels[order])

    def __add__(self, other: ImageRows) -> ImageRows:
        if not self.ids or not other.ids:
            return (self if self.ids else other).sorted()
        return ImageRows(
            self.ids + other.ids,
            np.concatenate([self.table, other.table]),
            np.concatenate([self.levels, other.levels]),
        ).sorted()


@dataclass
class Counts:
    """Pixels of one protocol, see `levels` for the grid.

    Attributes:
        count: (HALF + 1, 2, 2) int64, pixels by doubt level, predicted class and label.
        position: the same shape, int64, summed positions within the level in units of 1 / levels.POSITION.
        on_edge: (HALF + 1, 2) int64, pixels with f = j / LEVELS < 0.5 exactly, by level j and label.
        rows: one row per image; None in a quick statistic, which keeps the three arrays only.
    """

    count: np.ndarray
    position: np.ndarray
    on_edge: np.ndarray
    rows: ImageRows | None

    @classmethod
    def empty(cls, rows: bool = True) -> Counts:
        shape = (HALF + 1, 2, 2)
        return cls(
            np.zeros(shape, np.int64),
            np.zeros(shape, np.int64),
            np.zeros((HALF + 1, 2), np.int64),
            ImageRows() if rows else None,
        )

    @property
    def pixels(self) -> int:
        """Number of pixels that count."""
        return int(self.count.sum())

    def __add__(self, other: Counts) -> Counts:
        if (self.rows is None) != (other.rows is None):
            raise ValueError("a quick statistic (without rows) and a full one cannot be added")
        rows = None if self.rows is None else self.rows + other.rows
        return Counts(self.count + other.count, self.position + other.position, self.on_edge + other.on_edge, rows)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Counts):
            return NotImplemented
        same = all(np.array_equal(getattr(self, k), getattr(other, k)) for k in ("count", "position", "on_edge"))
        if not same or self.rows is None or other.rows is None:
            return same and self.rows is other.rows
        a, b = self.rows, other.rows
        return a.ids == b.ids and np.array_equal(a.table, b.table) and np.array_equal(a.levels, b.levels)

    __hash__ = None
