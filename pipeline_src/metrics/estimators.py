"""Estimators of (mis)calibration and ranking from cells of a score.

Each takes `Bins`, arrays of shape (..., K) over cells in ascending order of the score, and returns
an array of shape (...): one number, or one per resample of a bootstrap. N is the number of pixels.
`registry` has the definitions.

Estimators that sort pixels (equal mass, sweep, AURC, AUGRC) take the pixels of a cell as tied. In
8-bit and 16-bit maps they are, and the numbers are exact; for float maps a level is 1 / LEVELS =
1.5e-5 wide, and a cell of the surest pixels less (`counting.levels`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline_src.counting.bins import Bins

BISECTIONS = 30  # for the width of smooth ECE


def ece(bins: Bins) -> np.ndarray:
    """Return the sum of n_k/N |score_k - hits_k|."""
    return _share(bins, np.abs(bins.excess))


def mce(bins: Bins) -> np.ndarray:
    """Return the largest |score_k - hits_k| of a cell with pixels."""
    return np.asarray((np.abs(bins.excess) / bins.divisor).max(axis=-1))


def oe(bins: Bins) -> np.ndarray:
    """Return the sum of n_k/N score_k max(score_k - hits_k, 0)."""
    return _share(bins, bins.score / bins.divisor * np.maximum(bins.excess, 0))


def squared_error(
    bins: Bins, variance: np.ndarray, counted: np.ndarray | bool = True
) -> np.ndarray:
    """Return the sum of n_k/N (score_k - hits_k)^2, less what sampling adds to it: (E_k^2 - V_k) /
    n_k / N with E_k the excess of a bin and V_k (..., K) its sampling variance. Unbiased; often
    below 0 where the true error is 0.

    Args:
        counted: (..., K), the bins that are summed over.
    """
    return _share(bins, counted * (bins.excess**2 - variance) / bins.divisor)


def squared_overconfidence(bins: Bins, variance: np.ndarray) -> np.ndarray:
    """Return the terms of `squared_error` of the bins whose score is above their hits. For normal
    E_k, the mean of a term is off its true value by about a tenth of V_k / n_k / N at most, and
    exact where E_k is truly 0.
    """
    return squared_error(bins, variance, bins.excess > 0)


def debiased(bins: Bins, variance: np.ndarray) -> np.ndarray:
    """Return the root of `squared_error`, 0 where that is negative."""
    return np.asarray(np.sqrt(np.maximum(squared_error(bins, variance), 0)))


def noise_floor(bins: Bins, variance: np.ndarray) -> np.ndarray:
    """Return the mean ECE of a network without calibration error whose excesses have these sampling
    variances (..., K): the mean of abs(x), sqrt(2 V_k / pi) for x normal with mean 0, summed over
    bins.
    """
    return _share(bins, np.sqrt(2 / np.pi * variance))


def _share(bins: Bins, terms: np.ndarray) -> np.ndarray:
    """Return the sum of terms (..., K) over cells, divided by the number of pixels."""
    return np.asarray(terms.sum(axis=-1) / bins.pixels)


def equal_mass(bins: Bins, groups: int) -> np.ndarray:
    """Return the ECE over `groups` groups of N/groups pixels each; a cell's pixels spread evenly
    over its groups.
    """
    return _by_row(bins, lambda row: _grouped_error(row, groups))


def sweep(bins: Bins) -> np.ndarray:
    """Return the equal-mass ECE with the largest number of groups before the hit rate first fails
    to be monotone.
    """
    return _by_row(bins, lambda row: _grouped_error(row, sweep_groups(row)))


def sweep_groups(row: Bins) -> int:
    """Return the number of groups that `sweep` of one row (K,) ends with, at most the number of
    cells with pixels.
    """
    rank = _cumulative(row, row.count)
    hits = _cumulative(row, row.hits)
    n = rank[-1]
    most = int(np.count_nonzero(row.count))
    if hits[-1] in (0, n):  # all wrong or all right: any number of groups is monotone
        return most
    groups = 1
    while groups < most:
        # Several at once, since a call costs more.
        tried = min(most - groups, groups + 15, max(1, (1 << 16) // groups))
        number = groups + 1 + np.arange(tried)[:, None]
        cut = np.arange(groups + tried + 1)
        gained = np.diff(np.interp(np.minimum(cut, number) * (n / number), rank, hits), axis=1)
        # Ties spread over groups differ by rounding only.
        falls = ((np.diff(gained, axis=1) < -1e-12 * n) & (cut[2:] <= number)).any(axis=1)
        if falls.any():
            return groups + int(falls.argmax())
        groups += tried
    return groups


def _cumulative(row: Bins, numbers: np.ndarray) -> np.ndarray:
    """Return the sums of numbers (K,) up to each cell of one row that has pixels, from 0."""
    return np.concatenate([[0.0], np.cumsum(numbers[row.count > 0])])


def _grouped_error(row: Bins, groups: int) -> float:
    """Return the ECE over `groups` equal-mass groups of one row."""
    rank = _cumulative(row, row.count)
    excess = _cumulative(row, row.excess)
    cuts = np.arange(groups + 1) * (rank[-1] / groups)
    return float(np.abs(np.diff(np.interp(cuts, rank, excess))).sum() / rank[-1])


def _by_row(bins: Bins, function: Callable[[Bins], float]) -> np.ndarray:
    """Return `function` of each row of `bins`, as an array (...)."""
    rows = np.stack([bins.count, bins.hits, bins.score, bins.excess], axis=-2)
    shape = rows.shape[:-2]
    values = [function(Bins(*row)) for row in rows.reshape(-1, *rows.shape[-2:])]
    return np.array(values).reshape(shape)


def smooth(bins: Bins) -> np.ndarray:
    """Return the smooth ECE, the sigma at which `smoothed_error` equals sigma.

    Cells must be equally wide.
    """
    spectrum = cosines(bins.excess) / bins.pixels[..., None]
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
        spectrum: `cosines` of the excess of cells over all pixels.
    """
    # The reflected Gaussian is diagonal in the cosines cos(pi k t), with factors exp(-(pi k
    # sigma)^2 / 2).
    k = np.arange(spectrum.shape[-1])
    damped = spectrum * np.exp(-((np.pi * k * np.asarray(sigma)[..., None]) ** 2) / 2)
    cells = spectrum.shape[-1] - 1
    smoothed = np.fft.irfft(damped * np.exp(1j * np.pi * k / 2 / cells), axis=-1)[..., :cells]
    return np.asarray(np.abs(smoothed).sum(axis=-1))


