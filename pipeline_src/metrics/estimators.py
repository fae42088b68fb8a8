"""Estimators of (mis)calibration and ranking from cells of a score.

Each takes `Bins`, arrays of shape (..., K) over cells in ascending order of the score, and returns an array of shape
(...): one number, or one per resample of a bootstrap. N is the number of pixels. Definitions and references of the
metrics are in `registry`.

Estimators that sort pixels (equal mass, sweep, AURC, AUC, AP) take the pixels of a cell as tied. In 8-bit and 16-bit
maps they are, and the numbers are exact; for float maps a level is 1 / LEVELS = 1.5e-5 wide, and a cell of the surest
pixels less (`counting.surest`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline_src.counting.score_histogram import Bins


def ece(bins: Bins) -> np.ndarray:
    """Sum of n_k/N |score_k - hits_k|."""
    return np.abs(bins.excess).sum(axis=-1) / bins.n


def ace(bins: Bins) -> np.ndarray:
    """Mean of |score_k - hits_k| over the cells with pixels, each weighing as much as another."""
    return (np.abs(bins.excess) / bins.one).sum(axis=-1) / (bins.count > 0).sum(axis=-1)


def mce(bins: Bins) -> np.ndarray:
    """Largest |score_k - hits_k| of a cell with pixels."""
    return (np.abs(bins.excess) / bins.one).max(axis=-1)


def oe(bins: Bins) -> np.ndarray:
    """Sum of n_k/N score_k max(score_k - hits_k, 0)."""
    return (bins.score / bins.one * np.maximum(bins.excess, 0)).sum(axis=-1) / bins.n


def ue(bins: Bins) -> np.ndarray:
    """Sum of n_k/N score_k max(hits_k - score_k, 0)."""
    return (bins.score / bins.one * np.maximum(-bins.excess, 0)).sum(axis=-1) / bins.n


def squared_error(bins: Bins, variance: np.ndarray, counted: np.ndarray | bool = True) -> np.ndarray:
    """Sum of n_k/N (score_k - hits_k)^2, less what sampling adds to it: (E_k^2 - V_k) / n_k / N with E_k the excess of
    a bin and V_k (..., K) its sampling variance. Unbiased; often below 0 where the true error is 0.

    Args:
        counted: (..., K), the bins that are summed over.
    """
    return (counted * (bins.excess**2 - variance) / bins.one).sum(axis=-1) / bins.n


def squared_overconfidence(bins: Bins, variance: np.ndarray) -> np.ndarray:
    """The terms of `squared_error` of the bins whose score is above their hits. For normal E_k, the mean of a term is
    off its true value by about a tenth of V_k / n_k / N at most, and exact where E_k is truly 0."""
    return squared_error(bins, variance, bins.excess > 0)


def squared_underconfidence(bins: Bins, variance: np.ndarray) -> np.ndarray:
    """`squared_error` of the bins whose mean score is below their share of hits."""
    return squared_error(bins, variance, bins.excess < 0)


def debiased(bins: Bins, variance: np.ndarray) -> np.ndarray:
    """Root of `squared_error`, 0 where that is negative."""
    return np.sqrt(np.maximum(squared_error(bins, variance), 0))


def noise_floor(bins: Bins, variance: np.ndarray) -> np.ndarray:
    """The mean ECE of a network without calibration error whose excesses have these sampling variances (..., K): the
    mean of abs(x), sqrt(2 V_k / pi) for x normal with mean 0, summed over bins."""
    return np.sqrt(2 / np.pi * variance).sum(axis=-1) / bins.n


def debiased_over_pixels(bins: Bins) -> np.ndarray:
    """Root of the debiased squared error, sum of n_k/N ((score_k - hits_k)^2 - hits_k (1 - hits_k) / (n_k - 1))."""
    rate = bins.hits / bins.one
    squared = bins.excess**2 / bins.one - _noise(bins, rate)
    return np.sqrt(np.maximum(squared.sum(axis=-1) / bins.n, 0))


def debiased_authors(bins: Bins) -> np.ndarray:
    """Sum of n_k/N ((score_k - hits_k)^2 - score_k (1 - score_k) / (n_k - 1)), no root."""
    squared = bins.excess**2 / bins.one - _noise(bins, bins.score / bins.one)
    return squared.sum(axis=-1) / bins.n


def _noise(bins: Bins, rate: np.ndarray) -> np.ndarray:
    """n_k rate_k (1 - rate_k) / (n_k - 1); 0 where a single pixel allows no estimate. Compact statistics round what an
    image has in a bin, so that a resample's n_k can lie a little above 1 and its rate outside of [0, 1]."""
    noise = bins.count * rate * np.maximum(1 - rate, 0) / np.maximum(bins.count - 1, 1)
    return np.where(bins.count > 1, noise, 0)


