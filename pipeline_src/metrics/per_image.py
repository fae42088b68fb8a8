"""Metrics of every image by itself, from the rows kept per image."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline_src.counting.counts import COLUMNS, PIXEL_SUMS, Counts, image_rows
from pipeline_src.counting.levels import UNIT
from pipeline_src.counting.rows import parts
from pipeline_src.metrics import estimators
from pipeline_src.metrics.image_inputs import f_curve
from pipeline_src.metrics.inputs import Binned
from pipeline_src.metrics.protocol_counts import TOP, ProtocolCounts, as_bins


def per_image(counts: Counts, bins: int = 10) -> Iterator[tuple[slice, dict[str, np.ndarray]]]:
    """Metrics of each image, block by block in the order of `counts.rows.ids`.

    `ece` and `oe` are exact for 8-bit maps; for float maps pixels within an 8-bit level (1/255 wide) take the pooled
    distribution in it, and the mean confidence of their image. All others are exact.

    Yields:
        the images of a block and (n,) float64 by name: pixels, confidence and accuracy (means), gap (their difference,
        positive where overconfident), ece, oe, brier, nll, entropy, mae, max_f (over thresholds, of this image). NaN
        where an image has no pixel that counts, or no foreground (max_f).
    """
    rows, in_bins = image_rows(counts), Binned(TOP).columns(ProtocolCounts(None, counts), bins)
    for block in parts(len(rows)):
        levels, table = rows.levels[block], dict(zip(COLUMNS, rows.table[block].T, strict=True))
        of_images = as_bins(in_bins(block))
        with np.errstate(invalid="ignore", divide="ignore"):
            pixels = table["pixels"].astype(float)
            mean = {name: table[name] / pixels / UNIT for name in PIXEL_SUMS}
            accuracy = table["correct"] / pixels
            ece, oe = estimators.ece(of_images), estimators.oe(of_images)
        values = {
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
            values["max_f"] = f_curve(levels).max(axis=1)
        yield block, values