def cosines(values: np.ndarray) -> np.ndarray:
    """Return the (..., K+1) cosine spectrum of values at the middles of K cells of [0, 1]."""
    mirrored = np.concatenate([values, values[..., ::-1]], axis=-1)
    k = np.arange(values.shape[-1] + 1)
    spectrum: np.ndarray = np.fft.rfft(mirrored, axis=-1) * np.exp(
        -1j * np.pi * k / 2 / values.shape[-1]
    )
    return spectrum.real


def aurc(bins: Bins) -> np.ndarray:
    """Return the mean over coverages i/N of the error rate of the i highest-scored pixels.

    Ties are spread evenly.
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
    wrong = (errors[..., 1:] + errors[..., :-1]) / 2
    return _share(bins, np.diff(count, axis=-1) * (wrong / bins.pixels[..., None]))


def _risk_coverage(bins: Bins) -> tuple[np.ndarray, np.ndarray]:
    """Return (..., K + 1) pixels, and errors among them, from the most confident cell on, starting
    with 0.
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
        rates: (..., 1024) as `image_inputs.rate_curves`.
    """
    precision, predicted, recall, _ = np.split(rates, 4, axis=-1)
    first = np.argmax(predicted > 0, axis=-1, keepdims=True)
    place = np.maximum(np.arange(predicted.shape[-1]), first)
    curve = np.take_along_axis(precision, place, axis=-1)
    curve = curve / np.take_along_axis(predicted, place, axis=-1)
    return _area(recall, curve, curve[..., :1])


def auc(rates: np.ndarray) -> np.ndarray:
    """Return the area under the true over the false positive rate, linear from the origin over all
    thresholds.

    Args:
        rates: (..., 1024) as `image_inputs.rate_curves`.
    """
    _, _, true, false = np.split(rates, 4, axis=-1)
    return _area(false, true, np.zeros_like(true[..., :1]))


def _area(x: np.ndarray, y: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return the area under curves (..., T) of ascending x, with y = `start` (..., 1) at x = 0."""
    width = np.diff(x, axis=-1, prepend=0)
    previous = np.concatenate([start, y[..., :-1]], axis=-1)
    return np.asarray((width * (y + previous) / 2).sum(axis=-1))


def mean_iou(iou: np.ndarray) -> np.ndarray:
    """Return the mean over the classes that occur, (..., K) -> (...)."""
    return np.asarray(np.nansum(iou, axis=-1) / (~np.isnan(iou)).sum(axis=-1))
