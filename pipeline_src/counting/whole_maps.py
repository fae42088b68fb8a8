"""Saliency measures that need whole maps (S, E, weighted F), image by image.

They are means over images and not defined with ignored pixels.
"""

from __future__ import annotations

import math
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
        functions["weighted_f"] = partial(weighted_f, of=places(y))

    def measures(f: np.ndarray) -> dict[str, float]:
        return {name: float(functions[name](f, y)) for name in names}

    low, high = raw.min(), raw.max()
    if low == 0 and high == 1:
        return dict.fromkeys(("raw", "stretched"), measures(raw))
    stretched = (raw - low) / (high - low) if high > low else np.zeros_like(raw)
    return {"raw": measures(raw), "stretched": measures(stretched)}


class PixelSums(NamedTuple):
    """The sums over a set of pixels that the S-measure needs.

    Attributes:
        n: number of pixels.
        mean: of their probabilities; 0 without pixels.
        squares: sum of squared deviations from the mean; exactly 0 if and only if all probabilities are equal.
    """

    n: int
    mean: float
    squares: float


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
    outside = ~y
    rectangles = [
        (_part(f[rectangle][outside[rectangle]]), _part(f[rectangle][y[rectangle]])) for rectangle in _rectangles(y)
    ]
    background, foreground = map(_together, zip(*rectangles, strict=True))
    inverse = background._replace(mean=1 - background.mean)
    object_score = share * _object_score(foreground) + (1 - share) * _object_score(inverse)
    region_score = sum((back.n + fore.n) * _region_score(back, fore) for back, fore in rectangles) / y.size
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


def _part(f: np.ndarray) -> PixelSums:
    """A set of pixels from its probabilities, (n,)."""
    if not f.size or f.min() == f.max():  # deviations from a rounded mean are not exactly 0
        return PixelSums(f.size, float(f[0]) if f.size else 0.0, 0.0)
    mean = f.mean()
    return PixelSums(f.size, float(mean), float(np.square(f - mean).sum()))


def _together(parts: Sequence[PixelSums]) -> PixelSums:
    """The union of disjoint sets of pixels."""
    n = sum(part.n for part in parts)
    mean = sum(part.n * part.mean for part in parts) / n
    return PixelSums(n, mean, sum(part.squares + part.n * (part.mean - mean) ** 2 for part in parts))


def _object_score(part: PixelSums) -> float:
    """2 m / (m^2 + 1 + s), m the mean and s the standard deviation: 1 where all values are 1."""
    deviation = math.sqrt(part.squares / (part.n - 1)) if part.n > 1 else 0
    return 2 * part.mean / (part.mean**2 + 1 + deviation + EPS)


def _region_score(background: PixelSums, foreground: PixelSums) -> float:
    """Structural similarity of map and mask in a rectangle, given by its pixels of each label.

    4 x y c / ((x^2 + y^2) (v + w)), where x and y are the means of map and mask, v and w their variances, c their
    covariance. Where the mask has one label, it is 1 if the map has one value, else 0.
    """
    if not (background.n and foreground.n):
        return float(background.squares + foreground.squares == 0)
    n, x, squares = _together((background, foreground))
    y, between = foreground.n / n, background.n * foreground.n / n  # between: the mask's squares
    covariance = between * (foreground.mean - background.mean) / (n - 1)
    return 4 * x * y * covariance / ((x**2 + y**2) * (squares + between) / (n - 1) + EPS)


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
    import cv2
    from scipy import ndimage  # slow to import, as compiled code is, and evaluation does without

    from pipeline_src.counting.kernels import weigh

    ends = [np.flatnonzero(y.any(axis=axis))[[0, -1]].tolist() for axis in (1, 0)]
    rows, columns = (slice(max(0, start - RADIUS), end + RADIUS + 1) for start, end in ends)
    box = rows, columns
    nearest = ndimage.distance_transform_edt(~y[box], return_distances=False, return_indices=True)
    distance = cv2.distanceTransform((~y).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    weight = np.empty(y.shape)  # squared distances are whole, which float32 holds up to FULL_WEIGHT_FROM
    weigh(distance.ravel(), _weights(), weight.ravel())
    return Places(box, nearest, weight)


@cache
def _weights() -> np.ndarray:
    """The weight of an error by the squared distance from the foreground, up to FULL_WEIGHT_FROM, and 0 in it."""
    weights = 2 - np.exp2(-np.sqrt(np.arange(FULL_WEIGHT_FROM**2 + 1)) / HALF_WAY)
    weights[0] = 0
    return weights


def weighted_f(f: np.ndarray, y: np.ndarray, of: Places | None = None) -> float:
    """Weighted F1, in [0, 1]: errors weigh by where they are (Margolin et al., CVPR 2014); NaN without foreground.

    An error |f - y| in the foreground is the lesser of itself and a Gaussian mean of the errors around it, for which a
    background pixel has the error of the nearest foreground pixel. In the background it weighs 1 at the foreground and
    up to 2 far away from it.

    Args:
        f: (H, W) float64 in [0, 1], probabilities.
        y: (H, W) bool, the foreground.
        of: the places of y, where they are known.
    """
    import cv2

    if not y.any():
        return float("nan")
    box, nearest, weight = of or places(y)
    inside = y[box]
    error = np.abs(f[box] - inside)
    window = np.exp(-(np.arange(-RADIUS, RADIUS + 1) ** 2) / (2 * SIGMA**2))
    window /= window.sum()
    nearby = error[tuple(nearest)]
    around = cv2.sepFilter2D(nearby, cv2.CV_64F, window, window, borderType=cv2.BORDER_CONSTANT)
    missed = np.minimum(error, around)[inside]
    false = float(np.vdot(f, weight))  # errors of the background; the foreground weighs 0
    true = len(missed) - missed.sum()
    recall, precision = 1 - missed.mean(), true / (true + false + EPS)
    return 2 * recall * precision / (recall + precision + EPS)
