"""Estimators of (mis)calibration and ranking from cells of a score.

Each returns an array of shape (...): one number, or one per resample of a bootstrap. Most take
`Bins`, arrays of shape (..., K) over cells in ascending order of the score; AP, AUC and mIoU take
rates. N is the number of pixels. `registry` has the definitions.

Estimators that sort pixels (equal mass, sweep, AURC, AUGRC) take the pixels of a cell as tied. In
8-bit and 16-bit maps they are, and the numbers are exact; for float maps a level is 1 / LEVELS =
1.5e-5 wide, and a cell of the surest pixels less (`counting.levels`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline_src.counting.bins import Bins

BISECTIONS = 30  # of [0, 1] in search of the width of smooth ECE


def ece(bins: Bins) -> np.ndarray:
    """Return the sum of n_k/N |score_k - hits_k|."""
    return _share(bins, np.abs(bins.excess))


def mce(bins: Bins) -> np.ndarray:
    """Return the largest |score_k - hits_k| of a cell with pixels."""
    return (np.abs(bins.excess) / bins.divisor).max(axis=-1)


def oe(bins: Bins) -> np.ndarray:
    """Return the sum of n_k/N score_k max(score_k - hits_k, 0)."""
    return _share(bins, bins.score / bins.divisor * np.maximum(bins.excess, 0))


def squared_error(
    bins: Bins, variance: np.ndarray, counted: np.ndarray | bool = True
) -> np.ndarray:
    """Return the sum of n_k/N (score_k - hits_k)^2, less what sampling adds to it.

    This is the sum of (E_k^2 - V_k) / n_k / N, with E_k the excess of a bin. It is unbiased, and
    often below 0 where the true error is 0.

    Args:
        variance: (..., K), the sampling variance V_k of the excess of each bin.
        counted: (..., K) bool, the bins that are summed over; True for all.
    """
    return _share(bins, counted * (bins.excess**2 - variance) / bins.divisor)


def squared_overconfidence(bins: Bins, variance: np.ndarray) -> np.ndarray:
    """Return the debiased squared error (`squared_error`) of the overconfident bins, whose score is
    above their hits.

    A bin has the term (E_k^2 - V_k) / n_k / N, with the excess E_k and its variance V_k. For normal
    E_k, the mean of a term is off its true value by about a tenth of V_k / n_k / N at most, and
    exact where E_k is truly 0.

    Args:
        variance: (..., K), the sampling variance of the excess of each bin.
    """
    return squared_error(bins, variance, counted=bins.excess > 0)


def debiased(bins: Bins, variance: np.ndarray) -> np.ndarray:
    """Return the root-mean-square calibration error without the bias of sampling: the root of
    `squared_error`, 0 where that is negative.

    Args:
        variance: (..., K), the sampling variance of the excess of each bin.
    """
    return np.sqrt(np.maximum(squared_error(bins, variance), 0))


def noise_floor(bins: Bins, variance: np.ndarray) -> np.ndarray:
    """Return the mean ECE of a network without calibration error, which only sampling produces.

    It sums over bins the mean of abs(x), sqrt(2 V_k / pi), for x normal with mean 0.

    Args:
        variance: (..., K), the sampling variance V_k of the excess of each bin.
    """
    return _share(bins, np.sqrt(2 / np.pi * variance))


def _share(bins: Bins, terms: np.ndarray) -> np.ndarray:
    """Return the sum of terms (..., K) over cells, divided by the number of pixels."""
    return terms.sum(axis=-1) / bins.pixels


def equal_mass(bins: Bins, groups: int) -> np.ndarray:
    """Return the ECE over `groups` groups of N/groups pixels each, in the order of the score.

    The pixels of a cell are tied; if a group ends within it, they are spread evenly over the groups
    that share it.
    """
    return _by_row(bins, lambda row: _grouped_error(row, groups))


def sweep(bins: Bins) -> np.ndarray:
    """Return the equal-mass ECE with as many groups as keep their hit rates in the order of the
    score, counting up from one group, so no number of bins has to be chosen.
    """
    return _by_row(bins, lambda row: _grouped_error(row, sweep_groups(row)))


def sweep_groups(row: Bins) -> int:
    """Return the largest number of equal-mass groups before hit rates first fall with the score.

    Args:
        row: cells (K,) of one resample. There are at most as many groups as cells with pixels.
    """
    rank = _cumulative(row, row.count)
    hits = _cumulative(row, row.hits)
    n = rank[-1]
    most = int(np.count_nonzero(row.count))
    if hits[-1] in (0, n):  # all wrong or all right: any number of groups is monotone
        return most
    groups = 1
    while groups < most:
        # Several numbers of groups are tried at once, because each call of numpy takes time: more
        # and more, as long as the arrays (tried, groups) have at most 2^16 entries.
        tried = min(most - groups, groups + 15, max(1, (1 << 16) // groups))
        number = groups + 1 + np.arange(tried)[:, None]
        cut = np.arange(groups + tried + 1)
        # Hits of each group. Hits rise linearly within a cell, whose pixels are tied. Rows of fewer
        # groups end in repeated cuts, which are not compared.
        gained = np.diff(np.interp(np.minimum(cut, number) * (n / number), rank, hits), axis=1)
        # A fall counts if it is more than the rounding of ties that are spread over groups.
        falls = ((np.diff(gained, axis=1) < -1e-12 * n) & (cut[2:] <= number)).any(axis=1)
        if falls.any():
            return groups + int(falls.argmax())
        groups += tried
    return groups


def _cumulative(row: Bins, numbers: np.ndarray) -> np.ndarray:
    """Return the sums of numbers (K,) up to each cell of one row that has pixels, from 0."""
    return np.concatenate([[0.0], np.cumsum(numbers[row.count > 0])])


def _grouped_error(row: Bins, groups: int) -> float:
    """Return the ECE over `groups` equal-mass groups of the cells (K,) of one resample."""
    rank = _cumulative(row, row.count)
    excess = _cumulative(row, row.excess)
    cuts = np.arange(groups + 1) * (rank[-1] / groups)  # ranks at which groups begin and end
    return float(np.abs(np.diff(np.interp(cuts, rank, excess))).sum() / rank[-1])


def _by_row(bins: Bins, function: Callable[[Bins], float]) -> np.ndarray:
    """Return `function` of the cells (K,) of each resample in `bins`, as an array (...): for
    estimators that numpy cannot compute for all resamples at once.
    """
    rows = np.stack([bins.count, bins.hits, bins.score, bins.excess], axis=-2)
    shape = rows.shape[:-2]
    values = [function(Bins(*row)) for row in rows.reshape(-1, *rows.shape[-2:])]
    return np.array(values).reshape(shape)


def smooth(bins: Bins) -> np.ndarray:
    """Return the smooth ECE: the error after smoothing by a Gaussian whose width equals that error.

    It is the sigma at which `smoothed_error` equals sigma. Cells must be equally wide.
    """
    from scipy.fft import dct  # like `digamma` in `aurc`, slow to import

    spectrum = dct(bins.excess) / bins.pixels[..., None]
    low = np.zeros(bins.pixels.shape)
    high = np.ones(bins.pixels.shape)
    for _ in range(BISECTIONS):  # the smoothed error falls with sigma, so there is one crossing
        middle = (low + high) / 2
        above = smoothed_error(spectrum, middle) > middle
        low = np.where(above, middle, low)
        high = np.where(above, high, middle)
    return smoothed_error(spectrum, (low + high) / 2)


def smoothed_error(spectrum: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Return the integral over t of |E[(score - hit) K(t, score)]|, K the Gaussian of width sigma
    reflected at 0 and 1.

    Args:
        spectrum: (..., K), cosine transform of the excess of K cells, divided by the number of
            pixels.
        sigma: (...).
    """
    from scipy.fft import idct

    # The reflected Gaussian is diagonal in the cosines cos(pi k t), with factors exp(-(pi k
    # sigma)^2 / 2).
    k = np.arange(spectrum.shape[-1])
    damped = spectrum * np.exp(-((np.pi * k * np.asarray(sigma)[..., None]) ** 2) / 2)
    return np.abs(idct(damped)).sum(axis=-1)


