"""How the counts of a method on a data set are written as one stream of non-negative integers, and read.

Numbers that follow from others are left out, and numbers near others are written as differences: the interior of
objects is what the border leaves of the foreground; the first and the last group of levels are what the others leave
of the pixels of their label; `stretched` is written as what the stretch moves over the edges of groups; sums of scores
as what they differ from those of pixels in the middle of their levels. The images of a column stand in the order of a
column that is known by then: similar numbers are neighbors, to which xz adapts.
"""

from __future__ import annotations

import io
import lzma
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from pipeline_src.counting.compact import SHARES, Kept, KeptRows, Precision, fitted, regular_edges, rounded
from pipeline_src.counting.counts import COLUMNS, UNMEASURED
from pipeline_src.counting.levels import CLAMP, EIGHT, HALF, UNIT
from pipeline_src.counting.surest import CELLS

SCALE = 1 << 16  # of the expected scores of a pixel
SIZE, INTERIOR = "size", "interior/"


@dataclass(frozen=True)
class CountsBlock:
    """The layout in which the counts of a method are written: N `images`, S `seeds`, counts by `names`.

    Attributes:
        surest: (name, k) of the k-th seed's counts that have cells of the surest pixels.
        classes: K of a (K, K) confusion matrix for each seed, 0 without.
        unit: to which an image's pixels in groups of levels are rounded.
        precision: of the counts.
    """

    images: int
    bins: int
    seeds: Sequence[int]
    names: Sequence[str]
    surest: Sequence[tuple[str, int]]
    classes: int
    unit: int
    precision: Precision

    def numbers(self, kept: Mapping[str, Sequence[Kept]], shared: Mapping[str, np.ndarray]) -> Iterator[np.ndarray]:
        """The arrays of non-negative integers that `read` takes, in its order."""
        for of in kept.values():
            for one in of:
                yield from _cells(one, self.bins)
        yield from self._groups(kept, shared)
        yield from self._tables(kept, shared)
        yield from (kept[name][k].surest for name, k in self.surest)

    def read_shared(self, stream: Stream) -> dict[str, np.ndarray]:
        """`_shared` of the data set."""
        return {name: stream.take(2, self.images) for name in [SIZE, *_sharing(self.names, self.precision)]}

    def read(self, stream: Stream, shared: Mapping[str, np.ndarray]) -> tuple[dict[str, list[Kept]], Sequence[Any]]:
        """Return the stored arrays by name for each seed, and the confusion matrices."""
        cells = {name: [_read_cells(stream, self.bins) for _ in self.seeds] for name in self.names}
        groups = self._read_groups(stream, shared, {name: [of[2] for of in cells[name]] for name in self.names})
        kept = {
            name: [Kept(*of, groups[name][k], None, precision=self.precision) for k, of in enumerate(cells[name])]
            for name in self.names
        }
        self._read_tables(stream, kept, shared)
        for name, k in self.surest:
            kept[name][k] = kept[name][k]._replace(surest=stream.take(CELLS, 2, 2))
        for pixels in (
            array for of in kept.values() for one in of for array in (one.cells[:2], one.pooled, one.groups)
        ):
            if pixels.size and pixels.min() < 0:
                raise ValueError("fewer than 0 pixels")
        if not self.classes:
            return kept, [None] * len(self.seeds)
        return kept, [*stream.take(len(self.seeds), self.classes, self.classes)]

    def _groups(self, kept: Mapping[str, Sequence[Kept]], shared: Mapping[str, np.ndarray]) -> Iterator[np.ndarray]:
        groups = {name: np.stack([one.groups for one in of]) for name, of in kept.items()}  # (S, G, 2, N)
        units: dict[str, np.ndarray] = {}
        written: dict[str, np.ndarray] = {}
        for name, of in groups.items():
            if name.startswith(INTERIOR) and not self.precision.rounded:
                if not np.array_equal(of, _interior(name, groups)):
                    raise ValueError(f"{name} is not what the border leaves of the foreground")
                continue
            units[name] = rounded(of, self.unit) // self.unit if self.precision.rounded else _without_ends(of)
            base = units.get(_base(name)) if _base(name) != name else None
            numbers = units[name] if base is None else _unsigned(self._moved(units[name] - base))
            columns = written[name] = _columns(numbers)
            yield _unsigned(of.sum(axis=1) - shared[name])
            yield columns[:1]
            keys = np.roll(columns, 1, axis=0) if whole_name(name) == name else written[whole_name(name)]
            yield np.take_along_axis(columns, np.argsort(keys, axis=1, kind="stable"), axis=1)[1:]

    def _read_groups(
        self, stream: Stream, shared: Mapping[str, np.ndarray], pooled: Mapping[str, Sequence[np.ndarray]]
    ) -> dict[str, np.ndarray]:
        groups: dict[str, np.ndarray] = {}
        units: dict[str, np.ndarray] = {}
        read: dict[str, np.ndarray] = {}
        seeds, count = len(self.seeds), len(self.precision.starts)
        for name in self.names:
            if name.startswith(INTERIOR) and not self.precision.rounded:
                groups[name] = _interior(name, groups)
                continue
            pixels = _signed(stream.take(seeds, 2, self.images)) + shared[name]
            columns = read[name] = stream.take(2 * count, seeds * self.images)
            for k, column in enumerate(columns[1:].copy(), 1):
                keys = columns[k - 1] if whole_name(name) == name else read[whole_name(name)][k]
                columns[k, np.argsort(keys, kind="stable")] = column
            numbers = columns.reshape(2, count, seeds, self.images).transpose(2, 1, 0, 3)
            base = units.get(_base(name))
            units[name] = numbers if base is None else base + self._not_moved(_signed(numbers))
            if self.precision.rounded:
                sums = [np.add.reduceat(of, self.precision.starts) for of in pooled[name]]
                each = zip(units[name] * self.unit, pixels, sums, strict=True)
                groups[name] = np.stack([fitted(*of) for of in each])
            else:
                groups[name] = _with_ends(units[name].copy(), pixels)
        return groups

    def _moved(self, difference: np.ndarray) -> np.ndarray:
        """(S, G, 2, N) pixels that were moved over the edges of groups, towards the ends where these are left out."""
        if self.precision.rounded:
            return difference.cumsum(axis=1)
        down, up = difference[:, ::-1, 0].cumsum(axis=1)[:, ::-1], difference[:, :, 1].cumsum(axis=1)
        return _without_ends(np.stack([down, up], axis=2))

    def _not_moved(self, moved: np.ndarray) -> np.ndarray:
        """The difference of `_moved`."""
        up = np.diff(moved, axis=1, prepend=0)
        if self.precision.rounded:
            return up
        down = -np.diff(moved[:, :, 0], axis=1, append=0)
        return _without_ends(np.stack([down, up[:, :, 1]], axis=2))

    def _tables(self, kept: Mapping[str, Sequence[Kept]], shared: Mapping[str, np.ndarray]) -> Iterator[np.ndarray]:
        beyond: dict[str, np.ndarray] = {}
        for name, of in kept.items():
            tables = [one.table for one in of if one.table is not None]
            if tables:
                values = np.stack([table.values for table in tables])
                measured = values != UNMEASURED
                beyond[name] = measured * (values - self._expected(of, shared))
                yield np.stack([table.rest for table in tables])
                numbers = measured * (1 + _unsigned(beyond[name] - beyond.get(_base(name), 0) * (_base(name) != name)))
                yield numbers.transpose(1, 0, 2)

    def _read_tables(self, stream: Stream, kept: Mapping[str, list[Kept]], shared: Mapping[str, np.ndarray]) -> None:
        beyond: dict[str, np.ndarray] = {}
        for name in filter(lambda name: whole_name(name) == name, self.names):
            rest = stream.take(len(self.seeds), len(COLUMNS))
            numbers = stream.take(len(COLUMNS), len(self.seeds), self.images).transpose(1, 0, 2)
            measured = numbers > 0
            beyond[name] = measured * (_signed(numbers - 1) + beyond.get(_base(name), 0))
            values = np.where(measured, beyond[name] + self._expected(kept[name], shared), UNMEASURED)
            for k, one in enumerate(kept[name]):
                kept[name][k] = one._replace(table=KeptRows(values[k], rest[k]))

    def _expected(self, kept: Sequence[Kept], shared: Mapping[str, np.ndarray]) -> np.ndarray:
        """(S, columns, N) what the tables would hold if pixels were in the middle of their 8-bit level."""
        expected = np.stack([_expected(one) for one in kept])
        expected[:, :2] = shared[SIZE]
        return expected


