"""The file of a compact statistic: what `compact` keeps, without loss and in few bytes.

All of it is written as non-negative integers under LZMA. What follows from other numbers is left out, and what is near
to others is written as the difference to them:

- the interior of objects is what their border leaves of the foreground;
- `stretched` is what the stretch moves of `raw` over the edges of groups of levels;
- an image's sums of scores are near those of pixels in the middle of their 8-bit levels;
- of each column, images stand in the order of another column that is known by then: like numbers are neighbours, and
  LZMA adapts to them.
"""

from __future__ import annotations

import json
import lzma
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from zipfile import ZipFile

import numpy as np

from pipeline_src.counting.compact import SHARES, STARTS, Kept, KeptRows, keep, regular_edges, restored
from pipeline_src.counting.counts import COLUMNS, UNMEASURED, Counts, image_rows
from pipeline_src.counting.levels import CLAMP, EIGHT, HALF, PROTOCOLS, UNIT
from pipeline_src.counting.storage import IN_MEMORY, read, unreadable, write
from pipeline_src.counting.surest import CELLS

KIND = "compact"
MEMBERS = ("header", "ids", "confusion", "numbers")
RANKED = (*PROTOCOLS, "top")  # the counts whose pixels metrics sort
MOST_COUNTS = 1_000  # of counts in a file, each of which is read as a grid of 2.6 MB
IDS = 1 << 27  # bytes of the images' ids
DICTIONARY = 1 << 27  # bytes that LZMA may take to read them
SCALE = 1 << 16  # of the expected scores of a pixel
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 0, "pb": 0}]


def write_compact(path: Path, counts: Mapping[str, Counts], confusion: np.ndarray | None, bins: int) -> None:
    """Write counts of the same images by name; `bins` is a further number of bins that is kept exactly.

    Those of a region are named `border/raw` and the like, and come after the whole images and the border.
    """
    ids = image_rows(next(iter(counts.values()))).ids
    kept = {name: keep(of, bins, _whole(name) == name, name in RANKED) for name, of in counts.items()}
    arrays = {"ids": np.frombuffer(lzma.compress(json.dumps(ids).encode()), np.uint8)}
    if confusion is not None:
        arrays["confusion"] = confusion
    surest = {name: of.surest for name, of in kept.items() if len(of.surest)}
    arrays["numbers"] = _squeezed([*_cells(kept, bins), *_groups(kept), *_tables(kept), *surest.values()])
    write(path, KIND, arrays, {"names": list(kept), "bins": bins} | ({"surest": list(surest)} if surest else {}))


def read_compact(path: Path) -> tuple[dict[str, Counts], np.ndarray | None]:
    """What `write_compact` wrote: counts by name, and the confusion matrix of several classes."""
    try:
        _check_members(path)
    except Exception as error:
        raise unreadable(path, error) from error
    arrays, about = read(path, KIND)
    try:
        opened = lzma.LZMADecompressor(lzma.FORMAT_AUTO, memlimit=DICTIONARY)
        ids = json.loads(_decompressed(arrays["ids"], opened, IDS))
        if not all(isinstance(name, str) for name in ids):
            raise ValueError("ids that are not text")
        kept = _read_kept(arrays["numbers"], len(ids), about["names"], about["bins"], about.get("surest", []))
        return {name: restored(of, ids, name == "top") for name, of in kept.items()}, arrays.get("confusion")
    except Exception as error:  # whatever missing or damaged members make of it
        raise unreadable(path, error) from error


def _check_members(path: Path) -> None:
    """ValueError for members that no compact statistic has: each would be read."""
    with ZipFile(path) as file:
        members = [name.removesuffix(".npy") for name in file.namelist()]
    if len(members) > len(MEMBERS) or not {*members} <= {*MEMBERS}:
        raise ValueError(f"{len(members)} members, such as {members[-1]}; expected {', '.join(MEMBERS)}")


def _read_kept(
    numbers: np.ndarray, images: int, names: Sequence[str], bins: int, surest: Sequence[str]
) -> dict[str, Kept]:
    """What is kept, of the member `numbers` of a file; ValueError where it holds more."""
    stream = _Stream(numbers, _most(images, names, bins))
    cells = {name: _read_cells(stream, bins) for name in names}
    groups = _read_groups(stream, names, images)
    kept = {name: Kept(*cells[name], groups[name], None) for name in names}
    read = kept | _read_tables(stream, kept)
    for name in surest:
        read[name] = read[name]._replace(surest=stream.take(CELLS, 2, 2))
    if stream.left:
        raise ValueError(f"{stream.left:,} numbers too many")
    if any(pixels.size and pixels.min() < 0 for of in read.values() for pixels in (of.cells[:2], of.pooled, of.groups)):
        raise ValueError("fewer than 0 pixels")
    return read


def _most(images: int, names: Sequence[str], bins: int) -> int:
    """The numbers that a file of so many images and such counts can hold."""
    if len(names) > MOST_COUNTS:
        raise ValueError(f"{len(names):,} counts, more than {MOST_COUNTS:,}")
    cells = 12 * (len(regular_edges(bins)) + 2 * SHARES) + 2 * SHARES + 512 + 4 * CELLS
    groups = sum(2 * len(STARTS) * images for name in names if not name.startswith("interior/"))
    return len(names) * cells + groups + sum(len(COLUMNS) * (images + 1) for name in names if _whole(name) == name)


def _whole(name: str) -> str:
    """`raw` of `border/raw`: the counts of whole images that those of a region are a part of."""
    return name.rpartition("/")[2]


def _base(name: str) -> str:
    """What counts are written as a difference to; their own name if to none."""
    return name.replace("stretched", "raw")


