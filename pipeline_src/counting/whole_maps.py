"""Saliency measures that need whole maps (S, E, weighted F), image by image.

They are means over images and not defined with ignored pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import NamedTuple

import numpy as np

from pipeline_src.labels import IGNORED

MEASURES = ("s_measure", "e_measure", "weighted_f")
EVALUATED_MEASURES = MEASURES[:2]  # per image by evaluation; weighted F takes three times as long as both
EPS = np.spacing(1)  # against 0 / 0, where the authors' programs have it
THRESHOLDS = 256
RADIUS, SIGMA = 3, 5  # of weighted F's Gaussian window, pixels
HALF_WAY = 5  # pixels from the foreground at which an error weighs 1.5; far away it weighs 2
FULL_WEIGHT_FROM = 54 * HALF_WAY  # from there on float64 makes it 2


def whole_map_measures(
    probability: np.ndarray, truth: np.ndarray, names: Sequence[str] = MEASURES
) -> dict[str, dict[str, float]]:
    """S-measure, mean E-measure over 256 thresholds, and weighted F of one image, in [0, 1], by protocol.

    E of n pixels may reach n / (n - 1), as its authors divide by n - 1.

    Args:
        probability: (H, W) float in [0, 1], uint8 or uint16.
        truth: (H, W) uint8 with 0 background, 1 foreground, 255 ignored.
        names: measures to compute.

    Returns:
        values by protocol and name; NaN where undefined: all with ignored pixels, weighted F without foreground.
    """
    nothing = dict.fromkeys(names, float("nan"))
    if np.any(truth == IGNORED) or not truth.size:
        return {"raw": nothing, "stretched": nothing}
    top = np.iinfo(probability.dtype).max if np.issubdtype(probability.dtype, np.integer) else 1
    raw, y = probability.astype(np.float64) / top, truth == 1
    functions = {"s_measure": s_measure, "e_measure": e_measure, "weighted_f": weighted_f}
    if "weighted_f" in names and y.any():
        functions["weighted_f"] = partial(weighted_f, mask_places=places(y))

    def measures(f: np.ndarray) -> dict[str, float]:
        return {name: float(functions[name](f, y)) for name in names}

    low, high = raw.min(), raw.max()
    if low == 0 and high == 1:
        return dict.fromkeys(("raw", "stretched"), measures(raw))
    stretched = (raw - low) / (high - low) if high > low else np.zeros_like(raw)
    return {"raw": measures(raw), "stretched": measures(stretched)}


def s_measure(f: np.ndarray, y: np.ndarray) -> float:
    """Structure measure, in [0, 1]: half an object score, half a region score (Fan et al., ICCV 2017).

    The object score says how close the foreground is to 1 and the background to 0, and how even both are. The region
    score is the mean structural similarity of map and mask over the four rectangles that meet at the foreground's
    centroid, by area. Without foreground S is 1 - the mean probability, without background the mean probability.

    Args:
        f: (H, W) float64 in [0, 1], probabilities.
        y: (H, W) bool, the foreground.
    """
    share = np.count_nonzero(y) / y.size
    if share in (0, 1):
        return f.mean() if share else 1 - f.mean()
    object_score = share * _object_score(f[y]) + (1 - share) * _object_score(1 - f[~y])
    rectangles = [(f[place], y[place]) for place in _rectangles(y)]
    region_score = sum(part.size * _similarity(part, mask) for part, mask in rectangles) / y.size
    return max(0.0, (object_score + region_score) / 2)


def _rectangles(y: np.ndarray) -> list[tuple[slice, slice]]:
    """The rectangles above, below, left and right of the foreground's centroid that are not empty.

    The centroid is rounded to a pixel, whose row and column belong to the upper and the left rectangles.
    """
    cuts = []
    for axis, size in enumerate(y.shape):
        number = y.sum(axis=1 - axis)
        cut = round(number @ np.arange(size) / number.sum()) + 1
        cuts.append([slice(0, cut), slice(cut, size)][: 1 + (cut < size)])
    return [(rows, columns) for rows in cuts[0] for columns in cuts[1]]


def _object_score(values: np.ndarray) -> float:
    """2 m / (m^2 + 1 + s), m the mean and s the standard deviation of values (n,): 1 where all values are 1."""
    mean, deviation = values.mean(), values.std(ddof=1) if len(values) > 1 else 0
    return 2 * mean / (mean**2 + 1 + deviation + EPS)


def _similarity(f: np.ndarray, y: np.ndarray) -> float:
    """Structural similarity of map and mask in a rectangle.

    4 x y c / ((x^2 + y^2) (v + w)), where x and y are the means of map and mask, v and w their variances, c their
    covariance. Where the mask has one label, it is 1 if the map has one value, else 0.
    """
    if y.all() or not y.any():
        return float(f.min() == f.max())
    x, share, n = f.mean(), y.mean(), y.size
    f_deviation = f - x
    covariance = f_deviation[y].sum() / (n - 1)  # all deviations sum to 0
    variances = (np.square(f_deviation).sum() + n * share * (1 - share)) / (n - 1)
    return 4 * x * share * covariance / ((x**2 + share**2) * variances + EPS)


def e_measure(f: np.ndarray, y: np.ndarray) -> float:
    """Mean enhanced-alignment measure over the 256 thresholds floor(255 f) >= t (Fan et al., IJCAI 2018).

    With a = 1 - p in the predicted foreground and -p outside of it, p its share of the pixels, and b likewise for the
    mask, a pixel counts (1 + 2 a b / (a^2 + b^2))^2 / 4. Where the mask has one label, it counts 1 if it is right. The
    sum is divided by the number of pixels less 1, as the authors do.

    Args:
        f: (H, W) float64 in [0, 1], probabilities.
        y: (H, W) bool, the foreground.
    """
    from pipeline_src.counting.accumulate import by_value  # compiled, and slow to import

    levels = by_value((f * (THRESHOLDS - 1)).astype(np.uint8).ravel(), y.view(np.uint8).ravel())
    false, true = levels[::-1].cumsum(axis=0).T  # predicted foreground by the mask's label
    n, objects, predicted = y.size, true[-1], false + true
    if objects in (0, n):
        score = predicted if objects else n - predicted
    else:
        p, share = predicted / n, objects / n
        cells = (
            (true, 1 - p, 1 - share),
            (false, 1 - p, -share),
            (objects - true, -p, 1 - share),
            (n - objects - false, -p, -share),
        )
        score = sum(number * (1 + 2 * a * b / (a**2 + b**2 + EPS)) ** 2 / 4 for number, a, b in cells)
    return np.mean(score / max(n - 1, 1))


class Places(NamedTuple):
    """The quantities of a mask that weighted F needs, shared by all maps of an image.

    Attributes:
        box: rows and columns around the foreground that hold its windows.
        nearest: (2, h, w) the nearest foreground pixel of each pixel in the box, in the box.
        weight: (H, W) float64, of errors in the background: 1 at the foreground, up to 2 far away from it.
    """

    box: tuple[slice, slice]
    nearest: np.ndarray
    weight: np.ndarray


def places(y: np.ndarray) -> Places:
    """The places of a mask (H, W) bool with foreground."""
    from scipy import ndimage  # slow to import, and evaluation does without

    ends = [np.flatnonzero(y.any(axis=axis))[[0, -1]].tolist() for axis in (1, 0)]
    rows, columns = (slice(max(0, start - RADIUS), end + RADIUS + 1) for start, end in ends)
    box = rows, columns
    distance, nearest = ndimage.distance_transform_edt(~y, return_indices=True)
    nearest = nearest[:, rows, columns] - np.array([rows.start, columns.start])[:, None, None]
    squared = np.rint(np.square(distance)).astype(np.intp)  # whole numbers
    return Places(box, nearest, np.take(_weights(), squared, mode="clip"))


@cache
def _weights() -> np.ndarray:
    """The weight of an error by the squared distance from the foreground, up to FULL_WEIGHT_FROM, and 0 in it."""
    weights = 2 - np.exp2(-np.sqrt(np.arange(FULL_WEIGHT_FROM**2 + 1)) / HALF_WAY)
    weights[0] = 0
    return weights


def weighted_f(f: np.ndarray, y: np.ndarray, mask_places: Places | None = None) -> float:
    """Weighted F1, in [0, 1]: errors weigh by where they are (Margolin et al., CVPR 2014); NaN without foreground.

    An error |f - y| in the foreground is the lesser of itself and a Gaussian mean of the errors around it, for which a
    background pixel has the error of the nearest foreground pixel. In the background it weighs 1 at the foreground and
    up to 2 far away from it.

    Args:
        f: (H, W) float64 in [0, 1], probabilities.
        y: (H, W) bool, the foreground.
        mask_places: the places of y, where they are known.
    """
    from scipy import ndimage

    if not y.any():
        return float("nan")
    box, nearest, weight = mask_places or places(y)
    inside = y[box]
    error = np.abs(f[box] - inside)
    window = np.exp(-(np.arange(-RADIUS, RADIUS + 1) ** 2) / (2 * SIGMA**2))
    window /= window.sum()
    nearby = error[tuple(nearest)]
    for axis in (1, 0):
        nearby = ndimage.correlate1d(nearby, window, axis, mode="constant")
    missed = np.minimum(error, nearby)[inside]
    false = float(np.vdot(f, weight))  # errors of the background; the foreground weighs 0
    true = len(missed) - missed.sum()
    recall, precision = 1 - missed.mean(), true / (true + false + EPS)
    return 2 * recall * precision / (recall + precision + EPS)