def equal_mass(bins: Bins, groups: int) -> np.ndarray:
    """ECE over `groups` groups of N/groups pixels each; a cell's pixels are spread evenly over the groups it meets."""

    def row_value(row: Bins) -> float:
        rank, _, excess = _cumulative(row)
        return _grouped_error(rank, excess, groups)

    return _by_row(bins, row_value)


def equal_mass_bound(row: Bins, groups: int) -> float:
    """How far `equal_mass` of one row (K,) can be from its value on sorted pixels, but for the width of a cell.

    A cut through a cell of n pixels and hit rate a that leaves the share p of them below takes n p a of its hits with
    it; in another order up to n min(p, a), or down to n max(0, p + a - 1). Both groups at the cut change by it.
    """
    after = np.cumsum(row.count)
    cuts = np.arange(1, groups) * (int(after[-1]) / groups)
    cell = np.searchsorted(after, cuts)
    n, a = row.count[cell], row.hits[cell] / row.one[cell]
    p = 1 - (after[cell] - cuts) / n
    moved = n * np.maximum(np.minimum(p, a) - p * a, p * a - np.maximum(0, p + a - 1))
    return float(2 * moved.sum() / after[-1])


def sweep(bins: Bins) -> np.ndarray:
    """Equal-mass ECE with the largest number of groups before the hit rate first fails to be monotone."""
    return _by_row(bins, lambda row: sweep_groups(row)[0])


