"""Statistics small enough for a repository: about a hundred bytes an image, where a full one takes a thousand.

Kept exactly: the pixels, hits and scores of all images together in bins of every number that is in use; their pixels by
8-bit level; the totals of all columns of the rows; and of each image its columns that are whole pixels, and its pixels
in `STARTS` groups of 8-bit levels. Not kept, so that reading fills it in:

- finer than the cells of `edges`, all pixels of a cell have the cell's mean doubt (the order of pixels, as in AUC);
- within a group of levels, an image's pixels are spread as those of all images together (F curves);
- an image's sums of confidence, scores and the like are multiples of a 4096th of its size.

What is read is an ordinary statistic: nothing that is computed from it knows how it was stored.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from pipeline_src.counting.counts import COLUMNS, UNMEASURED, Counts, ImageRows
from pipeline_src.counting.edges import EIGHT, upper_edge
from pipeline_src.counting.levels import HALF, LEVELS, POSITION, UNIT
from pipeline_src.counting.rows import rows_of
from pipeline_src.counting.storage import IN_MEMORY, read, unreadable, write

KIND = "compact"
BINS = (100, 30)  # every number of bins in use divides one of them
SHARES = 24  # no cell holds a greater part of the pixels of a predicted class, unless they are on one level
LOWER = (0, 1, 2, 4, 8, 16, 26, 51, 77, 102)  # finest where most pixels are, and near the edges of ten bins
STARTS = (*LOWER, 128, *sorted(256 - start for start in LOWER[1:]))  # of the groups of 8-bit levels
STEPS = 12  # bits of an image's mean score
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 0, "pb": 0}]


def write_compact(path: Path, counts: Mapping[str, Counts], confusion: np.ndarray | None, bins: int) -> None:
    """Write counts of the same images by name; `bins` is a further number of bins that is kept exactly."""
    ids = next(iter(counts.values())).rows.ids
    arrays = {"ids": np.frombuffer(lzma.compress(json.dumps(ids).encode()), np.uint8)}
    if confusion is not None:
        arrays["confusion"] = confusion
    for name, of in counts.items():
        arrays[f"{name}_edges"] = _squeezed(np.diff(limits := edges(of, bins), prepend=0))
        arrays[f"{name}_cells"] = _squeezed(_cells(of, limits))
        arrays[f"{name}_rows"] = _squeezed(*_columns(of.rows))
    write(path, KIND, arrays, {})


def read_compact(path: Path) -> tuple[dict[str, Counts], np.ndarray | None]:
    """What `write_compact` wrote: counts by name, and the confusion matrix of several classes."""
    arrays, _ = read(path, KIND)
    try:
        return _counts(arrays), arrays.get("confusion")
    except Exception as error:  # whatever missing or damaged members make of it
        raise unreadable(path, error) from error


def _counts(arrays: Mapping[str, np.ndarray]) -> dict[str, Counts]:
    ids = json.loads(_decompressed(arrays["ids"], lzma.FORMAT_AUTO))
    counts = {}
    for name in (member.removesuffix("_cells") for member in arrays if member.endswith("_cells")):
        of = counts[name] = _of_cells(*(_opened(arrays[f"{name}_{kind}"]) for kind in ("cells", "edges")))
        of.rows, of.top = _rows(ids, _opened(arrays[f"{name}_rows"])), name == "top"
    return counts


def edges(counts: Counts, bins: int) -> np.ndarray:
    """The levels at which cells begin, ascending: those of 8-bit levels and of bins, and more where pixels are."""
    steps = {EIGHT, *(LEVELS // number for number in (*BINS, bins))}
    levels = [range(0, HALF + 1, step) for step in steps]
    for below in counts.count.sum(axis=2).cumsum(axis=0).T:
        levels.append(np.searchsorted(below, below[-1] * np.arange(1, SHARES) / SHARES))
    return np.unique(np.concatenate([*levels, [HALF]]))


def _cells(counts: Counts, limits: np.ndarray) -> np.ndarray:
    """Numbers of the grid, by cell, predicted class and label: pixels on the cell's edge, pixels inside and the sum of
    their doubts above the edge, in levels."""
    level, predicted, label = np.nonzero(counts.count)
    count, position = (of[level, predicted, label] for of in (counts.count, counts.position))
    begins = np.isin(level, limits)
    edge = np.where(predicted == 1, upper_edge(counts)[level, label], counts.on_edge[level, label]) * begins
    cell = np.searchsorted(limits, level, side="right") - 1
    doubt = (level - limits[cell]) * count + np.rint(position / POSITION).astype(np.int64)
    made = np.zeros((3, len(limits), 2, 2), np.int64)
    for array, values in zip(made, (edge, count - edge, doubt), strict=True):
        np.add.at(array, (cell, predicted, label), values)
    return made.reshape(-1)


def _of_cells(numbers: np.ndarray, steps: np.ndarray) -> Counts:
    """The grid of `_cells`; all pixels inside a cell are on one level, since their order is not known."""
    limits = steps.cumsum()
    edge, inside, doubt = numbers.reshape(3, len(limits), 2, 2)
    counts = Counts.empty()
    above = doubt.sum(axis=(1, 2)) // np.maximum(inside.sum(axis=(1, 2)), 1)
    level = np.minimum(limits + above, np.append(limits[1:], HALF + 1) - 1)
    counts.count[level] = inside
    counts.position[level] = (doubt - inside * (level - limits)[:, None, None]) * POSITION
    counts.count[limits] += edge
    counts.on_edge[limits] = edge[:, 0]
    return counts


def _columns(rows: ImageRows) -> Iterator[np.ndarray]:
    """Numbers of the rows: levels of all images, totals of the columns, then the images column by column."""
    table, levels = rows.table[:], rows.levels[:].astype(np.int64)
    yield levels.sum(axis=0).reshape(-1)
    steps, known = _steps(table), table != UNMEASURED
    sums = np.where(known, table, 0).cumsum(axis=0)
    yield sums[-1]
    yield steps
    # Each row takes what its predecessors left over, so that sums over many images stay as they are.
    yield (known * (1 + np.diff(sums // steps, axis=0, prepend=0))).T.reshape(-1)
    yield np.add.reduceat(levels, STARTS, axis=1).transpose(1, 2, 0).reshape(-1)


def _steps(table: np.ndarray) -> np.ndarray:
    """The unit in which each column is kept, a power of 2: 1 for whole numbers."""
    pixels = max(1, int(table[:, COLUMNS.index("pixels")].mean()))
    of_score = UNIT >> STEPS
    sizes = {"s_measure": of_score, "e_measure": of_score}
    sizes |= dict.fromkeys(("confidence", "absolute", "brier", "nll", "entropy"), of_score << pixels.bit_length() - 1)
    return np.array([sizes.get(name, 1) for name in COLUMNS])


def _rows(ids: list[str], numbers: np.ndarray) -> ImageRows:
    """The rows of `_columns`."""
    width = len(COLUMNS)
    pooled, totals, steps, of_images = np.split(numbers, np.cumsum([512, width, width]))
    by_column, groups = np.split(of_images, [width * len(ids)])
    stored = by_column.reshape(width, -1).T
    known = stored > 0
    table = np.where(known, (stored - 1) * steps, 0)
    for column in np.flatnonzero(known.any(axis=0)):
        last = np.flatnonzero(known[:, column])[-1]
        table[last, column] += totals[column] - table[:, column].sum()
    table = np.where(known, table, UNMEASURED)
    levels = _dealt(groups.reshape(len(STARTS), 2, -1), pooled.reshape(256, 2))
    return ImageRows(ids, rows_of(table), rows_of(levels.astype(np.uint32)))


def _dealt(groups: np.ndarray, pooled: np.ndarray) -> np.ndarray:
    """(N, 256, 2) pixels by 8-bit level and label whose sums over groups of levels are `groups` (G, 2, N), and over
    images `pooled` (256, 2)."""
    levels = np.zeros((groups.shape[-1], 256, 2), np.int64)

    def halve(images: np.ndarray, start: int, stop: int, label: int) -> None:
        if stop - start == 1:
            levels[:, start, label] = images
            return
        middle = (start + stop) // 2
        left, whole = pooled[start:middle, label].sum(), max(1, pooled[start:stop, label].sum())
        # Rounding the running sum, not each image, keeps both sums.
        lower = np.diff(images.cumsum() * left // whole, prepend=0)
        halve(lower, start, middle, label)
        halve(images - lower, middle, stop, label)

    for group, start, stop in zip(groups, STARTS, (*STARTS[1:], 256), strict=True):
        for label in (0, 1):
            halve(group[label], start, stop, label)
    return levels


def _squeezed(*arrays: np.ndarray) -> np.ndarray:
    """Non-negative integers, compressed: all lowest bytes first, then the next ones, which are alike."""
    numbers = np.concatenate([np.zeros(0, np.int64), *arrays]).astype("<i8")
    planes = np.ascontiguousarray(numbers.view(np.uint8).reshape(-1, 8).T)
    return np.frombuffer(lzma.compress(planes.tobytes(), lzma.FORMAT_RAW, filters=FILTERS), np.uint8)


def _opened(data: np.ndarray) -> np.ndarray:
    """The integers of `_squeezed`."""
    planes = np.frombuffer(_decompressed(data, lzma.FORMAT_RAW, FILTERS), np.uint8)
    return np.ascontiguousarray(planes.reshape(8, -1).T).view("<i8").reshape(-1).astype(np.int64)


def _decompressed(data: np.ndarray, form: int, filters: list | None = None) -> bytes:
    """What `data` holds; ValueError for more than fits into memory."""
    opened = lzma.LZMADecompressor(form, filters=filters)
    content = opened.decompress(data.tobytes(), IN_MEMORY)
    if not opened.eof:
        raise ValueError(f"cut off, or more than {IN_MEMORY:,} bytes")
    return content