def aurc(bins: Bins) -> np.ndarray:
    """Return the area under the risk-coverage curve: the mean over coverages i/N of the error rate
    of the i highest-scored pixels.

    Errors among the tied pixels of a cell are spread evenly.
    """
    from scipy.special import digamma  # 0.2 s, for which readers of the registry need not wait

    count, errors = _risk_coverage(bins)
    start = count[..., :-1]
    after = count[..., 1:]
    rate = np.diff(errors, axis=-1) / np.where(after > start, after - start, 1)
    # Within a cell the i-th pixel sees (errors - rate * start) / i + rate; 1/i sums to a harmonic
    # number.
    harmonic = digamma(after + 1.0) - digamma(start + 1.0)
    return _share(bins, (errors[..., :-1] - rate * start) * harmonic + rate * (after - start))


def augrc(bins: Bins) -> np.ndarray:
    """Return the integral over coverage of the errors among the pixels kept, as a share of all N
    pixels, in [0, 1/2].

    With the accuracy a and the AUC of telling hits from misses it is a (1 - a) (1 - AUC) + (1 -
    a)^2 / 2.
    """
    count, errors = _risk_coverage(bins)
    wrong = (errors[..., 1:] + errors[..., :-1]) / 2  # within a cell they rise linearly
    return _share(bins, np.diff(count, axis=-1) * (wrong / bins.pixels[..., None]))


