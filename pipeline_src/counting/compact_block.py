"""The counts of a method on a dataset as one stream of non-negative integers.

Numbers that follow from others are left out, and numbers near others are written as differences: `stretched` as the
pixels that the normalization moves over the edges of groups, sums of scores as the difference to those of pixels in the
middle of their levels. The images of a column are sorted by a column that is known by then: similar numbers are
neighbors, to which xz adapts. Files of earlier versions, whose precision is not `rounded`, also leave out the interior
of objects (the foreground less the border) and the largest groups of levels.
"""

from __future__ import annotations

import io
import lzma
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from pipeline_src.counting.compact import SHARES, Precision, StoredCounts, StoredTable, regular_edges
from pipeline_src.counting.counts import COLUMNS, UNMEASURED
from pipeline_src.counting.levels import CLAMP, EIGHT, HALF, UNIT
from pipeline_src.counting.surest import CELLS

SCALE = 1 << 16  # of the expected scores of a pixel
SIZE = "size"


class Stream:
    """The integers of `_compress_numbers`, taken one array after the other."""

    def __init__(self, content: bytes):
        planes = np.lib.format.read_array(io.BytesIO(lzma.decompress(content)), allow_pickle=False)
        padded = np.zeros((8, planes.shape[1]), np.uint8)
        padded[: len(planes)] = planes
        self._numbers = np.ascontiguousarray(padded.T).view("<i8").reshape(-1).astype(np.int64, copy=False)

    def take(self, *shape: int) -> np.ndarray:
        """Return the next numbers of the stream, in this shape."""
        numbers, self._numbers = np.split(self._numbers, [math.prod(shape)])
        return numbers.reshape(shape)