def _cells(kept: Mapping[str, Kept], bins: int) -> Iterator[np.ndarray]:
    for of in kept.values():
        further = np.setdiff1d(of.limits, regular_edges(bins))
        yield np.diff(np.pad(further, (0, 2 * SHARES - len(further)), constant_values=HALF), prepend=0)
        edge, inside, doubt = of.cells
        yield np.stack([edge, inside, _unsigned(doubt - _middle(of.limits, inside))]).transpose(0, 2, 3, 1)
        yield _unsigned(of.pooled - _by_level(of.limits, edge, inside))


def _read_cells(stream: _Stream, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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


def _groups(kept: Mapping[str, Kept]) -> Iterator[np.ndarray]:
    groups, written = {name: of.groups for name, of in kept.items()}, {}
    for name, of in groups.items():
        if name.startswith("interior/"):
            if not np.array_equal(of, _interior(name, groups)):
                raise ValueError(f"{name} is not what the border leaves of the foreground")
            continue
        numbers = _unsigned((of - groups[_base(name)]).cumsum(axis=0)) if _base(name) in written else of
        columns = written[name] = numbers.transpose(1, 0, 2).reshape(2 * len(STARTS), -1)
        sort_keys = np.roll(columns, 1, axis=0) if _whole(name) == name else written[_whole(name)]
        yield columns[:1]
        yield np.take_along_axis(columns, np.argsort(sort_keys, axis=1, kind="stable"), axis=1)[1:]


def _read_groups(stream: _Stream, names: Sequence[str], images: int) -> dict[str, np.ndarray]:
    groups: dict[str, np.ndarray] = {}
    read: dict[str, np.ndarray] = {}
    for name in names:
        if name.startswith("interior/"):
            groups[name] = _interior(name, groups)
            continue
        columns = read[name] = stream.take(2 * len(STARTS), images)
        for k, column in enumerate(columns[1:].copy(), 1):
            sort_keys = columns[k - 1] if _whole(name) == name else read[_whole(name)][k]
            columns[k, np.argsort(sort_keys, kind="stable")] = column
        numbers = columns.reshape(2, len(STARTS), images).transpose(1, 0, 2)
        base = groups.get(_base(name))
        groups[name] = numbers if base is None else base + np.diff(_signed(numbers), axis=0, prepend=0)
    return groups


def _interior(name: str, groups: Mapping[str, np.ndarray]) -> np.ndarray:
    """Foreground off the border."""
    return (groups[_whole(name)] - groups[f"border/{_whole(name)}"]) * [[0], [1]]


def _tables(kept: Mapping[str, Kept]) -> Iterator[np.ndarray]:
    beyond: dict[str, np.ndarray] = {}
    for name, of in kept.items():
        if of.table is not None:
            measured, base = of.table.values != UNMEASURED, beyond.get(_base(name), 0)
            beyond[name] = measured * (of.table.values - _expected(of))
            yield of.table.rest
            yield measured * (1 + _unsigned(beyond[name] - base))


def _read_tables(stream: _Stream, kept: Mapping[str, Kept]) -> dict[str, Kept]:
    beyond: dict[str, np.ndarray] = {}
    read = {}
    for name, of in kept.items():
        if _whole(name) == name:
            rest, numbers = stream.take(len(COLUMNS)), stream.take(len(COLUMNS), of.groups.shape[2])
            measured = numbers > 0
            beyond[name] = measured * (_signed(numbers - 1) + beyond.get(_base(name), 0))
            values = np.where(measured, beyond[name] + _expected(of), UNMEASURED)
            read[name] = of._replace(table=KeptRows(values, rest))
    return read


def _expected(of: Kept) -> np.ndarray:
    """(columns, N) what the table would hold if pixels were in the middle of their 8-bit level; 0 of columns that say
    something else. In integers, so that it is the same everywhere."""
    pooled = of.pooled[..., None]
    scores = np.add.reduceat(pooled * _scores(), STARTS) // np.maximum(1, np.add.reduceat(pooled, STARTS))
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


class _Stream:
    """The integers of `_squeezed`, taken one array after the other."""

    def __init__(self, data: np.ndarray, most: int):
        opened = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=FILTERS)
        planes = np.frombuffer(_decompressed(data, opened, min(8 * most, IN_MEMORY)), np.uint8)
        self._numbers = np.ascontiguousarray(planes.reshape(8, -1).T).view("<i8").reshape(-1).astype(np.int64)

    @property
    def left(self) -> int:
        """How many numbers were not taken."""
        return len(self._numbers)

    def take(self, *shape: int) -> np.ndarray:
        """The next numbers, of this shape."""
        taken, self._numbers = np.split(self._numbers, [math.prod(shape)])
        return taken.reshape(shape)


def _squeezed(arrays: Iterable[np.ndarray]) -> np.ndarray:
    """Non-negative integers, compressed: all lowest bytes first, then the next ones, which are alike."""
    numbers = np.concatenate([array.reshape(-1) for array in arrays]).astype("<i8")
    planes = np.ascontiguousarray(numbers.view(np.uint8).reshape(-1, 8).T)
    return np.frombuffer(lzma.compress(planes.tobytes(), lzma.FORMAT_RAW, filters=FILTERS), np.uint8)


def _decompressed(data: np.ndarray, opened: lzma.LZMADecompressor, most: int) -> bytes:
    """What `data` holds; ValueError for more than `most` bytes."""
    content = opened.decompress(data.tobytes(), most + 1)
    if not opened.eof or len(content) > most:
        raise ValueError(f"cut off, or more than {most:,} bytes")
    return content
