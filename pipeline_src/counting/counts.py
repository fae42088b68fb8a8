"""The counts of one protocol, the result of a pass over the pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from pipeline_src.counting.levels import CELLS, EIGHT, HALF, LEVELS, UNKNOWN
from pipeline_src.errors import UserError, listed

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
    "s_measure",  # of the whole map, in units of 1 / levels.UNIT; `UNMEASURED` where it is undefined or not measured
    "e_measure",
    "weighted_f",
)
ALWAYS = COLUMNS[:-1]  # columns that every file has; the last is left out where no image has it
SCORE_SUMS = (
    "absolute",
    "brier",
    "nll",
    "entropy",
)  # columns of errors and uncertainty, summed over pixels
PIXEL_SUMS = ("confidence", *SCORE_SUMS)  # columns that are sums over the pixels of an image
UNMEASURED = -1
ARRAYS = ("count", "position", "on_edge", "surest")  # of `Counts`


def parts(length: int, size: int = 256) -> Iterator[slice]:
    """Return slices of up to `size` images that cover `length` images in order: they bound the memory in use."""
    return (slice(start, min(start + size, length)) for start in range(0, length, size))


class ImageRows:
    """One row per image, sorted by image id.

    Args:
        ids: N image ids.
        table: (N, len(COLUMNS)) int64, columns as in `COLUMNS`.
        levels: (N, 256, 2) uint32, pixels by 8-bit level floor(255 f) and label.

    Raises:
        UserError: an id occurs twice, that is, an image was counted twice.
    """

    def __init__(
        self,
        ids: Sequence[str] = (),
        table: np.ndarray | None = None,
        levels: np.ndarray | None = None,
    ):
        empty = np.empty((0, len(COLUMNS)), np.int64), np.empty((0, 256, 2), np.uint32)
        self._rows = _sorted_rows(
            list(ids), empty[0] if table is None else table, empty[1] if levels is None else levels
        )
        self._appended: list[tuple[str, np.ndarray, np.ndarray]] = []

    @property
    def ids(self) -> list[str]:
        """N image ids."""
        return self._joined()[0]

    @property
    def table(self) -> np.ndarray:
        """(N, len(COLUMNS)) int64, columns as in `COLUMNS`."""
        return self._joined()[1]

    @property
    def levels(self) -> np.ndarray:
        """(N, 256, 2) uint32, pixels by 8-bit level floor(255 f) and label: precision and recall at
        the thresholds f >= t/255, and the weights of the bootstrap over images.
        """
        return self._joined()[2]

    def __len__(self) -> int:
        return len(self._rows[0]) + len(self._appended)

    def append(self, image_id: str, sums: Mapping[str, int], levels: np.ndarray) -> None:
        """Add an image: its values by column name, and its levels (256, 2). Columns without a value are unmeasured."""
        row = np.array([sums.get(name, UNMEASURED) for name in COLUMNS], np.int64)
        self._appended.append((image_id, row, levels.astype(np.uint32)))

    def column(self, name: str) -> np.ndarray:
        """Return a column of the table, (N,) int64."""
        return self.table[:, COLUMNS.index(name)]

    def total(self, name: str) -> int:
        """Return the sum of a column over the images, as a Python int: it cannot overflow."""
        return sum(self.column(name).tolist())

    def pooled(self) -> np.ndarray:
        """Return the levels of all images together, (256, 2) int64."""
        total: np.ndarray = self.levels.sum(axis=0, dtype=np.int64)
        return total

    def _joined(self) -> tuple[list[str], np.ndarray, np.ndarray]:
        if self._appended:
            ids, table, levels = self._rows
            new_ids, new_rows, new_levels = zip(*self._appended, strict=True)
            self._rows = _sorted_rows(
                [*ids, *new_ids], np.vstack([table, *new_rows]), np.stack([*levels, *new_levels])
            )
            self._appended = []
        return self._rows

    def __add__(self, other: ImageRows) -> ImageRows:
        return ImageRows(
            self.ids + other.ids,
            np.concatenate([self.table, other.table]),
            np.concatenate([self.levels, other.levels]),
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ImageRows):
            return NotImplemented
        arrays = (self.table, other.table), (self.levels, other.levels)
        return self.ids == other.ids and all(np.array_equal(a, b) for a, b in arrays)

    __hash__ = None  # type: ignore[assignment]


def _sorted_rows(
    ids: list[str], table: np.ndarray, levels: np.ndarray
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Sort rows by id: no result then depends on the order of adding."""
    order = sorted(range(len(ids)), key=ids.__getitem__)
    ids = [ids[i] for i in order]
    if repeated := sorted({a for a, b in pairwise(ids) if a == b}):
        raise UserError(
            f"{len(repeated)} image(s) were counted more than once",
            found=listed(repeated),
            expected="every image id once",
            fix="merge counts of different images only, and give every image its own id",
        )
    if order == list(range(len(ids))):
        return ids, table, levels
    return ids, table[order], levels[order]