def _risk_coverage(bins: Bins) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of pixels in the k most confident cells, k = 0 .. K, and of the errors
    among them, (..., K + 1) each.
    """
    both = np.stack([bins.count, bins.count - bins.hits])
    sums = np.flip(both, axis=-1).cumsum(axis=-1)
    pixels, errors = np.concatenate([np.zeros((*sums.shape[:-1], 1)), sums], axis=-1)
    return pixels, errors


def average_precision(rates: np.ndarray) -> np.ndarray:
    """Return the area under precision over recall, linear between thresholds.

    Images without a predicted pixel have no precision. Below the lowest recall, precision is that
    of the highest threshold at which an image has it.

    Args:
        rates: (..., 1024) means over images at 256 falling thresholds (`image_inputs.rate_curves`):
            precision (0 without predicted pixels), share of the images with predicted pixels,
            recall, and false positive rate.
    """
    precision, predicted, recall, _ = np.split(rates, 4, axis=-1)
    # The thresholds above the first one with a predicted pixel take its precision. Dividing by the
    # share of images with predicted pixels gives the mean over these images.
    first = np.argmax(predicted > 0, axis=-1, keepdims=True)
    place = np.maximum(np.arange(predicted.shape[-1]), first)
    curve = np.take_along_axis(precision, place, axis=-1)
    curve = curve / np.take_along_axis(predicted, place, axis=-1)
    return _area(recall, curve, curve[..., :1])


def auc(rates: np.ndarray) -> np.ndarray:
    """Return the area under the true over the false positive rate, linear from the origin over all
    thresholds.

    Args:
        rates: (..., 1024) means over images at 256 falling thresholds (`image_inputs.rate_curves`),
            whose last two quarters are true and false positive rate.
    """
    _, _, true, false = np.split(rates, 4, axis=-1)
    return _area(false, true, np.zeros_like(true[..., :1]))


def _area(x: np.ndarray, y: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return the area under curves (..., T) of ascending x, with y = `start` (..., 1) at x = 0."""
    width = np.diff(x, axis=-1, prepend=0)
    previous = np.concatenate([start, y[..., :-1]], axis=-1)
    return (width * (y + previous) / 2).sum(axis=-1)


def mean_iou(iou: np.ndarray) -> np.ndarray:
    """Return the mean of IoUs (..., K) over the classes that occur, (...); the IoU of a class that
    does not occur is NaN.
    """
    return np.nansum(iou, axis=-1) / (~np.isnan(iou)).sum(axis=-1)
