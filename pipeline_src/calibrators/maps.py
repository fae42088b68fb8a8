"""Saved probability maps, calibrated."""

from __future__ import annotations

import numpy as np

from pipeline_src.calibrators.calibrator import Calibrator
from pipeline_src.calibrators.pixels import log_odds


def calibrated(calibrator: Calibrator, probability: np.ndarray) -> np.ndarray:
    """A map as it was stored, (H, W) or (K, H, W), with calibrated probabilities in the same type.

    Integer maps are rounded on both sides of 0.5 alike, halves away from it: rounding moves no pixel to the other
    class, and the identity gives the map itself.
    """
    if probability.dtype == np.uint8 and probability.size > 256 and not calibrator.of_image:
        return calibrated(calibrator, np.arange(256, dtype=np.uint8)[None])[0][probability]
    f = calibrator.apply(log_odds(probability))
    if probability.dtype.kind != "u":
        return f.astype(probability.dtype)
    top = int(np.iinfo(probability.dtype).max)
    from_middle = np.floor(np.abs(f - 0.5) * top + 1e-6) + 0.5
    return np.where(f >= 0.5, top / 2 + from_middle, top / 2 - from_middle).astype(probability.dtype)
