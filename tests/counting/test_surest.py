"""Cells of the surest pixels: what they are, and how files keep them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from made_statistics import images, one

from pipeline_src.counting.levels import CELLS, LAST, LEVEL_OF_CELL, LEVELS, SHIFT, SPLIT, STARTS, further_cells
from pipeline_src.counting.map_counts import MapCounts


def sure(kind: str = "float32", count: int = 3) -> MapCounts:
    """Of images most of whose pixels are in the first levels of doubt."""
    statistic = MapCounts.empty()
    for f, y, name in images(count, kind="float64"):
        z = 4 * np.log(f / (1 - f))
        top = {"uint8": 255, "uint16": 65535}.get(kind)
        f = 1 / (1 + np.exp(-z))
        statistic.add((np.rint(f * top) if top else f).astype(kind), y, name, ignore=255)
    return statistic


def test_a_cell_is_a_part_of_one_level():
    """At every end of a level and of sixteenths of octaves, and next to it, by exact doubts."""
    octaves = 2.0 ** np.arange(-149, -11)[:, None] * (1 + np.arange(16) / 16)
    ends = np.concatenate([[0], octaves.ravel(), np.arange(SPLIT + 1) / LEVELS]).astype(np.float32)
    doubts = np.unique([ends, np.nextafter(ends, np.float32(0)), np.nextafter(ends, np.float32(1))])
    doubts = doubts[doubts.astype(float) * LEVELS < SPLIT]
    level = np.floor(doubts.astype(float) * LEVELS).astype(int)
    cell = level + np.minimum((doubts.view(np.int32) >> SHIFT) + (doubts > 0), LAST)
    assert np.array_equal(LEVEL_OF_CELL[cell], level)
    assert (np.diff(cell) >= 0).all() and np.array_equal(np.unique(cell), np.arange(CELLS))
    assert (cell == 0).sum() == 1 and doubts[0] == 0
    for parted in np.split(doubts, np.flatnonzero(np.diff(cell)) + 1):
        assert parted[-1] <= parted[0] * 17 / 16 or parted[-1] < 2.0**-126


@pytest.mark.parametrize("kind", ["float32", "uint8", "uint16"])
def test_cells_hold_the_pixels_of_the_first_levels(kind):
    statistic = sure(kind)
    for counts in (statistic.raw, statistic.stretched):
        by_level = np.stack([counts.surest[a:b].sum(axis=0) for a, b in pairwise([*STARTS, CELLS])])
        assert np.array_equal(by_level, counts.count[:SPLIT]) and by_level[0].any()
        assert (further_cells(counts.surest) > 0) == (kind == "float32")


def test_values_of_8_and_16_bits_stored_as_floats_part_no_level():
    for top in (255, 65535):
        f = (np.arange(top + 1) / top).astype(np.float32)
        counts = one(f, np.arange(top + 1) % 2).raw
        assert further_cells(counts.surest) == 0 and counts.surest.any()
