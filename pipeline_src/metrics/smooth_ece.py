"""Smooth ECE, from cells of a score: arrays as in `estimators`."""

from __future__ import annotations

import numpy as np

from pipeline_src.counting.score_histogram import Bins

STEPS = 30  # of the bisection for the width


def smooth(bins: Bins) -> np.ndarray:
    """Smooth ECE: the sigma at which the smoothed error (`_smoothed`) equals sigma; cells must be equally wide."""
    spectrum = _cosines(bins.excess) / bins.n[..., None]
    low, high = np.zeros(bins.n.shape), np.ones(bins.n.shape)
    for _ in range(STEPS):  # the smoothed error falls with sigma, so that there is one crossing
        middle = (low + high) / 2
        above = _smoothed(spectrum, middle) > middle
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return _smoothed(spectrum, (low + high) / 2)


def _smoothed(spectrum: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Integral over t of |E[(score - hit) K(t, score)]|, K the Gaussian of width sigma reflected at 0 and 1.

    Args:
        spectrum: cosines of the excess of cells over all pixels.
    """
    # The reflected Gaussian is diagonal in the cosines cos(pi k t), with factors exp(-(pi k sigma)^2 / 2).
    k = np.arange(spectrum.shape[-1])
    damped = spectrum * np.exp(-((np.pi * k * np.asarray(sigma)[..., None]) ** 2) / 2)
    cells = spectrum.shape[-1] - 1
    smoothed = np.fft.irfft(damped * np.exp(1j * np.pi * k / 2 / cells), axis=-1)[..., :cells]
    error: np.ndarray = np.abs(smoothed).sum(axis=-1)
    return error


def _cosines(values: np.ndarray) -> np.ndarray:
    """(..., K+1) cosine spectrum of values at the middles of K cells of [0, 1]."""
    mirrored = np.concatenate([values, values[..., ::-1]], axis=-1)
    k = np.arange(values.shape[-1] + 1)
    spectrum: np.ndarray = np.fft.rfft(mirrored, axis=-1) * np.exp(-1j * np.pi * k / 2 / values.shape[-1])
    return spectrum.real
