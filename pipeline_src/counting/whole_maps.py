"""Saliency measures that need whole maps (S, E and weighted F), image by image.

They are means over images and not defined with ignored pixels.
"""

from __future__ import annotations

import numpy as np

from pipeline_src.counting.alignment import EPS, e_curve
from pipeline_src.counting.kernels import pixels_by_value
from pipeline_src.counting.levels import PROTOCOLS
from pipeline_src.labels import IGNORED

MEASURES = ("s_measure", "e_measure")
# Takes as long as all other counts of an image together, so it is measured on request.
WEIGHTED = "weighted_f"
RADIUS = 3  # of the Gaussian window of weighted F, in pixels
SIGMA = 5  # standard deviation of this window, in pixels
HALF_WAY = 5  # distance in pixels from the foreground at which an error weighs 1.5
THRESHOLDS = 256  # of the E-measure: t / 255, t = 0 .. 255


def whole_map_measures(
    probability: np.ndarray, truth: np.ndarray, weighted: bool = False
) -> dict[str, dict[str, float]]:
    """Return the S-measure and the mean E-measure over 256 thresholds of one image, by protocol.

    Both lie in [0, 1], except that E of n pixels may reach n / (n - 1), because its authors divide
    by n - 1.

    Args:
        probability: (H, W) float in [0, 1], uint8 or uint16.
        truth: (H, W) uint8 with 0 background, 1 foreground, 255 ignored.
        weighted: whether weighted F is also measured.

    Returns:
        values by protocol and name; NaN with ignored pixels.
    """
    if np.any(truth == IGNORED) or not truth.size:
        return {protocol: dict.fromkeys(MEASURES, float("nan")) for protocol in PROTOCOLS}
    top = 1 if probability.dtype.kind == "f" else np.iinfo(probability.dtype).max
    raw = probability.astype(np.float64) / top
    y = truth == 1
    values = _measures(raw, y, weighted)
    low = raw.min()
    high = raw.max()
    if low == 0 and high == 1:  # min-max normalization changes nothing
        return dict.fromkeys(PROTOCOLS, values)
    stretched = (raw - low) / (high - low) if high > low else np.zeros_like(raw)
    return {"raw": values, "stretched": _measures(stretched, y, weighted)}


def _measures(f: np.ndarray, y: np.ndarray, weighted: bool) -> dict[str, float]:
    """Return the measures of a map by name.

    Args:
        f: (H, W) float64 in [0, 1], probabilities.
        y: (H, W) bool, the foreground.
        weighted: whether weighted F is one of them.
    """
    values = {"s_measure": s_measure(f, y), "e_measure": e_measure(f, y)}
    if weighted:
        values[WEIGHTED] = weighted_f(f, y)
    return values


def s_measure(f: np.ndarray, y: np.ndarray) -> float:
    """Return the structure measure, in [0, 1]: half an object score, half a region score (Fan et
    al., ICCV 2017).

    The object score says how close the foreground is to 1 and the background to 0, and how even
    both are. The region score is the mean structural similarity of map and mask over the four
    rectangles that meet at the foreground's centroid, by area. Without foreground S is 1 - the mean
    probability, without background the mean probability.

    Args:
        f: (H, W) float64 in [0, 1], probabilities.
        y: (H, W) bool, the foreground.
    """
    share = np.count_nonzero(y) / y.size
    if share in (0, 1):
        return float(f.mean() if share else 1 - f.mean())
    object_score = share * _object_score(f[y]) + (1 - share) * _object_score(1 - f[~y])
    similarities = 0.0
    for place in _rectangles(y):
        similarities += y[place].size * _similarity(f[place], y[place])
    return max(0.0, (object_score + similarities / y.size) / 2)


def _rectangles(y: np.ndarray) -> list[tuple[slice, slice]]:
    """Return the up to four rectangles that meet at the foreground's centroid, without empty ones.

    The centroid is rounded to a pixel, whose row and column belong to the upper and the left
    rectangles.

    Args:
        y: (H, W) bool, the foreground.
    """
    cuts = []
    for axis, size in enumerate(y.shape):
        number = y.sum(axis=1 - axis)  # pixels of the foreground in each row, or column
        cut = round(number @ np.arange(size) / number.sum()) + 1
        cuts.append([slice(0, cut), slice(cut, size)][: 1 + (cut < size)])  # no empty second part
    return [(rows, columns) for rows in cuts[0] for columns in cuts[1]]


def _object_score(values: np.ndarray) -> float:
    """Return 2 m / (m^2 + 1 + s) with mean m and standard deviation s of values (n,): 1 where all
    values are 1.
    """
    mean = values.mean()
    deviation = values.std(ddof=1) if len(values) > 1 else 0
    return float(2 * mean / (mean**2 + 1 + deviation + EPS))


def _similarity(f: np.ndarray, y: np.ndarray) -> float:
    """Return the structural similarity of map f and mask y in a rectangle, both (h, w).

    It is 4 x y c / ((x^2 + y^2) (v + w)), where x and y are the means of map and mask, v and w
    their variances, c their covariance. Where the mask has one label, it is 1 if the map has one
    value, else 0.
    """
    if y.all() or not y.any():
        return float(f.min() == f.max())
    n = y.size
    mean = f.mean()
    share = y.mean()
    f_deviation = f - mean
    covariance = f_deviation[y].sum() / (n - 1)  # all deviations sum to 0
    variances = (np.square(f_deviation).sum() + n * share * (1 - share)) / (n - 1)
    return float(4 * mean * share * covariance / ((mean**2 + share**2) * variances + EPS))


def e_measure(f: np.ndarray, y: np.ndarray) -> float:
    """Return the mean of `e_curve`, the enhanced-alignment measure, over its 256 thresholds.

    Args:
        f: (H, W) float64 in [0, 1], probabilities.
        y: (H, W) bool, the foreground.
    """
    # Pixels by floor(255 f) and label, which is all that the curve depends on.
    levels = pixels_by_value(
        (f * (THRESHOLDS - 1)).astype(np.uint8).ravel(), y.view(np.uint8).ravel()
    )
    return float(np.mean(e_curve(levels)))


def weighted_f(f: np.ndarray, y: np.ndarray) -> float:
    """Return weighted F1, in [0, 1]: errors weigh by their place (Margolin et al., CVPR 2014); NaN
    without foreground.

    An error |f - y| in the foreground is the lesser of itself and a Gaussian mean of the errors
    around it, for which a background pixel has the error of the nearest foreground pixel. In the
    background it weighs 1 at the foreground and up to 2 far away from it.

    Args:
        f: (H, W) float64 in [0, 1], probabilities.
        y: (H, W) bool, the foreground.
    """
    from scipy import ndimage  # slow to import

    if not y.any():
        return float("nan")
    distance, nearest = ndimage.distance_transform_edt(~y, return_indices=True)
    error = np.abs(f - y)
    nearby = ndimage.gaussian_filter(error[tuple(nearest)], SIGMA, mode="constant", radius=RADIUS)
    missed = np.minimum(error, nearby)[y]  # errors in the foreground
    false = error[~y] @ (2 - np.exp2(-distance[~y] / HALF_WAY))
    true = len(missed) - missed.sum()
    recall = 1 - missed.mean()
    precision = true / (true + false + EPS)
    return float(2 * recall * precision / (recall + precision + EPS))
