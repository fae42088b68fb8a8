"""Metrics of every image by itself, from the rows kept per image."""

from __future__ import annotations

import numpy as np

from pipeline_src.statistics import estimators
from pipeline_src.statistics.bootstrap import PART, TOP, Pooled, weighted
from pipeline_src.statistics.counts import Counts
from pipeline_src.statistics.levels import UNIT
from pipeline_src.statistics.saliency import f_curve
from pipeline_src.statistics.scores import rows_of


def per_image(counts: Counts, bins: int = 10, view: str = TOP) -> dict[str, np.ndarray]:
    """Metrics of each image, in the order of `counts.rows.ids`.

    `ece` and `oe` are exact for 8-bit maps; for float maps pixels within an 8-bit level (1/255 wide) take the pooled
    distribution in it. All others are exact.

    Args:
        view: the view whose score is the confidence; `bootstrap.POSITIVE` for the top label of K classes, which has no
            max_f.

    Returns:
        (N,) float64 by name: pixels, confidence and accuracy (means), gap (their difference, positive where
        over-confident), ece, oe, brier, nll, entropy, mae, max_f (over thresholds, of this image). NaN where an image
        has no pixel that counts, or no foreground (max_f).
    """
    rows = rows_of(counts)
    with np.errstate(invalid="ignore", divide="ignore"):
        pixels = rows.column("pixels").astype(float)
        sums = {name: rows.column(name) / pixels for name in ("confidence", "absolute", "brier", "nll", "entropy")}
        sums = {name: values / UNIT for name, values in sums.items()}
        accuracy = rows.column("correct") / pixels
    total = rows.levels.sum(axis=0, dtype=np.int64).reshape(-1)
    total = np.where(total > 0, total, 1)
    out = {
        "pixels": pixels,
        "confidence": sums["confidence"],
        "accuracy": accuracy,
        "gap": sums["confidence"] - accuracy,
        "ece": np.full(len(rows), np.nan),
        "oe": np.full(len(rows), np.nan),
        "brier": sums["brier"],
        "nll": sums["nll"],
        "entropy": sums["entropy"],
        "mae": sums["absolute"],
        "max_f": np.full(len(rows), np.nan),
    }
    cells = Pooled(counts).cells(view, bins)
    met = np.flatnonzero(pixels)
    for start in range(0, len(met), PART):
        part = met[start : start + PART]
        of_images = weighted(rows.levels[part].reshape(-1, 512) / total, cells)
        out["ece"][part], out["oe"][part] = estimators.ece(of_images), estimators.oe(of_images)
    if view != TOP:
        del out["max_f"]
        return out
    for k in np.flatnonzero(rows.levels[:, :, 1].any(axis=1)):
        out["max_f"][k] = f_curve(rows.levels[k]).max()
    return out
