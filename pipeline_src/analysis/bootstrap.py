"""Intervals by the bootstrap over images: percentile intervals, and the paired difference of two methods.

Images are drawn with replacement; pixels of an image stay together, since they are not independent. The intervals speak
of the sampling of images only: the variance of training (seeds) is not in them, and every caption must say so.

A resample is known by its pixels per (8-bit level, label), that is, by sums of the rows kept per image. Finer than
8 bits, the pixels of a group keep their pooled distribution: for 8-bit maps every number is exact, for float maps the
resampled numbers are approximate to second order while the whole set itself gives its exact value. Metrics that sort
pixels are resampled on 255 cells of confidence and 510 of probability, and shifted by what the coarser cells change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pipeline_src.counting.counts import COLUMNS, Counts, ImageRows
from pipeline_src.counting.levels import HALF, LEVELS, POSITION, UNIT
from pipeline_src.counting.rows import Rows, parts
from pipeline_src.counting.whole_maps import KEPT, of_images
from pipeline_src.errors import UserError, listed
from pipeline_src.metrics import calibration, estimators
from pipeline_src.metrics.estimators import Bins
from pipeline_src.metrics.metrics import summary
from pipeline_src.metrics.saliency import f_curve

CELLS = 510  # cells of the metrics that sort pixels; two values of an 8-bit map never share one
EIGHT = LEVELS // 255  # levels of the grid to an 8-bit level

TOP, POSITIVE = "top label", "positive class"
BINNED: dict[str, tuple[str, Callable[[Bins], np.ndarray]]] = {
    "ece": (TOP, estimators.ece),
    "mce": (TOP, estimators.mce),
    "oe": (TOP, estimators.oe),
    "ue": (TOP, estimators.ue),
    "ece_debiased": (TOP, estimators.debiased),
    "positive_ece": (POSITIVE, estimators.ece),
    "brier_reliability": (POSITIVE, estimators.reliability),
    "brier_resolution": (POSITIVE, estimators.resolution),
    "brier_uncertainty": (POSITIVE, estimators.uncertainty),
}
SORTED: dict[str, tuple[str, Callable[[Bins], np.ndarray]]] = {
    "ece_sweep": (TOP, estimators.sweep),
    "smooth_ece": (TOP, estimators.smooth),
    "aurc": (TOP, estimators.aurc),
    "auc": (POSITIVE, estimators.auc),
    "ap": (POSITIVE, estimators.ap),
}


@dataclass
class Resamples:
    """Values of every metric on R resamples of the images.

    Attributes:
        values: (R,) float64 by metric; NaN where a resample leaves a metric undefined.
        points: the values on the images themselves.
    """

    values: dict[str, np.ndarray]
    points: dict[str, float]

    def interval(self, name: str, level: float = 0.95) -> tuple[float, float] | None:
        """Percentile interval of a metric; None where a resample leaves it undefined."""
        return percentiles(self.values[name], level)

    def intervals(self, level: float = 0.95) -> dict[str, tuple[float, float] | None]:
        """`interval` of every metric."""
        return {name: self.interval(name, level) for name in self.values}


def percentiles(values: np.ndarray, level: float = 0.95) -> tuple[float, float] | None:
    """The interval that holds the middle `level` of resampled values (R,); None where one is undefined."""
    if np.isnan(values).any():
        return None
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def resample(counts: Counts, bins: int = 10, resamples: int = 1000, seed: int = 0) -> Resamples:
    """Every metric of `summary` on `resamples` bootstrap samples of the images.

    The draws depend on (number of images, resamples, seed) only: two statistics of the same images, in the order of
    their ids, see the same resamples.
    """
    points = {name: value for name, value in summary(counts, bins)[0].items() if value is not None}
    return resampled(counts, points, bins, resamples, seed)


@np.errstate(invalid="ignore", divide="ignore")  # a resample may hold no pixel that counts: its values are NaN
def resampled(counts: Counts, points: dict[str, float], bins: int, resamples: int, seed: int) -> Resamples:
    """Those metrics of `points` that can be resampled."""
    rows = counts.rows
    if rows is None or not points:
        return Resamples({}, points)
    groups, sums, curves, images = _resampled_rows(rows, resamples, seed)

    values: dict[str, np.ndarray] = {}
    pixels = sums[:, _SUMS.index("pixels")]
    for name, column in {"brier": "brier", "nll": "nll", "entropy": "entropy", "mae": "absolute"}.items():
        values[name] = sums[:, _SUMS.index(column)] / UNIT / pixels
    values["accuracy"] = sums[:, _SUMS.index("correct")] / pixels
    values["image_mae"] = sums[:, _SUMS.index("image_mae")] / images[:, 0]
    mean = curves / images[:, 1:]
    values["max_f"], values["mean_f"] = mean.max(axis=1), mean.mean(axis=1)
    values |= dict(zip(KEPT, image_means(of_images(counts), resamples, seed).T, strict=True))
    foreground = groups.reshape(-1, 256, 2)[:, :, 1].any(axis=1)
    pooled = np.full(len(groups), np.nan)
    pooled[foreground] = f_curve(groups[foreground].reshape(-1, 256, 2)).max(axis=1)
    values["pooled_max_f"] = pooled

    total = rows.pooled().reshape(-1)
    weights = groups / np.where(total > 0, total, 1)
    pooled_pixels = Pooled(counts)
    for kind in (TOP, POSITIVE):
        at_bins = weighted(weights, pooled_pixels.cells(kind, bins))
        values |= {name: f(at_bins) for name, (own, f) in BINNED.items() if own == kind and name in points}
        cells = pooled_pixels.cells(kind, CELLS)
        coarse, whole = weighted(weights, cells), weighted((total > 0)[None] * 1.0, cells)
        functions = {name: f for name, (own, f) in SORTED.items() if own == kind}
        if kind == TOP:
            functions["ece_equal_mass"] = lambda b: estimators.equal_mass(b, bins)
        for name in functions.keys() & points.keys():
            values[name] = functions[name](coarse) + (points[name] - functions[name](whole)[0])
    authors = weighted(weights, pooled_pixels.cells(TOP, calibration.AUTHORS_BINS))
    values["ece_debiased_authors"] = estimators.debiased_authors(authors)
    return Resamples({name: values[name] for name in points if name in values}, points)


def difference(
    a: Counts, b: Counts, bins: int = 10, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> dict[str, tuple[float, float, float] | None]:
    """Paired bootstrap of two methods on the same images.

    Returns:
        By metric: a - b, and the low and high end of its percentile interval; None where a resample leaves the metric
        undefined. The difference is significant at 1 - level where the interval leaves out 0.

    Raises:
        UserError: the images are not the same.
    """
    if a.rows is None or b.rows is None or a.rows.ids != b.rows.ids:
        ids = [set(c.rows.ids if c.rows else ()) for c in (a, b)]
        raise UserError(
            "a paired comparison needs the same images in both statistics",
            found=f"{len(ids[0])} and {len(ids[1])} images, in one only:{listed(sorted(ids[0] ^ ids[1]))}",
        )
    first, second = (resample(c, bins, resamples, seed) for c in (a, b))
    result = {}
    for name in first.values.keys() & second.values.keys():
        ends = percentiles(first.values[name] - second.values[name], level)
        result[name] = None if ends is None else (first.points[name] - second.points[name], *ends)
    return dict(sorted(result.items()))


_SUMS = ("pixels", "correct", "absolute", "brier", "nll", "entropy", "image_mae")


def draws(images: int, resamples: int, seed: int) -> Iterator[tuple[slice, np.ndarray]]:
    """How often each of N images is in each of R resamples of N images: parts of the images, (R, n) float64 of each."""
    times = _times(images, resamples, seed)
    return ((part, times.columns(part).astype(np.float64)) for part in parts(images))


@lru_cache(maxsize=1)  # both protocols, and two methods that are compared, see the same
def _times(images: int, resamples: int, seed: int) -> Rows:
    generator = np.random.Generator(np.random.PCG64(seed))
    times = Rows((images,), np.uint16)
    for _ in range(resamples):
        times.append(np.bincount(generator.integers(0, images, images), minlength=images))
    return times


def image_means(values: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """(R, M) means over resampled images of M values per image, (N, M); NaN in `values` is left out."""
    there = ~np.isnan(values)
    sums = over_images(np.concatenate([np.where(there, values, 0), there], axis=1), resamples, seed)
    with np.errstate(invalid="ignore"):
        return sums[:, : values.shape[1]] / sums[:, values.shape[1] :]


def over_images(values: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """(R, C) sums over resampled images of values per image, (N, C)."""
    sums = np.zeros((resamples, values.shape[1]))
    for part, times in draws(len(values), resamples, seed):
        sums += times @ values[part]
    return sums


def _resampled_rows(rows: ImageRows, resamples: int, seed: int):
    """Sums over resampled images: (R, 512) level counts, (R, 7) `_SUMS`, (R, 256) F curves, (R, 2) images with pixels
    and with foreground."""
    groups = np.zeros((resamples, 512))
    sums = np.zeros((resamples, len(_SUMS)))
    curves = np.zeros((resamples, 256))
    images = np.zeros((resamples, 2))
    for part, times in draws(len(rows), resamples, seed):
        levels, table = rows.levels[part], dict(zip(COLUMNS, rows.table[part].T, strict=True))
        foreground = levels[:, :, 1].any(axis=1)
        groups += times @ levels.reshape(-1, 512)
        mean = table["absolute"] / UNIT / np.maximum(table["pixels"], 1)
        sums += times @ np.stack([*(table[name] for name in _SUMS[:-1]), mean], axis=1)
        curve = np.zeros((len(levels), 256))
        curve[foreground] = f_curve(levels[foreground])
        curves += times @ curve
        images += times @ np.stack([table["pixels"] > 0, foreground], axis=1)
    return groups, sums, curves, images


class Pooled:
    """The pooled pixels of a protocol, as entries of one 8-bit group, ready to be put into the cells of a view."""

    def __init__(self, counts: Counts):
        level, predicted, label = np.nonzero(counts.count)
        count = counts.count[level, predicted, label]
        doubt = (level * count + counts.position[level, predicted, label] / POSITION) / LEVELS
        edge = np.where(predicted == 1, _upper_edge(counts)[level, label], counts.on_edge[level, label])
        # Each level in two entries: the pixels exactly at doubt = level / LEVELS, and the others.
        level, predicted, label = (np.concatenate([a, a]) for a in (level, predicted, label))
        on_edge = np.arange(len(level)) < len(count)
        count = np.concatenate([edge, count - edge])
        doubt = np.concatenate([edge * (level[on_edge] / LEVELS), doubt - edge * (level[on_edge] / LEVELS)])
        cell = LEVELS - 1 - level
        # floor(255 f): edges below 0.5 are closed below, those above belong to the 8-bit level above them
        eight = np.where(predicted == 1, (cell + on_edge) // EIGHT, level // EIGHT)
        self.group = eight * 2 + label
        # In the positive view an edge below 0.5 lies one cell lower; all of level HALF is at 0.5.
        below = np.maximum(np.where(on_edge, level - 1, np.minimum(level, HALF - 1)), 0)
        positive = (
            np.where(predicted == 1, cell, below),
            count,
            count * label,
            np.where(predicted == 1, count - doubt, doubt),
        )
        top = positive if counts.top else (cell, count, count * (predicted == label), count - doubt)
        self.entries = {TOP: top, POSITIVE: positive}

    def cells(self, view: str, bins: int) -> tuple[np.ndarray, ...]:
        """(512, bins) pixels, hits, scores of every group in every cell of the view."""
        cell, *entries = self.entries[view]
        at = self.group * bins + cell * bins // LEVELS
        return tuple(np.bincount(at, values, minlength=512 * bins).reshape(512, bins) for values in entries)


def by_cell(counts: Counts, pooled: Pooled, cells: int, view: str = TOP) -> np.ndarray:
    """(N, 3 cells) pixels, hits and scores of each image by cell of a view."""
    rows = counts.rows
    total = rows.pooled().reshape(-1)
    weight = 1 / np.where(total > 0, total, 1)
    of_level = np.concatenate(pooled.cells(view, cells), axis=1) * weight[:, None]
    sums = np.empty((len(rows), 3 * cells))
    for part in parts(len(rows)):
        sums[part] = rows.levels[part].reshape(-1, 512) @ of_level
    return sums


def _upper_edge(counts: Counts) -> np.ndarray:
    """(HALF + 1, 2) pixels at f = 1 - j / LEVELS >= 0.5 exactly, by level j and label, where that is a threshold t/255.

    Not counted in the pass but known: they are what the 8-bit level above a threshold holds beyond the grid's levels.
    """
    total = counts.rows.pooled()
    edge = np.zeros((HALF + 1, 2), np.int64)
    edge[0] = total[255]
    for j in range(EIGHT, HALF, EIGHT):
        inside = counts.count[j - EIGHT : j, 1].sum(axis=0) - edge[j - EIGHT]
        edge[j] = total[255 - j // EIGHT] - inside
    return edge


def weighted(weights: np.ndarray, cells: tuple[np.ndarray, ...]) -> Bins:
    """(R, K) cells of R resamples, from the (R, 512) weights of the groups."""
    count, hits, score = (weights @ a for a in cells)
    return Bins(count, hits, score, score - hits)
