"""The pixels of each image in cells of a score, from its pixels by 8-bit level and label.

The pixels of an image with one 8-bit level and label are a group. Within a group, scores are
distributed over cells as those of all images together are there. So for 8-bit maps every number is
exact; for float maps a sum over all images is exact, and a sum over some of them is exact to second
order.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from pipeline_src.counting.bins import Bins
from pipeline_src.counting.counts import Counts, upper_edge
from pipeline_src.counting.levels import EIGHT, HALF, LEVELS, POSITION

# The scores of pixels.
TOP = "confidence"  # of the predicted class
POSITIVE = "probability"  # of the positive class
CLASSES = "probability of each class"
MIDDLE = HALF // EIGHT  # the 8-bit level that 0.5 lies in
Arrays = dict[str, np.ndarray]
# Slice of the images -> (n, C), numbers of each image that are summed over images.
Columns = Callable[[slice], np.ndarray]


def image_cells(counts: Counts, score: str, cells: int | np.ndarray) -> Columns:
    """Return a function that takes a slice of n images, and returns their pixels, hits and summed
    scores by cell, (n, 3 C).

    Args:
        score: TOP or POSITIVE.
        cells: the number of equally wide cells C, or (LEVELS,) the cell that each level is joined
            to.
    """
    per_pixel = pixel_cells(counts, score, cells)
    # The 512 groups of an image, each spread over cells as the pixels of all images are.
    return lambda images: counts.images.levels[images].reshape(-1, 512) @ per_pixel


def as_bins(sums: np.ndarray) -> Bins:
    """Return sums (..., 3 C) of pixels, hits and scores by cell as bins."""
    count, hits, score = np.split(sums, 3, axis=-1)
    return Bins(count, hits, score, score - hits)


def pixel_cells(counts: Counts, score: str, cells: int | np.ndarray) -> np.ndarray:
    """Return the table from which an image's 8-bit levels give its cells of a score, (512, 3 C).

    Row 2 * level + label is the mean pixel of this 8-bit level and label over all images: its share
    in each of C cells, then its share of hits there, then its summed score there.

    Args:
        score: TOP or POSITIVE.
        cells: the number of equally wide cells, or (LEVELS,) the cell that each level is joined to,
            from 0.
    """
    cell_of_level = np.arange(LEVELS) * cells // LEVELS if isinstance(cells, int) else cells
    pixels = _pooled_pixels(counts, score)
    # Sum over the pixels of a group and cell, then divide by the pixels of the group.
    number = int(cell_of_level.max()) + 1
    places = pixels["group"] * number + cell_of_level[pixels["level"]]
    sums = []
    for name in ("count", "hits", "score"):
        summed = np.bincount(places, pixels[name], minlength=512 * number)
        sums.append(summed.reshape(512, number))
    total = counts.images.pooled().reshape(-1)
    weight = 1 / np.where(total > 0, total, 1)
    return np.concatenate(sums, axis=1) * weight[:, None]


@lru_cache(maxsize=2)  # several metrics have other cells of the same pixels
def _pooled_pixels(counts: Counts, score: str) -> Arrays:
    """Return the pixels of all images by group and level of a score, TOP or POSITIVE, (m,) each:
    `group` (twice the 8-bit level, plus the label), `level`, `count`, `hits` and summed `score`.
    """
    pixels = _with_eight_bit_levels(counts)
    count = pixels["count"]
    doubt = pixels["doubt"]
    label = pixels["label"]
    above = pixels["predicted"] == 1
    confidence_level = LEVELS - 1 - pixels["level"]
    result = {"group": pixels["eight_bit"] * 2 + label, "count": count}
    # Of K classes, confidence in the top label is counted as the probability of an object.
    if score == TOP and not counts.histogram.top:
        hits = count * (pixels["predicted"] == label)
        return result | {"level": confidence_level, "hits": hits, "score": count - doubt}
    # By probability of the positive class an edge below 0.5 lies one cell lower; all of level HALF
    # is at 0.5.
    inside = np.minimum(pixels["level"], HALF - 1)
    below = np.maximum(np.where(pixels["on_edge"], pixels["level"] - 1, inside), 0)
    return result | {
        "level": np.where(above, confidence_level, below),
        "hits": count * label,
        "score": np.where(above, count - doubt, doubt),
    }


def _with_eight_bit_levels(counts: Counts) -> Arrays:
    """Return the pixels of `_by_level` with their `eight_bit` level floor(255 f), (m,).

    f is the probability of the positive class. The level follows from the doubt unless the rows of
    images, which are more exact, have other numbers of pixels: then it is taken from these.
    """
    pixels = _by_level(counts)
    # The background is predicted: f is the doubt. Else f = 1 - doubt, so levels run backwards, and
    # a doubt at the lower end of its level is an f at the lower end of the next one.
    level_of_foreground = LEVELS - 1 - pixels["level"] + pixels["on_edge"]
    level = np.where(pixels["predicted"] == 1, level_of_foreground, pixels["level"])
    eight_bit = level // EIGHT
    by_doubt = np.bincount(eight_bit * 2 + pixels["label"], pixels["count"], 512)
    by_images = counts.images.pooled()
    # Foreground keeps its level (`_matched_to_images`), so only levels below 0.5 can disagree.
    if np.array_equal(by_doubt[: 2 * MIDDLE], by_images[:MIDDLE].reshape(-1)):
        return pixels | {"eight_bit": eight_bit}
    return _matched_to_images(pixels, eight_bit, by_images)


def occupied(counts: Counts) -> tuple[np.ndarray, ...]:
    """Return the entries of the histogram that have a pixel, (m,) each: level of doubt (1 -
    confidence), predicted class, label, number of pixels, their summed position within the level
    (`Histogram.position`), and how many of them have exactly the least doubt of the level.
    """
    histogram = counts.histogram
    present = np.nonzero(histogram.count)
    level, predicted, label = present
    # The histogram counts these pixels where f < 0.5. Of f >= 0.5 the least doubt is the largest f
    # of the level; `upper_edge` has the number from the 8-bit levels in the rows of images.
    edge_below = histogram.on_edge[level, label]
    edge = np.where(predicted == 1, upper_edge(counts)[level, label], edge_below)
    return (*present, histogram.count[present], histogram.position[present], edge)


def _by_level(counts: Counts) -> Arrays:
    """Return the pixels by level of doubt (1 - confidence), predicted class and label, (m,) each:
    first those exactly at doubt = level / LEVELS, which are on the edge of a bin, then all others,
    with their summed doubts.
    """
    level, predicted, label, count, position, edge = occupied(counts)
    doubt = (level * count + position / POSITION) / LEVELS
    edge_doubt = edge * (level / LEVELS)
    return {  # the first half of each array is on the edge
        "level": np.tile(level, 2),
        "on_edge": np.arange(2 * len(level)) < len(level),
        "predicted": np.tile(predicted, 2),
        "label": np.tile(label, 2),
        "count": np.concatenate([edge, count - edge]),
        "doubt": np.concatenate([edge_doubt, doubt - edge_doubt]),
    }


def _matched_to_images(pixels: Arrays, eight_bit: np.ndarray, total: np.ndarray) -> Arrays:
    """Return `pixels` (`_by_level`) with the 8-bit levels according to the rows of images, split
    where such a level ends within a level of the grid.

    The rows know all bits of a float32 f, the grid knows f below 0.5 as 1 - float32 confidence.
    Close to a threshold t/255 the two can lie on different sides of it, and of 8-bit values that
    are stored as floats whole levels do. Both have the pixels of a label in the same order, so
    their numbers tell which belong to which level.

    Args:
        eight_bit: (m,) the levels according to the grid.
        total: (256, 2) pixels of the rows of all images by 8-bit level and label.
    """
    count = pixels["count"]
    above = np.flatnonzero((pixels["predicted"] == 1) & (count > 0))
    places = [above]
    levels = [eight_bit[above]]
    counts = [count[above]]
    for label in (0, 1):
        is_below = (pixels["predicted"] == 0) & (pixels["label"] == label) & (count > 0)
        below = np.flatnonzero(is_below)
        # In the order of f: by level, and the edge, where a level begins, before its other pixels.
        below = below[np.lexsort((~pixels["on_edge"][below], pixels["level"][below]))]
        # Ranks in this order at which an entry of `pixels` ends, and at which an 8-bit level ends.
        # Between two neighboring cuts, pixels have one of either.
        ends = np.cumsum(count[below])
        ends_by_rows = np.cumsum(total[:MIDDLE, label])
        inner_ends = ends_by_rows[ends_by_rows < count[below].sum()]
        cuts = np.unique(np.concatenate([[0], ends, inner_ends]))
        places.append(below[np.searchsorted(ends, cuts[:-1], side="right")])
        levels.append(np.searchsorted(ends_by_rows, cuts[:-1], side="right"))
        counts.append(np.diff(cuts))
    place = np.concatenate(places)
    matched = {name: array[place] for name, array in pixels.items()}
    split_count = np.concatenate(counts)
    # A piece of an entry has its share of the summed doubts.
    matched["doubt"] = matched["doubt"] * (split_count / matched["count"])
    return matched | {"count": split_count, "eight_bit": np.concatenate(levels)}
