"""Selective prediction: what is gained where the least confident pixels are left out.

Functions of `Bins`, arrays of shape (..., K) over cells in ascending order of the score; the pixels of a cell are tied
and spread evenly.
"""

from __future__ import annotations

import numpy as np

from pipeline_src.counting.score_histogram import Bins


def augrc(bins: Bins) -> np.ndarray:
    """Integral over coverage of the errors among the pixels kept, as a share of all N pixels; in [0, 1/2].

    With the accuracy a and the AUC of telling hits from misses it is a (1 - a) (1 - AUC) + (1 - a)^2 / 2.
    """
    count, errors = cumulative(bins)
    coverage, wrong = np.diff(count, axis=-1), (errors[..., 1:] + errors[..., :-1]) / 2
    return (coverage / bins.n[..., None] * (wrong / bins.n[..., None])).sum(axis=-1)


def augrc_bound(row: Bins) -> float:
    """How far `augrc` of one row (K,) can be from its value on sorted pixels: half the pairs within a cell."""
    n = float(row.n)
    return float((row.hits / n * ((row.count - row.hits) / n)).sum() / 2)


def coverage_at_risk(bins: Bins, one_in: int) -> np.ndarray:
    """Largest share of pixels, the most confident, of which at most one in `one_in` is wrong; 0 if there is none."""
    count, errors = cumulative(bins)
    before, after = count[..., :-1], count[..., 1:]
    below, wrong = errors[..., :-1], np.diff(errors, axis=-1)
    # Kept up to x within a cell, below + rate (x - before) are wrong: a cell whose start has room is left on the way.
    filled = errors[..., 1:] * one_in <= after
    room = (before > 0) & (below * one_in <= before) & ~filled
    rate = wrong / np.where(after > before, after - before, 1)
    crossing = (rate * before - below) / np.where(room, np.maximum(rate - 1 / one_in, 1e-12), 1)
    reached = np.where(filled, after, np.where(room, np.clip(crossing, before, after), 0))
    return reached.max(axis=-1) / bins.n


def cumulative(bins: Bins) -> tuple[np.ndarray, np.ndarray]:
    """(..., K + 1) pixels, and errors among them, from the most confident cell on, starting with 0."""
    both = (np.cumsum(np.flip(numbers, axis=-1), axis=-1) for numbers in (bins.count, bins.count - bins.hits))
    start = np.zeros((*bins.count.shape[:-1], 1))
    count, errors = (np.concatenate([start, numbers], axis=-1) for numbers in both)
    return count, errors
