"""The sweep estimator of many rows at once: `statistics.estimators.sweep` takes one after the other."""

from __future__ import annotations

import numpy as np

from pipeline_src.statistics.estimators import Bins


def sweep(bins: Bins) -> np.ndarray:
    """(R,) equal-mass ECE with the largest number of groups before the hit rate first fails to be monotone.

    Args:
        bins: arrays (R, K).
    """
    rank, hits, excess = (_from_zero(a) for a in (bins.count, bins.hits, bins.excess))
    n, most = rank[:, -1], np.count_nonzero(bins.count, axis=1)
    groups, active = np.ones(len(n), int), np.arange(len(n))
    while len(active):
        tried = int(groups[active[0]]) + 1  # the same for all that are left
        gained = np.diff(_at_cuts(rank[active], hits[active], tried), axis=1)
        falls = np.diff(gained, axis=1).min(axis=1) < -1e-12 * n[active]
        active = active[~falls & (tried <= most[active])]
        groups[active] = tried
    found = np.empty(len(n))
    for number in np.unique(groups):
        of = groups == number
        found[of] = np.abs(np.diff(_at_cuts(rank[of], excess[of], int(number)), axis=1)).sum(axis=1) / n[of]
    return found


def _from_zero(values: np.ndarray) -> np.ndarray:
    """(R, K + 1) running sums."""
    return np.pad(np.cumsum(values, axis=1, dtype=float), ((0, 0), (1, 0)))


def _at_cuts(rank: np.ndarray, values: np.ndarray, groups: int) -> np.ndarray:
    """(R, groups + 1) running sums `values` at the cuts between groups of equal mass, linear within a cell."""
    share = rank / np.where(rank[:, -1:] > 0, rank[:, -1:], 1)
    cuts = np.broadcast_to(np.arange(groups + 1) / groups, (len(rank), groups + 1))
    # One search for all rows: row r lies in [2 r, 2 r + 1].
    row = 2.0 * np.arange(len(rank))[:, None]
    width = rank.shape[1]
    right = np.searchsorted((share + row).reshape(-1), (cuts + row).reshape(-1)).reshape(cuts.shape)
    right = np.clip(right - width * np.arange(len(rank))[:, None], 1, width - 1)
    x0, x1 = (np.take_along_axis(share, at, axis=1) for at in (right - 1, right))
    y0, y1 = (np.take_along_axis(values, at, axis=1) for at in (right - 1, right))
    inside = np.where(x1 > x0, (cuts - x0) / np.where(x1 > x0, x1 - x0, 1), 1)
    return y0 + np.clip(inside, 0, 1) * (y1 - y0)