def sweep_groups(row: Bins) -> tuple[float, int]:
    """`sweep` of one row (K,), and the number of groups it ended with (at most the number of cells with pixels)."""
    rank, hits, excess = _cumulative(row)
    n, most = rank[-1], int(np.count_nonzero(row.count))
    groups = most if hits[-1] in (0, n) else 1  # all wrong or all right: any number of groups is monotone
    while groups < most:
        tried = min(most - groups, groups + 15, max(1, (1 << 16) // groups))  # at once, since a call costs more
        number = groups + 1 + np.arange(tried)[:, None]
        cut = np.arange(groups + tried + 1)
        gained = np.diff(np.interp(np.minimum(cut, number) * (n / number), rank, hits), axis=1)
        # Ties spread over groups differ by rounding only.
        falls = ((np.diff(gained, axis=1) < -1e-12 * n) & (cut[2:] <= number)).any(axis=1)
        if falls.any():
            groups += int(falls.argmax())
            break
        groups += tried
    return _grouped_error(rank, excess, groups), groups


def _cumulative(row: Bins) -> tuple[np.ndarray, ...]:
    """(n+1,) pixels, hits and excess up to each cell of one row that has pixels, from 0."""
    met = row.count > 0
    return tuple(np.concatenate([[0.0], np.cumsum(a[met])]) for a in (row.count, row.hits, row.excess))


def _grouped_error(rank: np.ndarray, excess: np.ndarray, groups: int) -> float:
    cuts = np.arange(groups + 1) * (rank[-1] / groups)
    return float(np.abs(np.diff(np.interp(cuts, rank, excess))).sum() / rank[-1])


def _by_row(bins: Bins, function: Callable[[Bins], float]) -> np.ndarray:
    """`function` of each row of `bins`, as an array (...)."""
    flat = [a.reshape(-1, a.shape[-1]) for a in (bins.count, bins.hits, bins.score, bins.excess)]
    return np.array([function(Bins(*row)) for row in zip(*flat, strict=True)]).reshape(bins.count.shape[:-1])


def aurc(bins: Bins) -> np.ndarray:
    """Mean over coverages i/N of the error rate of the i pixels with the highest score, ties spread evenly."""
    count, errors = _risk_coverage(bins)
    start, after = count[..., :-1], count[..., 1:]
    rate = np.diff(errors, axis=-1) / np.where(after > start, after - start, 1)
    # Within a cell the i-th pixel sees (errors - rate * start) / i + rate; 1/i sums to a harmonic number.
    tied = (errors[..., :-1] - rate * start) * _inverses(start, after) + rate * (after - start)
    return tied.sum(axis=-1) / bins.n


def aurc_bound(row: Bins) -> float:
    """How far `aurc` of one row (K,) can be from its value on sorted pixels: where within each cell all errors come
    first, or all last."""
    count, errors = _risk_coverage(row)
    start, after, wrong = count[:-1], count[1:], np.diff(errors)
    first, last = start + wrong, after - wrong
    most = wrong + (errors[:-1] - start) * _inverses(start, first) + errors[1:] * _inverses(first, after)
    least = errors[:-1] * _inverses(start, last) + wrong + (errors[:-1] - last) * _inverses(last, after)
    tied = float(aurc(row)) * after[-1]
    return float(max(most.sum() - tied, tied - least.sum()) / after[-1])


def _inverses(start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """Sums of 1/i over i = start + 1 .. stop."""
    from scipy.special import digamma  # 0.2 s, for which readers of the registry need not wait

    return digamma(stop + 1.0) - digamma(start + 1.0)


def augrc(bins: Bins) -> np.ndarray:
    """Integral over coverage of the errors among the pixels kept, as a share of all N pixels; in [0, 1/2].

    With the accuracy a and the AUC of telling hits from misses it is a (1 - a) (1 - AUC) + (1 - a)^2 / 2.
    """
    count, errors = _risk_coverage(bins)
    coverage, wrong = np.diff(count, axis=-1), (errors[..., 1:] + errors[..., :-1]) / 2
    return (coverage / bins.n[..., None] * (wrong / bins.n[..., None])).sum(axis=-1)


def augrc_bound(row: Bins) -> float:
    """How far `augrc` of one row (K,) can be from its value on sorted pixels: half the pairs within a cell."""
    n = float(row.n)
    return float((row.hits / n * ((row.count - row.hits) / n)).sum() / 2)


def coverage_at_risk(bins: Bins, one_in: int) -> np.ndarray:
    """Largest share of pixels, the most confident, of which at most one in `one_in` is wrong; 0 if there is none."""
    count, errors = _risk_coverage(bins)
    start, after = count[..., :-1], count[..., 1:]
    below, wrong = errors[..., :-1], np.diff(errors, axis=-1)
    # Kept up to x within a cell, below + rate (x - start) are wrong: a cell whose start has room is left on the way.
    filled = errors[..., 1:] * one_in <= after
    room = (start > 0) & (below * one_in <= start) & ~filled
    rate = wrong / np.where(after > start, after - start, 1)
    crossing = (rate * start - below) / np.where(room, np.maximum(rate - 1 / one_in, 1e-12), 1)
    reached = np.where(filled, after, np.where(room, np.clip(crossing, start, after), 0))
    return reached.max(axis=-1) / bins.n


def _risk_coverage(bins: Bins) -> tuple[np.ndarray, np.ndarray]:
    """(..., K + 1) pixels, and errors among them, from the most confident cell on, starting with 0."""
    start = np.zeros((*bins.count.shape[:-1], 1))
    pixels, errors = (
        np.concatenate([start, np.cumsum(np.flip(numbers, axis=-1), axis=-1)], axis=-1)
        for numbers in (bins.count, bins.count - bins.hits)
    )
    return pixels, errors


def auc(bins: Bins) -> np.ndarray:
    """Probability that a hit scores above a miss, ties half; NaN without hits or without misses."""
    miss = bins.count - bins.hits
    below = np.cumsum(miss, axis=-1) - miss
    total = bins.hits.sum(axis=-1).astype(float) * miss.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (bins.hits * (below + miss / 2.0)).sum(axis=-1) / total


def auc_bound(row: Bins) -> float:
    """How far `auc` of one row (K,) can be from its value on sorted pixels: half the share of pairs within a cell."""
    miss = row.count - row.hits
    return float((row.hits * miss.astype(float)).sum() / 2 / (row.hits.sum() * float(miss.sum())))


def ap(bins: Bins) -> np.ndarray:
    """Sum over cells, descending, of the gain in recall times the precision; NaN without hits."""
    count, hits = (np.flip(a, axis=-1) for a in (bins.count, bins.hits))
    true_positives, predicted = np.cumsum(hits, axis=-1), np.cumsum(count, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = true_positives / np.where(predicted > 0, predicted, 1)
        return (hits * precision).sum(axis=-1) / true_positives[..., -1]


def ap_bound(row: Bins) -> float:
    """How far `ap` of one row (K,) with hits can be from its value on sorted pixels: hits first in cells, or last."""
    met = np.flatnonzero(row.count)[::-1]
    count, hits = row.count[met].astype(float), row.hits[met].astype(float)
    pixels, positives = np.cumsum(count) - count, np.cumsum(hits) - hits

    def gained(start: np.ndarray) -> float:  # sum over i = 1..hits of (positives + i) / (start + i)
        return float((hits + (positives - start) * _inverses(start, start + hits)).sum())

    tied = float((hits * (positives + hits) / (pixels + count)).sum())
    return max(gained(pixels) - tied, tied - gained(pixels + count - hits)) / float(hits.sum())


def reliability(bins: Bins) -> np.ndarray:
    """Sum of n_k/N (score_k - hits_k)^2."""
    return (bins.excess**2 / bins.one).sum(axis=-1) / bins.n


def resolution(bins: Bins) -> np.ndarray:
    """Sum of n_k/N (hits_k - h)^2, with h the overall hit rate."""
    rate = (bins.hits.sum(axis=-1) / bins.n)[..., None]
    return (bins.count * (bins.hits / bins.one - rate) ** 2).sum(axis=-1) / bins.n


def uncertainty(bins: Bins) -> np.ndarray:
    """h (1 - h), with h the overall hit rate."""
    rate = bins.hits.sum(axis=-1) / bins.n
    return rate * (1 - rate)


def miscalibration(bins: Bins) -> np.ndarray:
    """(...) Brier score less that of the isotonic recalibration, of cells whose pixels are tied: MCB of CORP.

    Brier = MCB - DSC + uncertainty. Pooling cells of adjacent scores until their rates do not fall (pool adjacent
    violators) gives the best monotone recalibration. MCB is what it would save, DSC what it has over the overall rate:
    no bins are chosen. A constant score has DSC 0, however well it is calibrated. Dimitriadis, Gneiting, Jordan, PNAS
    2021.
    """
    return reliability(bins) - resolution(bins) + discrimination(bins)


def discrimination(bins: Bins) -> np.ndarray:
    """(...) Sum of n_b/N (hits_b - h)^2 over the pooled blocks b, with h the overall hit rate: DSC of CORP."""

    def row_value(row: Bins) -> float:
        met, rate = recalibrated(row)
        count, hits = row.count[met], row.hits[met]
        return float((count * (rate - hits.sum() / count.sum()) ** 2).sum() / count.sum())

    return _by_row(bins, row_value)


def recalibrated(row: Bins) -> tuple[np.ndarray, np.ndarray]:
    """Which of K cells have pixels, (K,) bool, and the isotonic rate of each of these, ascending."""
    from scipy.optimize import isotonic_regression  # 0.2 s, for which readers of the registry need not wait

    met = row.count > 0
    return met, isotonic_regression(row.hits[met] / row.count[met], weights=row.count[met]).x


def mean_iou(iou: np.ndarray) -> np.ndarray:
    """Mean over the classes that occur, (..., K) -> (...)."""
    return np.nansum(iou, axis=-1) / (~np.isnan(iou)).sum(axis=-1)