def shared_pixels(kept: Mapping[str, Kept]) -> dict[str, np.ndarray]:
    """Return what all runs on a dataset share: (2, N) height and width, and by name the pixels of both labels."""
    (first, *_) = kept.values()
    sums = {name: kept[name].groups.sum(axis=0) for name in _sharing(kept, first.precision)}
    assert first.table is not None
    return {SIZE: first.table.values[:2]} | sums


def _sharing(names: Iterable[str], precision: Precision) -> list[str]:
    """Names of counts whose pixels of images are written."""
    return [name for name in names if precision.rounded or not name.startswith(INTERIOR)]


def _columns(groups: np.ndarray) -> np.ndarray:
    """(2 G, S N) by label and group, of (S, G, 2, N)."""
    return groups.transpose(2, 1, 0, 3).reshape(2 * groups.shape[1], -1)


def _without_ends(groups: np.ndarray) -> np.ndarray:
    """(S, G, 2, N) without the first group of label 0 and the last of label 1, which have most pixels."""
    groups = groups.copy()
    groups[:, 0, 0] = groups[:, -1, 1] = 0
    return groups


def _with_ends(groups: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """The groups of `_without_ends`, of so many pixels (S, 2, N)."""
    left = pixels - groups.sum(axis=1)
    groups[:, 0, 0], groups[:, -1, 1] = left[:, 0], left[:, 1]
    return groups


def whole_name(name: str) -> str:
    """`raw` of `border/raw`: the counts of whole images that those of a region are a part of."""
    return name.rpartition("/")[2]


def _base(name: str) -> str:
    """Return the name of the counts from which others are written as a difference; their own name if there are none."""
    return name.replace("stretched", "raw")


def _cells(of: Kept, bins: int) -> Iterator[np.ndarray]:
    further = np.setdiff1d(of.limits, regular_edges(bins))
    yield np.diff(np.pad(further, (0, 2 * SHARES - len(further)), constant_values=HALF), prepend=0)
    edge, inside, doubt = of.cells
    yield np.stack([edge, inside, _unsigned(doubt - _middle(of.limits, inside))]).transpose(0, 2, 3, 1)
    yield _unsigned(of.pooled - _by_level(of.limits, edge, inside))


def _read_cells(stream: Stream, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    limits = np.union1d(regular_edges(bins), stream.take(2 * SHARES).cumsum())
    edge, inside, doubt = stream.take(3, 2, 2, len(limits)).transpose(0, 3, 1, 2)
    pooled = _signed(stream.take(256, 2)) + _by_level(limits, edge, inside)
    return limits, np.stack([edge, inside, _signed(doubt) + _middle(limits, inside)]), pooled


def _middle(limits: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The doubts of the pixels inside cells, were they in the middle."""
    return inside * np.diff(limits, append=HALF + 1)[:, None, None] // 2


def _by_level(limits: np.ndarray, edge: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """(256, 2) pixels by 8-bit level and label; a few of float32 are off by a level, since below 0.5 cells know f to
    2^-24."""
    eight, pixels = limits // EIGHT, np.zeros((256, 2), np.int64)
    np.add.at(pixels, eight, edge[:, 0] + inside[:, 0])
    np.add.at(pixels, 254 - eight, inside[:, 1])  # f = 1 - doubt
    np.add.at(pixels, 255 - eight, edge[:, 1])  # on a threshold, the first of the level above it
    return pixels


def _interior(name: str, groups: Mapping[str, np.ndarray]) -> np.ndarray:
    """Foreground off the border."""
    return (groups[whole_name(name)] - groups[f"border/{whole_name(name)}"]) * [[0], [1]]


def _expected(of: Kept) -> np.ndarray:
    """(columns, N) what the table would hold if pixels were in the middle of their 8-bit level; 0 of columns that say
    something else. In integers, so that it is the same everywhere."""
    pooled = of.pooled[..., None]
    scores = np.add.reduceat(pooled * _scores(), of.precision.starts)
    scores //= np.maximum(1, np.add.reduceat(pooled, of.precision.starts))
    sums, steps = np.tensordot(scores, of.groups, axes=((0, 1), (0, 1))), of.steps[:, None]
    return np.where(steps == 1, sums // SCALE, sums * (UNIT // SCALE) // steps)


@cache
def _scores() -> np.ndarray:
    """(256, 2, columns) of a pixel by 8-bit level and label, in units of 1 / SCALE."""
    f = np.minimum((np.arange(256) + 0.5) / 255, 1)
    q = np.clip(np.stack([1 - f, f], axis=1), CLAMP, 1 - CLAMP)  # given to the label
    of = {
        "pixels": np.ones_like(q),
        "correct": q > 0.5,
        "confidence": np.maximum(q, 1 - q),
        "absolute": 1 - q,
        "brier": (1 - q) ** 2,
        "nll": -np.log(q),
        "entropy": -q * np.log(q) - (1 - q) * np.log(1 - q),
    }
    return np.stack([np.rint(SCALE * of.get(name, 0 * q)).astype(np.int64) for name in COLUMNS], axis=2)


def _unsigned(numbers: np.ndarray) -> np.ndarray:
    """0, -1, 1, -2, ... as 0, 1, 2, 3, ..."""
    return np.where(numbers < 0, -2 * numbers - 1, 2 * numbers)


def _signed(numbers: np.ndarray) -> np.ndarray:
    """The numbers of `_unsigned`."""
    return np.where(numbers % 2, -(numbers + 1) // 2, numbers // 2)


class Stream:
    """The integers of `_planes`, taken one array after the other."""

    def __init__(self, content: bytes):
        planes = np.lib.format.read_array(io.BytesIO(lzma.decompress(content)), allow_pickle=False)
        padded = np.zeros((8, planes.shape[1]), np.uint8)
        padded[: len(planes)] = planes
        self._numbers = np.ascontiguousarray(padded.T).view("<i8").reshape(-1).astype(np.int64, copy=False)
        self._taken = 0

    @property
    def left(self) -> int:
        """Return how many numbers remain."""
        return len(self._numbers) - self._taken

    def take(self, *shape: int) -> np.ndarray:
        """Return the next numbers of the block, in this shape."""
        first, self._taken = self._taken, self._taken + math.prod(shape)
        return self._numbers[first : self._taken].reshape(shape)
