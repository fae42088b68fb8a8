"""Counts small enough for a repository: some dozens of bytes an image, where full ones take thousands.

Kept exactly: the pixels, hits and scores of all images together in bins of every number that is in use; their pixels by
8-bit level; the cells of the surest pixels, where they split a level; the totals of all columns of the rows; and of
each image its columns that are whole pixels, and its pixels of each label. Not kept, but filled in on reading:

- finer than the cells of `cell_edges`, all pixels of a cell have the cell's mean doubt (the order of pixels, as in
  AUC);
- an image's pixels in groups of 8-bit levels are rounded, except in files of earlier versions; within a group they are
  spread like those of all images together (F curves);
- an image's sums of confidence, scores and the like are multiples of a 256th of its size (a 4096th in those files).

What is read are ordinary counts. Of regions the columns of the rows are not kept, since their metrics are those of
bins. `compact_file` writes and reads the files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pipeline_src.counting.counts import (
    COLUMNS,
    PIXEL_SUMS,
    UNMEASURED,
    Counts,
    ImageRows,
    image_rows,
    parts,
    upper_edge,
)
from pipeline_src.counting.levels import EIGHT, HALF, LEVELS, POSITION, UNIT
from pipeline_src.counting.surest import SPLIT, UNKNOWN, further_cells

BINS = (100, 30)  # every number of bins in use divides one of them
SHARES = 24  # no cell holds a greater part of the pixels of a predicted class, unless they are on one level
LOWER = (0, 1, 2, 4, 8, 16, 26, 51, 77, 102)  # finest where most pixels are, and near the edges of ten bins
STARTS = (*LOWER, 128, *sorted(256 - start for start in LOWER[1:]))  # of the groups of 8-bit levels
ROUGH_STARTS = (0, 4, 26, 51, 77, 102, 128, 154, 179, 205, 230, 243, 252)  # those of ten bins, and of confident pixels


class Precision(NamedTuple):
    """The resolution at which counts are stored.

    Attributes:
        starts: the 8-bit levels at which the G groups begin in which the pixels of each image are kept.
        bits: those of an image's mean score.
        rounded: whether pixels of images are rounded, and cells of regions are of regular width.
    """

    starts: Sequence[int] = STARTS
    bits: int = 12
    rounded: bool = False


EXACT, ROUGH = Precision(), Precision(ROUGH_STARTS, bits=8, rounded=True)


class StoredTable(NamedTuple):
    """The columns of the rows.

    Attributes:
        values: (columns, N) in units of `StoredCounts.steps`; UNMEASURED as in the rows.
        rest: (columns,) the totals less the sums of values.
    """

    values: np.ndarray
    rest: np.ndarray


class StoredCounts(NamedTuple):
    """The stored counts of a run: L cells, G groups of 8-bit levels, N images; all int64.

    Attributes:
        limits: (L,) the levels at which cells begin, ascending.
        cells: (3, L, 2, 2), by cell, predicted class and label: pixels on the cell's edge, pixels inside, and the sum
            of their doubts above the edge, in levels.
        pooled: (256, 2) pixels of all images by 8-bit level and label.
        groups: (G, 2, N) pixels of each image by group of levels and label.
        table: None for regions.
        surest: as in `Counts`; `UNKNOWN` where it adds nothing to the levels, and for regions and single classes.
        precision: of the groups and of the table.
    """

    limits: np.ndarray
    cells: np.ndarray
    pooled: np.ndarray
    groups: np.ndarray
    table: StoredTable | None
    surest: np.ndarray = UNKNOWN
    precision: Precision = EXACT

    @property
    def steps(self) -> np.ndarray:
        """(columns,) the unit in which each column is kept, a power of 2: 1 for whole numbers."""
        pixels = max(1, int(self.groups.sum()) // self.groups.shape[2])
        score_step = UNIT >> self.precision.bits
        steps = {"s_measure": score_step, "e_measure": score_step}
        steps |= dict.fromkeys(PIXEL_SUMS, score_step << pixels.bit_length() - 1)
        return np.array([steps.get(name, 1) for name in COLUMNS])


def compact(counts: Counts, bins: int, region: bool, order: bool, precision: Precision) -> StoredCounts:
    """Return the counts to store.

    Args:
        bins: a further number of bins that is exact.
        region: whether they are counts of a region, of which the columns of the rows are not stored.
        order: whether metrics sort their pixels, for which the cells of the surest pixels are stored.
        precision: of the groups of levels, and of the table.
    """
    surest = counts.surest if order and further_cells(counts.surest) else UNKNOWN
    limits = cell_edges(counts, bins) if order or not precision.rounded else regular_edges(bins)
    if len(surest):
        limits = np.union1d(limits, SPLIT)
    rows = image_rows(counts)
    groups = np.add.reduceat(rows.levels.astype(np.int64), precision.starts, axis=1).transpose(1, 2, 0)
    stored = StoredCounts(limits, _cells(counts, limits), rows.pooled(), groups, None, surest, precision)
    return stored if region else stored._replace(table=_stored_table(rows.table, stored.steps))


def restore(stored: StoredCounts, ids: list[str], top: bool) -> Counts:
    """Return counts with what was stored, and the rest filled in; `top` as in `Counts`."""
    counts = _counts_of_cells(stored.cells, stored.limits)
    table = np.full((len(ids), len(COLUMNS)), UNMEASURED)
    if stored.table is not None:
        table = _rows_of_table(stored.table, stored.steps)
    counts.rows = ImageRows(ids, table, _image_levels(stored))
    counts.surest, counts.top = stored.surest, top
    return counts


def regular_edges(bins: int) -> np.ndarray:
    """The levels at which 8-bit levels and bins begin, and `HALF`; ascending."""
    steps = {EIGHT, *(LEVELS // number for number in (*BINS, bins))}
    return np.unique(np.concatenate([[HALF], *(range(0, HALF + 1, step) for step in steps)]))


def cell_edges(counts: Counts, bins: int) -> np.ndarray:
    """The levels at which cells begin, ascending: the regular ones, and more where pixels are."""
    levels = [regular_edges(bins)]
    for below in counts.count.sum(axis=2).cumsum(axis=0).T:
        levels.append(np.searchsorted(below, below[-1] * np.arange(1, SHARES) / SHARES))
    return np.unique(np.concatenate(levels))


def _cells(counts: Counts, limits: np.ndarray) -> np.ndarray:
    """`StoredCounts.cells`."""
    place = level, predicted, label = np.nonzero(counts.count)
    count, position = counts.count[place], counts.position[place]
    begins = np.isin(level, limits)
    edge = np.where(predicted == 1, upper_edge(counts)[level, label], counts.on_edge[level, label]) * begins
    cell = np.searchsorted(limits, level, side="right") - 1
    doubt = (level - limits[cell]) * count + np.rint(position / POSITION).astype(np.int64)
    cells = np.zeros((3, len(limits), 2, 2), np.int64)
    for array, values in zip(cells, (edge, count - edge, doubt), strict=True):
        np.add.at(array, (cell, predicted, label), values)
    return cells


def _counts_of_cells(cells: np.ndarray, limits: np.ndarray) -> Counts:
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


def _stored_table(rows: np.ndarray, steps: np.ndarray) -> StoredTable:
    """The columns of the rows (N, columns). Each row takes what its predecessors left over, so sums over many images
    stay. A sum beyond int64 wraps, and wraps back on reading: the steps are powers of 2."""
    measured = rows != UNMEASURED
    sums = np.where(measured, rows, 0).cumsum(axis=0)
    values = np.where(measured, np.diff(sums // steps, axis=0, prepend=0), UNMEASURED)
    return StoredTable(values.T, sums[-1] % steps)


def _rows_of_table(table: StoredTable, steps: np.ndarray) -> np.ndarray:
    """The rows (N, columns) of `_stored_table`; the last image that has a column takes the rest."""
    measured = table.values.T != UNMEASURED
    rows = np.where(measured, table.values.T * steps, UNMEASURED)
    for column in np.flatnonzero(measured.any(axis=0)):
        rows[np.flatnonzero(measured[:, column])[-1], column] += table.rest[column]
    return rows


def _image_levels(stored: StoredCounts) -> np.ndarray:
    """(N, 256, 2) pixels by 8-bit level and label, with the sums over groups of levels and over images."""
    images, starts = stored.groups.shape[2], stored.precision.starts
    sums = np.pad(stored.groups.cumsum(axis=2), ((0, 0), (0, 0), (1, 0)))
    levels = np.empty((images, 256, 2), np.uint32)
    for part in parts(images, 4096):
        spread = _spread(sums[..., part.start : part.stop + 1], stored.pooled, starts)
        levels[part] = np.diff(spread, axis=2).transpose(2, 0, 1)
    return levels


def _spread(groups: np.ndarray, pooled: np.ndarray, starts: Sequence[int]) -> np.ndarray:
    """(256, 2, n) pixels by 8-bit level and label of the first 1 .. n images together, from those by group of levels
    (G, 2, n) in proportion to `pooled`. Rounding these sums, not each image, keeps both sums."""
    sums = np.zeros((256, 2, groups.shape[2]), np.int64)

    def halve(pixels: np.ndarray, start: int, stop: int) -> None:
        if stop - start == 1:
            sums[start] = pixels
            return
        middle = (start + stop) // 2
        left, both = pooled[start:middle].sum(axis=0), pooled[start:stop].sum(axis=0)
        exact = object if both.max() >= 1 << 31 else np.int64  # of products beyond int64, as Python has them
        lower = (pixels.astype(exact) * left[:, None] // np.maximum(1, both)[:, None]).astype(np.int64)
        halve(lower, start, middle)
        halve(pixels - lower, middle, stop)

    for group, start, stop in zip(groups, starts, (*starts[1:], 256), strict=True):
        halve(group, start, stop)
    return sums
