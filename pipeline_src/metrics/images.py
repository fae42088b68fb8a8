"""Metrics of every image by itself, from the rows kept per image."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline_src.analysis.bootstrap import TOP, Pooled, weighted
from pipeline_src.counting.counts import COLUMNS, Counts
from pipeline_src.counting.levels import UNIT
from pipeline_src.counting.rows import parts
from pipeline_src.metrics import estimators
from pipeline_src.metrics.saliency import f_curve
from pipeline_src.metrics.scores import rows_of

SUMS = ("confidence", "absolute", "brier", "nll", "entropy")


def per_image(counts: Counts, bins: int = 10) -> Iterator[tuple[slice, dict[str, np.ndarray]]]:
    """Metrics of each image, part by part in the order of `counts.rows.ids`.

    `ece` and `oe` are exact for 8-bit maps; for float maps pixels within an 8-bit level (1/255 wide) take the pooled
    distribution in it. All others are exact.

    Yields:
        the part of the images and (n,) float64 by name: pixels, confidence and accuracy (means), gap (their difference,
        positive where over-confident), ece, oe, brier, nll, entropy, mae, max_f (over thresholds, of this image). NaN
        where an image has no pixel that counts, or no foreground (max_f).
    """
    rows = rows_of(counts)
    total = np.maximum(rows.pooled().reshape(-1), 1)
    cells = Pooled(counts).cells(TOP, bins)
    for part in parts(len(rows)):
        levels, table = rows.levels[part], dict(zip(COLUMNS, rows.table[part].T, strict=True))
        of_images = weighted(levels.reshape(-1, 512) / total, cells)
        with np.errstate(invalid="ignore", divide="ignore"):
            pixels = table["pixels"].astype(float)
            mean = {name: table[name] / pixels / UNIT for name in SUMS}
            accuracy = table["correct"] / pixels
            ece, oe = estimators.ece(of_images), estimators.oe(of_images)
        found = {
            "pixels": pixels,
            "confidence": mean["confidence"],
            "accuracy": accuracy,
            "gap": mean["confidence"] - accuracy,
            "ece": ece,
            "oe": oe,
            "brier": mean["brier"],
            "nll": mean["nll"],
            "entropy": mean["entropy"],
            "mae": mean["absolute"],
        }
        if not counts.top:
            found["max_f"] = np.full(len(levels), np.nan)
            foreground = levels[:, :, 1].any(axis=1)
            found["max_f"][foreground] = f_curve(levels[foreground]).max(axis=1)
        yield part, found
