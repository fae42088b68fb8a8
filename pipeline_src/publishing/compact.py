"""Counts small enough for a repository: dozens of bytes an image, not thousands.

`counting.levels` defines the levels of doubt, 1 - confidence, and the finer cells of the surest
pixels. Some counts are published exactly:

- of all images together: pixels, correct pixels and summed confidences in bins of every number that
  is in use; pixels by 8-bit level; the cells of the surest pixels, where they split a level; the
  totals of all columns of the images' rows;
- of each image: the columns of its row that are whole pixels, and its pixels of each label.

Other counts are rounded on publishing, and filled in on reading:

- All pixels between two of `cell_edges` get their mean doubt. Metrics that sort pixels, such as
  AUC, change slightly.
- An image's pixels in groups of 8-bit levels are rounded to about half their standard deviation
  over images. Within a group they are spread like those of all images together. So F curves change
  slightly, and 95 % intervals by a few percent of their width.
- An image's sums of confidence and scores are rounded to about a 256th of its number of pixels.
- Weighted F is left out.

The rounded counts are arrays by name. Of each name of `named_counts` there are the arrays of
`histogram_arrays`, and instead of the rows of its N images:

- `pooled` (256, 2): pixels of all images by 8-bit level and label;
- `pixels` (2, N): pixels of each image by label;
- `units` (2, G, N): pixels of each image by label and group of levels, in multiples of `unit`, a
  power of 2;
- `table` (columns, N) and `rest` (columns,): columns of the rows in multiples of `score_steps`, and
  the remainders of the totals.

`starts` and `bits` are the G first levels of the groups, and the bits of an image's mean scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from pipeline_src.counting.counts import (
    ALWAYS,
    PIXEL_SUMS,
    UNMEASURED,
    Counts,
    Histogram,
    image_blocks,
    named_counts,
)
from pipeline_src.counting.levels import (
    HALF,
    LEVELS,
    POSITION,
    PROTOCOLS,
    SPLIT,
    UNIT,
    UNKNOWN,
    further_cells,
)
from pipeline_src.counting.storage import counts_from, histogram_arrays, json_array
from pipeline_src.metrics.cells import Arrays, occupied

BINS = (100, 30)  # of which bins stay exact, as do divisors of them: 10, 15, 20
# Cells of doubt also begin at these quantiles (k / SHARES) of each predicted class: so a cell
# holds, besides its first level, fewer than 1 / SHARES of its pixels.
SHARES = 24
# The first 8-bit levels of the groups: where each of ten equal bins begins, and more near 0 and
# 255, where most pixels are.
STARTS = (0, 4, 26, 51, 77, 102, 128, 154, 179, 205, 230, 243, 252)
BITS = 8  # of an image's mean scores, such as its mean confidence
RANKED = (*PROTOCOLS, "top")  # the counts whose pixels metrics sort by confidence, as AUC does


def reduced(counts_by_protocol: Mapping[str, Counts], bins: int) -> Arrays:
    """Return the arrays of a run to publish, rounded; sums in `bins` and `BINS` bins stay exact.

    The module's docstring lists the arrays.
    """
    raw = counts_by_protocol["raw"]
    arrays = {}
    if raw.confusion is not None:
        arrays["confusion"] = raw.confusion
    arrays["ids"] = json_array(list(raw.images.ids))
    arrays["starts"] = np.array(STARTS)
    arrays["bits"] = np.array(BITS)
    for name, counts in named_counts(counts_by_protocol).items():
        arrays |= histogram_arrays(_reduced_histogram(name, counts, bins), name)
        rows = counts.images
        # (2, G, N): pixels of each image by label and group of 8-bit levels.
        groups = np.add.reduceat(rows.levels.astype(np.int64), STARTS, axis=1).transpose(2, 1, 0)
        if "unit" not in arrays:  # all counts of a run have one unit
            spread = float(np.median(groups[:, 1:-1].std(axis=2)))  # over images
            arrays["unit"] = np.array(1 << max(0, round(np.log2(max(1.0, spread / 2)))))
        pixels = groups.sum(axis=1)
        # Cumulative sums over images are rounded, not each image: its number is the difference of
        # two of these. So errors of rounding do not add up over images.
        units = np.diff(groups.cumsum(axis=2) // arrays["unit"], axis=2, prepend=0)
        table = rows.table[:, : len(ALWAYS)].T
        measured = table != UNMEASURED
        sums = np.where(measured, table, 0).cumsum(axis=1)
        steps = score_steps(pixels, BITS)
        rounded = np.diff(sums // steps, axis=1, prepend=0)
        arrays |= {
            f"{name}_pooled": rows.pooled(),
            f"{name}_pixels": pixels,
            f"{name}_units": units,
            f"{name}_table": np.where(measured, rounded, UNMEASURED),
            f"{name}_rest": sums[:, -1] % steps[:, 0],
        }
    return arrays


def _reduced_histogram(name: str, counts: Counts, bins: int) -> Histogram:
    """Return the histogram of counts to publish, with pixels joined between edges of bins, or of
    finer cells if metrics sort the pixels of these counts.

    Args:
        name: of the counts: a protocol or `top`, whose pixels metrics sort (`RANKED`), or a class.
    """
    if name not in RANKED:
        return _joined(counts, regular_edges(bins), surest=UNKNOWN)
    limits = cell_edges(counts.histogram, bins)
    surest = counts.histogram.surest
    if further_cells(surest) == 0:  # the levels order the pixels as well as these cells
        return _joined(counts, limits, surest=UNKNOWN)
    return _joined(counts, np.union1d(limits, SPLIT), surest=surest)


def restored(run: Arrays) -> dict[str, Counts]:
    """Return full counts by protocol from the arrays that `reduced` returned.

    The columns of images are in their units again. The pixels of each image by 8-bit level are
    filled in from its groups of levels.
    """
    arrays = run | {"ids": run["ids"].astype(np.uint8)}
    for name in names_of_counts(run):
        counts = arrays_of(run, name)
        steps = score_steps(counts["pixels"], int(run["bits"]))
        measured = counts["table"] != UNMEASURED
        columns = np.where(measured, counts["table"] * steps, UNMEASURED)
        for column, known, rest in zip(columns, measured, counts["rest"], strict=True):
            if known.any():  # the last image with a value gets the remainder of the total
                column[np.flatnonzero(known)[-1]] += rest
        groups = image_groups(run, counts)
        arrays[f"{name}_table"] = columns.T
        arrays[f"{name}_image_levels"] = _image_levels(groups, counts["pooled"], run["starts"])
    return counts_from(arrays)


def regular_edges(bins: int) -> np.ndarray:
    """Return the levels of doubt at which 8-bit levels and bins begin, and `HALF`; ascending, (L,).

    Pixels are only joined between two of them, so the sums of all bins stay exact.
    """
    levels = {HALF}
    for number in (255, *BINS, bins):
        levels.update(range(0, HALF, LEVELS // number))
    return np.array(sorted(levels))


def cell_edges(histogram: Histogram, bins: int) -> np.ndarray:
    """Return the levels of doubt at which cells begin, ascending, (L,).

    The pixels of a cell will be joined. Cells are finer where pixels are dense: this changes the
    order of few pixels.
    """
    levels = [regular_edges(bins)]
    # For each predicted class: the number of pixels up to each level, and its quantiles.
    for below in histogram.count.sum(axis=2).cumsum(axis=0).T:
        levels.append(np.searchsorted(below, below[-1] * np.arange(1, SHARES) / SHARES))
    return np.unique(np.concatenate(levels))


def _joined(counts: Counts, limits: np.ndarray, surest: np.ndarray) -> Histogram:
    """Return the histogram with all pixels between two levels of `limits` (L,) at their mean doubt.

    Pixels exactly on a limit, which is an edge of bins, stay there. The histogram then has few
    levels with pixels, and compresses well.

    Args:
        surest: the cells of the surest pixels for the result (`Histogram.surest`).
    """
    level, predicted, label, count, position, edge = occupied(counts)
    edge = edge * np.isin(level, limits)  # at other levels no cell begins
    cell = np.searchsorted(limits, level, side="right") - 1  # index of the limit below the level
    # (L, 2, 2) by cell, predicted class and label: pixels on the cell's lower edge, pixels inside,
    # and the sum of the latter's distances from that edge, in whole levels.
    edges, inside, doubt = np.zeros((3, len(limits), 2, 2), np.int64)
    np.add.at(edges, (cell, predicted, label), edge)
    np.add.at(inside, (cell, predicted, label), count - edge)
    doubts = (level - limits[cell]) * count + np.rint(position / POSITION).astype(np.int64)
    np.add.at(doubt, (cell, predicted, label), doubts)
    above = doubt.sum(axis=(1, 2)) // np.maximum(inside.sum(axis=(1, 2)), 1)  # mean distance
    mean = np.minimum(limits + above, np.append(limits[1:], HALF + 1) - 1)  # within the cell
    joined = replace(Histogram.empty(), surest=surest)
    joined.count[mean] = inside
    # What the level of the mean leaves of the summed doubts, which stay exact to a level.
    joined.position[mean] = (doubt - inside * (mean - limits)[:, None, None]) * POSITION
    joined.count[limits] += edges
    joined.on_edge[limits] = edges[:, 0]
    return joined


def names_of_counts(arrays: Arrays) -> list[str]:
    """Return the names of counts (`named_counts`: raw, stretched, top, class0, ...) in `arrays`,
    whose names begin with them, as in raw_units.
    """
    return [name.removesuffix("_units") for name in arrays if name.endswith("_units")]


def arrays_of(arrays: Arrays, name: str) -> Arrays:
    """Return the arrays of one of the `named_counts`, without its name: raw_units as `units`."""
    prefix = f"{name}_"
    matching = [array for array in arrays if array.startswith(prefix)]
    return {array.removeprefix(prefix): arrays[array] for array in matching}


def score_steps(pixels: np.ndarray, bits: int) -> np.ndarray:
    """Return the rounding unit of each column of the images' rows, (columns, 1): 1 for whole
    pixels, else a power of 2 that leaves `bits` bits of the mean score of an average image.

    Args:
        pixels: of each image by label, (2, N).
        bits: number of bits of an image's mean score.
    """
    score_step = UNIT >> bits
    mean = max(1, int(pixels.sum()) // pixels.shape[1])  # pixels of an average image
    steps = {"s_measure": score_step, "e_measure": score_step}  # one number per image
    # Sums over pixels are larger, by the power of 2 up to `mean`.
    steps |= dict.fromkeys(PIXEL_SUMS, score_step << mean.bit_length() - 1)
    return np.array([[steps.get(name, 1)] for name in ALWAYS])


def image_groups(run: Arrays, counts: Arrays) -> np.ndarray:
    """Return the pixels of images by label and group of levels, (2, G, N), with the exact sums.

    Rounded counts do not add up. First, the largest groups of each image gain or lose pixels until
    the sum of the image is exact. Then pixels move from groups with too many pixels over all images
    to groups with too few, within images, in proportion to their pixels in the group.

    Args:
        run: the arrays that `reduced` returned.
        counts: its arrays of one name (`arrays_of`), which have the exact sums of images (`pixels`)
            and of 8-bit levels (`pooled`).
    """
    groups = counts["units"] * run["unit"]
    sums = np.add.reduceat(counts["pooled"], run["starts"])
    # For each label: (G, N) pixels, (N,) sums of images, (G,) sums of groups.
    for by_group, pixels, pooled in zip(groups, counts["pixels"], sums.T, strict=True):
        more = pixels - by_group.sum(axis=0)  # (N,) pixels that images lack; below 0: have too many
        images = np.arange(len(more))
        # (N,) the largest group of each image, then the second largest, ...
        for group in np.argsort(-by_group, axis=0, kind="stable"):
            taken = np.maximum(more, -by_group[group, images])
            by_group[group, images] += taken
            more -= taken
        lack = pooled - by_group.sum(axis=1)  # (G,) pixels that groups lack
        while lack.any():  # its sum is 0, so some groups have too many pixels
            target = lack.argmax()
            source = lack.argmin()
            amount = min(lack[target], -lack[source])
            moved = np.diff(amount * by_group[source].cumsum() // by_group[source].sum(), prepend=0)
            by_group[target] += moved
            by_group[source] -= moved
            lack[target] -= amount
            lack[source] += amount
    return groups


def _image_levels(groups: np.ndarray, pooled: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return the pixels of images by 8-bit level and label, (N, 256, 2).

    Their sums equal `groups` (2, G, N) over the levels of a group, and `pooled` (256, 2) over all
    images. `starts` (G,) are the first levels of the groups.
    """
    images = groups.shape[2]
    # (G, 2, N + 1): pixels of the first 0, 1, ... N images together. Those of an image by level are
    # the difference of two such sums, after both are spread over the levels.
    sums = np.pad(groups.cumsum(axis=2), ((0, 0), (0, 0), (1, 0))).transpose(1, 0, 2)
    levels = np.empty((images, 256, 2), np.uint32)
    for block in image_blocks(images, 4096):  # so that memory stays small
        spread = _spread(sums[..., block.start : block.stop + 1], pooled, starts)
        levels[block] = np.diff(spread, axis=2).transpose(2, 0, 1)
    return levels


