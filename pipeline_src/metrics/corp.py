"""Calibration and refinement by isotonic regression (CORP): Brier = MCB - DSC + uncertainty.

Pooling cells of adjacent scores until their rates do not fall (pool adjacent violators) gives the best monotone
recalibration. MCB is what it would save, DSC what it has over the overall rate: no bins are chosen. A constant score
has DSC 0, however well it is calibrated. Dimitriadis, Gneiting, Jordan, PNAS 2021.
"""

from __future__ import annotations

import numpy as np

from pipeline_src.counting.score_histogram import Bins
from pipeline_src.metrics import estimators


def miscalibration(bins: Bins) -> np.ndarray:
    """(...) Brier score less that of the isotonic recalibration, of cells whose pixels are tied."""
    return estimators.reliability(bins) - estimators.resolution(bins) + discrimination(bins)


def discrimination(bins: Bins) -> np.ndarray:
    """(...) Sum of n_b/N (hits_b - h)^2 over the pooled blocks b, with h the overall hit rate."""
    flat = [a.reshape(-1, a.shape[-1]) for a in (bins.count, bins.hits, bins.score, bins.excess)]
    return np.array([_discrimination(Bins(*row)) for row in zip(*flat, strict=True)]).reshape(bins.count.shape[:-1])


def _discrimination(row: Bins) -> float:
    met, rate = recalibrated(row)
    count, hits = row.count[met], row.hits[met]
    return float((count * (rate - hits.sum() / count.sum()) ** 2).sum() / count.sum())


def recalibrated(row: Bins) -> tuple[np.ndarray, np.ndarray]:
    """Which of K cells have pixels, (K,) bool, and the isotonic rate of each of these, ascending."""
    from scipy.optimize import isotonic_regression  # 0.2 s, for which readers of the registry need not wait

    met = row.count > 0
    return met, isotonic_regression(row.hits[met] / row.count[met], weights=row.count[met]).x
