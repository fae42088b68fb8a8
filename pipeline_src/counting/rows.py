"""Any number of rows of numbers: a few are in memory, more in a temporary file, read in parts."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from tempfile import SpooledTemporaryFile
from typing import Any

import numpy as np

IN_MEMORY = 1 << 22  # bytes; beyond them rows are on disk
PART = 256  # rows handled at once, so that memory does not grow with their number


def parts(rows: int, size: int = PART) -> Iterator[slice]:
    """Slices of up to `size` rows, in order, that cover `rows` rows."""
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))


class Rows:
    """N rows of one shape and type: appended, and read as arrays part by part.

    Beyond `IN_MEMORY` bytes they lie in an unnamed file among the system's temporary files (TMPDIR), which is gone with
    the last reference to them. It is read and not mapped, since mapped pages count as memory.

    Args:
        shape: of one row.
        dtype: of its numbers.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.typing.DTypeLike):
        self.shape, self.dtype = tuple(shape), np.dtype(dtype)
        self.row_bytes = self.dtype.itemsize * math.prod(self.shape)
        self._file = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 (closed by __del__)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __del__(self) -> None:
        self._file.close()

    def append(self, rows: np.ndarray) -> None:
        """Add rows, (n, *shape)."""
        rows = np.ascontiguousarray(rows, self.dtype).reshape(-1, *self.shape)
        self._file.seek(0, os.SEEK_END)
        self._file.write(rows.data.cast("B") if rows.size else b"")
        self._length += len(rows)

    def __getitem__(self, part: slice) -> np.ndarray:
        """(n, *shape): a copy of consecutive rows."""
        start, stop, _ = part.indices(self._length)
        rows = np.empty((max(0, stop - start), *self.shape), self.dtype)
        self._read(start * self.row_bytes, rows)
        return rows

    def take(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """(n, *shape): the rows at `indices`."""
        rows = np.empty((len(indices), *self.shape), self.dtype)
        for row, index in zip(rows.reshape(len(rows), -1), indices, strict=True):
            self._read(int(index) * self.row_bytes, row)
        return rows

    def column(self, k: int) -> np.ndarray:
        """(N,): entry k of every row; for rows of one dimension."""
        values = np.empty(self._length, self.dtype)
        for part in parts(self._length):
            values[part] = self[part][:, k]
        return values

    def columns(self, part: slice) -> np.ndarray:
        """(N, n): consecutive entries of every row; for long rows of one dimension."""
        start, stop, _ = part.indices(*self.shape)
        if self._length * self.row_bytes <= IN_MEMORY:  # one read for all rows
            return self[:][:, start:stop].copy()
        values = np.empty((self._length, stop - start), self.dtype)
        for k, row in enumerate(values):
            self._read(k * self.row_bytes + start * self.dtype.itemsize, row)
        return values

    def _read(self, offset: int, into: np.ndarray) -> None:
        self._file.seek(offset)
        if into.size:
            self._file.readinto(into.data.cast("B"))

    def __add__(self, other: Rows) -> Rows:
        both = Rows(self.shape, self.dtype)
        for rows in (self, other):
            for part in parts(len(rows)):
                both.append(rows[part])
        return both

    def ordered(self, order: Sequence[int]) -> Rows:
        """Return these rows in another order."""
        rows = Rows(self.shape, self.dtype)
        for part in parts(len(order)):
            rows.append(self.take(order[part]))
        return rows

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Rows):
            return NotImplemented
        same = (len(self), self.shape, self.dtype) == (len(other), other.shape, other.dtype)
        return same and all(np.array_equal(self[part], other[part]) for part in parts(len(self)))

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return rows_of, (self[:],)  # an open file cannot be pickled or copied


def rows_of(array: np.ndarray) -> Rows:
    """The rows of an array (N, ...)."""
    rows = Rows(array.shape[1:], array.dtype)
    rows.append(array)
    return rows
