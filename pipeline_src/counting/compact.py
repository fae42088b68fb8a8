"""Statistics small enough for a repository: some dozens of bytes an image, where a full one takes thousands.

Kept exactly: the pixels, hits and scores of all images together in bins of every number that is in use; their pixels by
8-bit level; the cells of the surest pixels, where they part a level; the totals of all columns of the rows; and of each
image its columns that are whole pixels, and its pixels in `STARTS` groups of 8-bit levels. Not kept, so that reading
fills it in:

- finer than the cells of `edges`, all pixels of a cell have the cell's mean doubt (the order of pixels, as in AUC);
- within a group of levels, an image's pixels are spread as those of all images together (F curves);
- an image's sums of confidence, scores and the like are multiples of a 4096th of its size.

What is read is an ordinary statistic: nothing that is computed from it knows how it was stored. Only the columns of the
rows are not kept of regions, whose metrics are those of bins. `compact_file` writes it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pipeline_src.counting.counts import COLUMNS, PIXEL_SUMS, UNMEASURED, Counts, ImageRows, image_rows, upper_edge
from pipeline_src.counting.levels import EIGHT, HALF, LEVELS, POSITION, UNIT
from pipeline_src.counting.rows import Rows, parts, rows_of
from pipeline_src.counting.surest import SPLIT, UNKNOWN, check, further_cells

BINS = (100, 30)  # every number of bins in use divides one of them
SHARES = 24  # no cell holds a greater part of the pixels of a predicted class, unless they are on one level
LOWER = (0, 1, 2, 4, 8, 16, 26, 51, 77, 102)  # finest where most pixels are, and near the edges of ten bins
STARTS = (*LOWER, 128, *sorted(256 - start for start in LOWER[1:]))  # of the groups of 8-bit levels
ROUGH_STARTS = (0, 4, 26, 51, 77, 102, 128, 154, 179, 205, 230, 243, 252)  # those of ten bins, and of sure pixels
IMAGES = 4096  # of which the pixels are dealt to 8-bit levels at once


class Precision(NamedTuple):
    """The resolution at which counts are stored.

    Attributes:
        starts: the 8-bit levels at which the G groups begin in which the pixels of each image are kept.
        bits: those of an image's mean score.
        rounded: whether pixels of images are `rounded`, and cells of regions are of regular width.
    """

    starts: Sequence[int] = STARTS
    bits: int = 12
    rounded: bool = False


EXACT, ROUGH = Precision(), Precision(ROUGH_STARTS, bits=8, rounded=True)


class KeptRows(NamedTuple):
    """The columns of the rows.

    Attributes:
        values: (columns, N) in units of `Kept.steps`; UNMEASURED as in the rows.
        rest: (columns,) what the totals are beyond the sums of values.
    """

    values: np.ndarray
    rest: np.ndarray


class Kept(NamedTuple):
    """The stored counts of a run: L cells, G groups of 8-bit levels, N images; all int64.

    Attributes:
        limits: (L,) the levels at which cells begin, ascending.
        cells: (3, L, 2, 2), by cell, predicted class and label: pixels on the cell's edge, pixels inside, and the sum
            of their doubts above the edge, in levels.
        pooled: (256, 2) pixels of all images by 8-bit level and label.
        groups: (G, 2, N) pixels of each image by group of levels and label.
        table: None of regions.
        surest: of `Counts`; `UNKNOWN` where it says no more than the levels, and of regions and of single classes.
        precision: of the groups and of the table.
    """

    limits: np.ndarray
    cells: np.ndarray
    pooled: np.ndarray
    groups: np.ndarray
    table: KeptRows | None
    surest: np.ndarray = UNKNOWN
    precision: Precision = EXACT

    @property
    def steps(self) -> np.ndarray:
        """(columns,) the unit in which each column is kept, a power of 2: 1 for whole numbers."""
        pixels = max(1, int(self.groups.sum()) // self.groups.shape[2])
        of_score = UNIT >> self.precision.bits
        sizes = {"s_measure": of_score, "e_measure": of_score}
        sizes |= dict.fromkeys(PIXEL_SUMS, of_score << pixels.bit_length() - 1)
        return np.array([sizes.get(name, 1) for name in COLUMNS])


def keep(counts: Counts, bins: int, columns: bool, order: bool, precision: Precision = EXACT) -> Kept:
    """Return the counts to store.

    `bins` is a further number of bins that is exact, `columns` whether the columns of the rows are stored, `order`
    whether the cells of the most confident pixels are."""
    surest = counts.surest if order and further_cells(counts.surest) else UNKNOWN
    limits = edges(counts, bins) if order or not precision.rounded else regular_edges(bins)
    if len(surest):
        limits = np.union1d(limits, SPLIT)
    rows = image_rows(counts)
    groups = np.add.reduceat(rows.levels[:].astype(np.int64), precision.starts, axis=1).transpose(1, 2, 0)
    kept = Kept(limits, _cells(counts, limits), rows.pooled(), groups, None, surest, precision)
    return kept._replace(table=_table(rows.table[:], kept.steps)) if columns else kept


def restored(kept: Kept, ids: list[str], top: bool) -> Counts:
    """Counts of which `kept` was kept."""
    counts = _of_cells(kept.cells, kept.limits)
    check(kept.surest, counts.count, "surest")
    counts.surest = kept.surest
    shape = (len(ids), len(COLUMNS))
    table = np.full(shape, UNMEASURED) if kept.table is None else _of_table(kept.table, kept.steps)
    counts.rows, counts.top = ImageRows(ids, rows_of(table), _levels(kept)), top
    return counts


def grain(kept: Kept) -> int:
    """The unit to which pixels of images are rounded: a power of 2, about half the standard deviation of a group's
    pixels over images, in the median over groups."""
    spread = float(np.median(kept.groups[1:-1].std(axis=2)))
    return 1 << max(0, round(math.log2(max(1.0, spread / 2))))


def rounded(groups: np.ndarray, unit: int) -> np.ndarray:
    """(..., N) pixels of images in multiples of `unit`; each image takes what its predecessors left over."""
    return np.diff(groups.cumsum(axis=-1) // unit, axis=-1, prepend=0) * unit


def fitted(groups: np.ndarray, pixels: np.ndarray, pooled: np.ndarray) -> np.ndarray:
    """`rounded` groups (G, 2, N) changed to have so many pixels (2, N) in each image, and (G, 2) in each group.

    The largest groups of an image take what it has too few or too many pixels. Then what a group has too many moves to
    one that has too few, within images, in proportion to their pixels in the group.
    """
    made = groups.copy()
    for label in (0, 1):
        of_label = made[:, label]
        order = np.argsort(-of_label, axis=0, kind="stable")
        more = pixels[label] - of_label.sum(axis=0)
        for place in order:
            at = place, np.arange(len(place))
            taken = np.maximum(more, -of_label[at])
            of_label[at] += taken
            more -= taken
        lack = pooled[:, label] - of_label.sum(axis=1)
        while lack.any():
            to, source = lack.argmax(), lack.argmin()
            amount = min(lack[to], -lack[source])
            moved = np.diff(amount * of_label[source].cumsum() // of_label[source].sum(), prepend=0)
            of_label[[to, source]] += [moved, -moved]
            lack[[to, source]] += [-amount, amount]
    return made


def regular_edges(bins: int) -> np.ndarray:
    """The levels at which 8-bit levels and bins begin, and `HALF`; ascending."""
    steps = {EIGHT, *(LEVELS // number for number in (*BINS, bins))}
    return np.unique(np.concatenate([[HALF], *(range(0, HALF + 1, step) for step in steps)]))


def edges(counts: Counts, bins: int) -> np.ndarray:
    """The levels at which cells begin, ascending: the regular ones, and more where pixels are."""
    levels = [regular_edges(bins)]
    for below in counts.count.sum(axis=2).cumsum(axis=0).T:
        levels.append(np.searchsorted(below, below[-1] * np.arange(1, SHARES) / SHARES))
    return np.unique(np.concatenate(levels))


def _cells(counts: Counts, limits: np.ndarray) -> np.ndarray:
    """`Kept.cells`."""
    level, predicted, label = np.nonzero(counts.count)
    count, position = (of[level, predicted, label] for of in (counts.count, counts.position))
    begins = np.isin(level, limits)
    edge = np.where(predicted == 1, upper_edge(counts)[level, label], counts.on_edge[level, label]) * begins
    cell = np.searchsorted(limits, level, side="right") - 1
    doubt = (level - limits[cell]) * count + np.rint(position / POSITION).astype(np.int64)
    made = np.zeros((3, len(limits), 2, 2), np.int64)
    for array, values in zip(made, (edge, count - edge, doubt), strict=True):
        np.add.at(array, (cell, predicted, label), values)
    return made


def _of_cells(cells: np.ndarray, limits: np.ndarray) -> Counts:
    """The grid of `_cells`; all pixels inside a cell are on one level, since their order is not known."""
    edge, inside, doubt = cells
    counts = Counts.empty()
    above = doubt.sum(axis=(1, 2)) // np.maximum(inside.sum(axis=(1, 2)), 1)
    level = np.minimum(limits + above, np.append(limits[1:], HALF + 1) - 1)
    counts.count[level] = inside
    counts.position[level] = (doubt - inside * (level - limits)[:, None, None]) * POSITION
    counts.count[limits] += edge
    counts.on_edge[limits] = edge[:, 0]
    return counts


def _table(rows: np.ndarray, steps: np.ndarray) -> KeptRows:
    """Return the stored columns of the rows, (N, columns)."""
    measured = rows != UNMEASURED
    # Each row takes what its predecessors left over, so that sums over many images stay as they are. A sum beyond int64
    # wraps, and so does what is read again: the steps are powers of 2.
    sums = np.where(measured, rows, 0).cumsum(axis=0)
    values = np.where(measured, np.diff(sums // steps, axis=0, prepend=0), UNMEASURED)
    return KeptRows(values.T, sums[-1] % steps)


def _of_table(table: KeptRows, steps: np.ndarray) -> np.ndarray:
    """(N, columns) of `_table`; the last image that has a column takes the rest."""
    measured = table.values.T != UNMEASURED
    rows = np.where(measured, table.values.T * steps, UNMEASURED)
    for column in np.flatnonzero(measured.any(axis=0)):
        rows[np.flatnonzero(measured[:, column])[-1], column] += table.rest[column]
    return rows


def _levels(kept: Kept) -> Rows:
    """Rows (256, 2) of pixels by 8-bit level and label, with the sums over groups of levels and over images."""
    groups, starts = kept.groups, kept.precision.starts
    sums, rows = np.pad(groups.cumsum(axis=2), ((0, 0), (0, 0), (1, 0))), Rows((256, 2), np.uint32)
    for part in parts(groups.shape[2], IMAGES):
        dealt = _dealt(sums[..., part.start : part.stop + 1], kept.pooled, starts)
        rows.append(np.diff(dealt, axis=2).transpose(2, 0, 1).astype(np.uint32))
    return rows


def _dealt(groups: np.ndarray, pooled: np.ndarray, starts: Sequence[int]) -> np.ndarray:
    """(256, 2, n) pixels of the first images together by 8-bit level and label, of those by group of levels (G, 2, n):
    rounding them, not the pixels of each image, keeps both sums."""
    sums = np.zeros((256, 2, groups.shape[2]), np.int64)

    def halve(whole: np.ndarray, start: int, stop: int) -> None:
        if stop - start == 1:
            sums[start] = whole
            return
        middle = (start + stop) // 2
        left, both = pooled[start:middle].sum(axis=0), pooled[start:stop].sum(axis=0)
        exact = object if both.max() >= 1 << 31 else np.int64  # of products beyond int64, as Python has them
        lower = (whole.astype(exact) * left[:, None] // np.maximum(1, both)[:, None]).astype(np.int64)
        halve(lower, start, middle)
        halve(whole - lower, middle, stop)

    for of_group, start, stop in zip(groups, starts, (*starts[1:], 256), strict=True):
        halve(of_group, start, stop)
    return sums