@dataclass
class Counts:
    """Pixels of one protocol, see `levels` for the grid, of LEVELS or COARSE levels; H is half
    their number.

    Attributes:
        count: (H + 1, 2, 2) int64, pixels by doubt level, predicted class and label.
        position: the same shape, int64, summed positions within the level in units of 1 /
            levels.POSITION.
        on_edge: (H + 1, 2) int64, pixels with f < 0.5 exactly on the lower end of a level, by level
            and label. Coarse counts of one object do not have them.
        rows: one row per image; None in counts that keep the arrays only.
        top: whether f is the confidence of the top one of K classes and y whether that class is
            correct. The positive class of such pairs is the top label.
        surest: (CELLS, 2, 2) int64, pixels of the first levels by cell (`levels`), predicted class
            and label; `UNKNOWN` of coarse levels, and where a published file does not hold them.
    """

    count: np.ndarray
    position: np.ndarray
    on_edge: np.ndarray
    rows: ImageRows | None
    top: bool = False
    surest: np.ndarray = field(default_factory=UNKNOWN.copy)

    @classmethod
    def empty(cls, rows: bool = True, top: bool = False, levels: int = LEVELS) -> Counts:
        count, position = np.zeros((2, levels // 2 + 1, 2, 2), np.int64)
        on_edge = np.zeros((levels // 2 + 1, 2), np.int64)
        surest = np.zeros((CELLS if levels == LEVELS else 0, 2, 2), np.int64)
        return cls(count, position, on_edge, ImageRows() if rows else None, top, surest)

    @classmethod
    def of_arrays(
        cls, arrays: Mapping[str, np.ndarray], name: str, ids: Sequence[str] | None
    ) -> Counts:
        """Return the counts from the arrays that `arrays` returned; `ids` of the images, if these have rows."""
        counts = cls.empty(rows=False, top=name == "top")
        if f"{name}_surest" not in arrays:
            counts.surest = UNKNOWN
        for array in ARRAYS if len(counts.surest) else ARRAYS[:3]:
            cells = np.cumsum(arrays[f"{name}_{array}_at"], dtype=np.int64)
            getattr(counts, array).reshape(-1)[cells] = arrays[f"{name}_{array}"]
        if ids is not None:
            table, levels = arrays[f"{name}_table"], arrays[f"{name}_image_levels"]
            if table.shape[1] == len(ALWAYS):
                table = np.pad(table, ((0, 0), (0, 1)), constant_values=UNMEASURED)
            if table.shape != (len(ids), len(COLUMNS)) or levels.shape != (len(ids), 256, 2):
                raise ValueError(f"rows of {name} are not those of {len(ids)} images")
            counts.rows = ImageRows(ids, table, levels)
        return counts

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """Return the arrays to store, by names that begin with `name`: pixels of levels and cells that have any."""
        arrays: dict[str, np.ndarray] = {}
        for array in ARRAYS if len(self.surest) else ARRAYS[:3]:
            dense = getattr(self, array).reshape(-1)
            cells = np.flatnonzero(dense)
            arrays[f"{name}_{array}_at"] = np.diff(cells, prepend=0).astype(np.uint32)
            arrays[f"{name}_{array}"] = dense[cells]
        if self.rows is not None:
            measured = (self.rows.column(COLUMNS[-1]) != UNMEASURED).any()
            table = self.rows.table if measured else self.rows.table[:, :-1]
            arrays |= {f"{name}_table": table, f"{name}_image_levels": self.rows.levels}
        return arrays

    @property
    def levels(self) -> int:
        """Number of levels, of confidence from 0 to 1."""
        return 2 * (len(self.count) - 1)

    @property
    def pixels(self) -> int:
        """Number of pixels that count."""
        return int(self.count.sum())

    def __add__(self, other: Counts) -> Counts:
        """Return the sum; ValueError if rows per image are missing on one side, `UNKNOWN` cells if `surest` is."""
        if (self.rows is None) != (other.rows is None):
            raise ValueError("counts with and without rows per image cannot be added")
        rows = None if self.rows is None or other.rows is None else self.rows + other.rows
        count, position, on_edge = (
            getattr(self, name) + getattr(other, name) for name in ARRAYS[:3]
        )
        surest = self.surest + other.surest if len(self.surest) == len(other.surest) else UNKNOWN
        return Counts(count, position, on_edge, rows, self.top, surest)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Counts):
            return NotImplemented
        same = all(np.array_equal(getattr(self, name), getattr(other, name)) for name in ARRAYS)
        return same and self.rows == other.rows and self.top == other.top

    __hash__ = None  # type: ignore[assignment]


def image_rows(counts: Counts) -> ImageRows:
    """Return the rows of the images; ValueError where the counts have none."""
    if counts.rows is None:
        raise ValueError("these counts have no rows per image")
    return counts.rows


def upper_edge(counts: Counts) -> np.ndarray:
    """Return the pixels at f = 1 - j / LEVELS >= 0.5 by level j and label, (HALF + 1, 2), where f
    is a threshold t/255.

    Truncation to 8 bits does not tell them from pixels next to the edge. The pass does not count
    them. They are the pixels that the 8-bit level above a threshold holds beyond the grid's levels.
    """
    total = image_rows(counts).pooled()
    edge = np.zeros((HALF + 1, 2), np.int64)
    edge[0] = total[255]
    for j in range(EIGHT, HALF, EIGHT):
        inside = counts.count[j - EIGHT : j, 1].sum(axis=0) - edge[j - EIGHT]
        edge[j] = total[255 - j // EIGHT] - inside
    return edge