@dataclass(frozen=True)
class Block:
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

    def numbers(
        self, stored: Mapping[str, Sequence[StoredCounts]], shared: Mapping[str, np.ndarray]
    ) -> Iterator[np.ndarray]:
        """The arrays of non-negative integers that `read` takes, in its order."""
        for by_seed in stored.values():
            for counts in by_seed:
                yield from _cell_numbers(counts, self.bins)
        yield from self._group_numbers(stored, shared)
        # Tables are written as differences to what the groups predict, and the reader has rounded groups.
        rounded = {name: [self._rounded(counts) for counts in by_seed] for name, by_seed in stored.items()}
        yield from self._table_numbers(rounded, shared)
        yield from (stored[name][k].surest for name, k in self.surest)

    def read(
        self, stream: Stream, shared: Mapping[str, np.ndarray]
    ) -> tuple[dict[str, list[StoredCounts]], Sequence[Any]]:
        """Return the stored counts by name for each seed, and the confusion matrices."""
        cells = {name: [_read_cells(stream, self.bins) for _ in self.seeds] for name in self.names}
        pooled = {name: [seed[2] for seed in by_seed] for name, by_seed in cells.items()}
        groups = self._read_groups(stream, shared, pooled)
        stored = {
            name: [
                StoredCounts(*seed, groups[name][k], None, precision=self.precision) for k, seed in enumerate(by_seed)
            ]
            for name, by_seed in cells.items()
        }
        self._read_tables(stream, stored, shared)
        for name, k in self.surest:
            stored[name][k] = stored[name][k]._replace(surest=stream.take(CELLS, 2, 2))
        if not self.classes:
            return stored, [None] * len(self.seeds)
        return stored, [*stream.take(len(self.seeds), self.classes, self.classes)]

    def read_shared(self, stream: Stream) -> dict[str, np.ndarray]:
        """`_shared_pixels` of the dataset."""
        names = [name for name in self.names if not self._is_derived(name)]
        return {name: stream.take(2, self.images) for name in [SIZE, *names]}

    def _is_derived(self, name: str) -> bool:
        return name.startswith("interior/") and not self.precision.rounded

    def _rounded(self, counts: StoredCounts) -> StoredCounts:
        """The counts with the groups that are read."""
        sums = np.add.reduceat(counts.pooled, self.precision.starts)
        units = _units(counts.groups, self.unit)
        return counts._replace(groups=_fitted(units * self.unit, counts.groups.sum(axis=0), sums))

    def _group_numbers(
        self, stored: Mapping[str, Sequence[StoredCounts]], shared: Mapping[str, np.ndarray]
    ) -> Iterator[np.ndarray]:
        units: dict[str, np.ndarray] = {}
        written: dict[str, np.ndarray] = {}
        for name, by_seed in stored.items():
            groups = np.stack([counts.groups for counts in by_seed])  # (S, G, 2, N)
            units[name] = _units(groups, self.unit)
            base, image = units.get(_base(name)), _image_name(name)
            numbers = units[name]
            if name != _base(name) and base is not None:
                numbers = _unsigned((numbers - base).cumsum(axis=1))
            columns = written[name] = numbers.transpose(2, 1, 0, 3).reshape(2 * groups.shape[1], -1)
            keys = np.roll(columns, 1, axis=0) if image == name else written[image]
            yield _unsigned(groups.sum(axis=1) - shared[name])
            yield columns[:1]
            yield np.take_along_axis(columns, np.argsort(keys, axis=1, kind="stable"), axis=1)[1:]

    def _read_groups(
        self, stream: Stream, shared: Mapping[str, np.ndarray], pooled: Mapping[str, Sequence[np.ndarray]]
    ) -> dict[str, np.ndarray]:
        groups: dict[str, np.ndarray] = {}
        units: dict[str, np.ndarray] = {}
        read: dict[str, np.ndarray] = {}
        seeds, count = len(self.seeds), len(self.precision.starts)
        for name in self.names:
            image = _image_name(name)
            if self._is_derived(name):
                groups[name] = (groups[image] - groups[f"border/{image}"]) * [[0], [1]]
                continue
            pixels = _signed(stream.take(seeds, 2, self.images)) + shared[name]
            columns = read[name] = stream.take(2 * count, seeds * self.images)
            for k, column in enumerate(columns[1:].copy(), 1):
                columns[k, np.argsort(columns[k - 1] if image == name else read[image][k], kind="stable")] = column
            numbers = columns.reshape(2, count, seeds, self.images).transpose(2, 1, 0, 3)
            base = units.get(_base(name))
            units[name] = numbers if base is None else base + self._differences(_signed(numbers))
            if self.precision.rounded:
                sums = [np.add.reduceat(levels, self.precision.starts) for levels in pooled[name]]
                each_seed = zip(units[name] * self.unit, pixels, sums, strict=True)
                groups[name] = np.stack([_fitted(*arrays) for arrays in each_seed])
            else:
                left = pixels - units[name].sum(axis=1)
                groups[name] = units[name].copy()
                groups[name][:, 0, 0], groups[name][:, -1, 1] = left[:, 0], left[:, 1]
        return groups

    def _differences(self, moved: np.ndarray) -> np.ndarray:
        """(S, G, 2, N) differences of groups, from the pixels moved over the edges of groups; where not `rounded`,
        towards the largest groups, which are 0."""
        up = np.diff(moved, axis=1, prepend=0)
        if self.precision.rounded:
            return up
        down = -np.diff(moved[:, :, 0], axis=1, append=0)
        differences = np.stack([down, up[:, :, 1]], axis=2)
        differences[:, 0, 0] = differences[:, -1, 1] = 0
        return differences

    def _table_numbers(
        self, stored: Mapping[str, Sequence[StoredCounts]], shared: Mapping[str, np.ndarray]
    ) -> Iterator[np.ndarray]:
        differences: dict[str, np.ndarray] = {}
        for name, by_seed in stored.items():
            tables = [counts.table for counts in by_seed if counts.table is not None]
            if tables:
                values = np.stack([table.values for table in tables])
                measured = values != UNMEASURED
                base = differences.get(_base(name), np.zeros(1, np.int64))
                differences[name] = measured * (values - self._expected(by_seed, shared))
                yield np.stack([table.rest for table in tables])
                yield (measured * (1 + _unsigned(differences[name] - base))).transpose(1, 0, 2)

    def _read_tables(
        self, stream: Stream, stored: Mapping[str, list[StoredCounts]], shared: Mapping[str, np.ndarray]
    ) -> None:
        differences: dict[str, np.ndarray] = {}
        for name in filter(lambda name: _image_name(name) == name, self.names):
            rest = stream.take(len(self.seeds), len(COLUMNS))
            numbers = stream.take(len(COLUMNS), len(self.seeds), self.images).transpose(1, 0, 2)
            measured = numbers > 0
            base = differences.get(_base(name), np.zeros(1, np.int64))
            differences[name] = measured * (_signed(numbers - 1) + base)
            values = np.where(measured, differences[name] + self._expected(stored[name], shared), UNMEASURED)
            for k, counts in enumerate(stored[name]):
                stored[name][k] = counts._replace(table=StoredTable(values[k], rest[k]))

    def _expected(self, by_seed: Sequence[StoredCounts], shared: Mapping[str, np.ndarray]) -> np.ndarray:
        """(S, columns, N) the tables if pixels were in the middle of their 8-bit level; 0 in other columns than sizes
        and sums over pixels. In integers, so they are the same everywhere."""
        expected = []
        for counts in by_seed:
            pooled, starts, steps = counts.pooled[..., None], counts.precision.starts, counts.steps[:, None]
            scores = np.add.reduceat(pooled * _pixel_scores(), starts)
            scores //= np.maximum(1, np.add.reduceat(pooled, starts))
            sums = np.tensordot(scores, counts.groups, axes=((0, 1), (0, 1)))
            expected.append(np.where(steps == 1, sums // SCALE, sums * (UNIT // SCALE) // steps))
            expected[-1][:2] = shared[SIZE]
        return np.stack(expected)


@cache
def _pixel_scores() -> np.ndarray:
    """(256, 2, columns) of a pixel by 8-bit level and label, in units of 1 / SCALE."""
    f = np.minimum((np.arange(256) + 0.5) / 255, 1)
    q = np.clip(np.stack([1 - f, f], axis=1), CLAMP, 1 - CLAMP)  # given to the label
    scores = {
        "pixels": np.ones_like(q),
        "correct": q > 0.5,
        "confidence": np.maximum(q, 1 - q),
        "absolute": 1 - q,
        "brier": (1 - q) ** 2,
        "nll": -np.log(q),
        "entropy": -q * np.log(q) - (1 - q) * np.log(1 - q),
    }
    return np.stack([np.rint(SCALE * scores.get(name, 0 * q)).astype(np.int64) for name in COLUMNS], axis=2)


def _units(groups: np.ndarray, unit: int) -> np.ndarray:
    """(..., N) pixels of images in units; each image takes what its predecessors left over."""
    return np.diff(groups.cumsum(axis=-1) // unit, axis=-1, prepend=0)


def _fitted(rounded: np.ndarray, pixels: np.ndarray, pooled: np.ndarray) -> np.ndarray:
    """Rounded groups (G, 2, N) changed to have so many pixels (2, N) in each image, and (G, 2) in each group.

    The largest groups of an image take what it has too few or too many pixels. Then what a group has too many moves to
    one that has too few, within images, in proportion to their pixels in the group.
    """
    groups = rounded.copy()
    for label in (0, 1):
        of_label = groups[:, label]
        more = pixels[label] - of_label.sum(axis=0)
        for group in np.argsort(-of_label, axis=0, kind="stable"):
            place = group, np.arange(len(group))
            taken = np.maximum(more, -of_label[place])
            of_label[place] += taken
            more -= taken
        lack = pooled[:, label] - of_label.sum(axis=1)
        while lack.any():
            target, source = lack.argmax(), lack.argmin()
            amount = min(lack[target], -lack[source])
            moved = np.diff(amount * of_label[source].cumsum() // of_label[source].sum(), prepend=0)
            of_label[[target, source]] += [moved, -moved]
            lack[[target, source]] += [-amount, amount]
    return groups


def _cell_numbers(stored: StoredCounts, bins: int) -> Iterator[np.ndarray]:
    further = np.setdiff1d(stored.limits, regular_edges(bins))
    yield np.diff(np.pad(further, (0, 2 * SHARES - len(further)), constant_values=HALF), prepend=0)
    edge, inside, doubt = stored.cells
    yield np.stack([edge, inside, _unsigned(doubt - _middle(stored.limits, inside))]).transpose(0, 2, 3, 1)
    yield _unsigned(stored.pooled - _by_level(stored.limits, edge, inside))


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


def _image_name(name: str) -> str:
    """`raw` of `border/raw`: the name of the counts of whole images."""
    return name.rpartition("/")[2]


def _base(name: str) -> str:
    """The name of the counts from which others are written as a difference; their own name if there are none."""
    return name.replace("stretched", "raw")


def _unsigned(numbers: np.ndarray) -> np.ndarray:
    """0, -1, 1, -2, ... as 0, 1, 2, 3, ..."""
    return np.where(numbers < 0, -2 * numbers - 1, 2 * numbers)


def _signed(numbers: np.ndarray) -> np.ndarray:
    """The numbers of `_unsigned`."""
    return np.where(numbers % 2, -(numbers + 1) // 2, numbers // 2)
