"""Smooth ECE, from cells of a score: arrays as in `estimators`."""

from __future__ import annotations

from itertools import count

import numpy as np

from pipeline_src.counting.score_histogram import Bins

SIGMAS = 1 << 30  # steps of the width of smooth ECE


def smooth(bins: Bins) -> np.ndarray:
    """Smooth ECE: the sigma at which the smoothed error (`_smoothed`) equals sigma; cells must be equally wide."""
    spectrum = _cosines(bins.excess) / bins.n[..., None]
    low, high = np.zeros(bins.n.shape), np.full(bins.n.shape, float(SIGMAS))
    before, gap_before = low, _smoothed(spectrum, low)
    sigma = np.clip(np.floor(gap_before * SIGMAS), 1, SIGMAS - 1)
    for step in count():  # secants: the smoothed error falls with sigma, so that there is one crossing
        gap = _smoothed(spectrum, sigma / SIGMAS) - sigma / SIGMAS
        low, high = np.where(gap > 0, sigma, low), np.where(gap > 0, high, sigma)
        if not (high - low > 1).any():
            break
        with np.errstate(invalid="ignore", divide="ignore"):
            crossing = sigma - gap * (sigma - before) / (gap - gap_before)
        near = (crossing > low) & (crossing < high) & (step % 8 < 7)  # else bisection, so that it ends soon
        crossing = np.where(near, crossing, (low + high) / 2)
        beyond = np.where(crossing < sigma, np.floor(crossing), np.ceil(crossing))  # so that both ends come close
        before, gap_before, sigma = sigma, gap, np.clip(beyond, low + (high - low > 1), high - 1)
    return _smoothed(spectrum, (low + high) / 2 / SIGMAS)


def _smoothed(spectrum: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Integral over t of |E[(score - hit) K(t, score)]|, K the Gaussian of width sigma reflected at 0 and 1.

    Args:
        spectrum: cosines of the excess of cells over all pixels.
    """
    # The reflected Gaussian is diagonal in the cosines cos(pi k t), with factors exp(-(pi k sigma)^2 / 2).
    k = np.arange(spectrum.shape[-1])
    damped = spectrum * np.exp(-((np.pi * k * np.asarray(sigma)[..., None]) ** 2) / 2)
    cells = spectrum.shape[-1] - 1
    return np.abs(np.fft.irfft(damped * np.exp(1j * np.pi * k / 2 / cells), axis=-1)[..., :cells]).sum(axis=-1)


def _cosines(values: np.ndarray) -> np.ndarray:
    """(..., K+1) cosine spectrum of values at the middles of K cells of [0, 1]."""
    mirrored = np.concatenate([values, values[..., ::-1]], axis=-1)
    k = np.arange(values.shape[-1] + 1)
    return (np.fft.rfft(mirrored, axis=-1) * np.exp(-1j * np.pi * k / 2 / values.shape[-1])).real