def _spread(groups: np.ndarray, pooled: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return n sums over images of pixels, by 8-bit level and label, (256, 2, n).

    The pixels of each group of levels are spread in proportion to `pooled`. Because the sums over
    images are rounded, and not each image, no pixel is lost.

    Args:
        groups: (G, 2, n) the same sums, by group of levels and label.
        pooled: (256, 2) pixels of all images by 8-bit level and label.
        starts: (G,) the first 8-bit level of each group.
    """
    sums = np.zeros((256, 2, groups.shape[2]), np.int64)

    def halve(pixels: np.ndarray, start: int, stop: int) -> None:
        """Write `pixels` (2, n) into levels start .. stop - 1 of `sums`, by repeated halving."""
        if stop - start == 1:
            sums[start] = pixels
            return
        middle = (start + stop) // 2
        left = pooled[start:middle].sum(axis=0)[:, None]  # (2, 1) pixels of all images, by label
        both = pooled[start:stop].sum(axis=0)[:, None]
        if both.max() >= 1 << 31:  # products beyond int64 need the integers of Python
            lower = (pixels.astype(object) * left // np.maximum(1, both)).astype(np.int64)
        else:
            lower = pixels * left // np.maximum(1, both)
        halve(lower, start, middle)
        halve(pixels - lower, middle, stop)

    ends = np.append(starts[1:], 256)
    for group, start, stop in zip(groups, starts, ends, strict=True):
        halve(group, start, stop)
    return sums
