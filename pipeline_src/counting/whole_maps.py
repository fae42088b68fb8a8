"""Saliency metrics that need whole maps (S, E, weighted F), from pysodmetrics, image by image.

They are means over images and not defined with ignored pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline_src.labels import IGNORED

NAMES = ("s_measure", "e_measure", "weighted_f")
KEPT = NAMES[:2]  # in the rows per image; weighted F takes more than twice as long as both


def whole_map_measures(
    probability: np.ndarray, truth: np.ndarray, names: Sequence[str] = NAMES
) -> dict[str, dict[str, float]]:
    """S-measure, mean E-measure over 256 thresholds, and weighted F of one image, in [0, 1], by protocol.

    References: Fan et al., ICCV 2017; Fan et al., IJCAI 2018; Margolin et al., CVPR 2014.

    Args:
        probability: (H, W) float in [0, 1], uint8 or uint16.
        truth: (H, W) uint8 with 0 background, 1 foreground, 255 ignored.
        names: those wanted.

    Returns:
        values by protocol and name; NaN where undefined: all with ignored pixels, weighted F without foreground.
    """
    nothing = dict.fromkeys(names, float("nan"))
    if np.any(truth == IGNORED) or not truth.size:
        return {"raw": nothing, "stretched": nothing}
    top = np.iinfo(probability.dtype).max if np.issubdtype(probability.dtype, np.integer) else 1
    raw = probability.astype(np.float64) / top
    low, high = raw.min(), raw.max()
    if (low, high) == (0, 1):
        values = _measures(raw, truth == 1, names)
        return {"raw": values, "stretched": values}
    stretched = (raw - low) / (high - low) if high > low else np.zeros_like(raw)
    return {name: _measures(of, truth == 1, names) for name, of in (("raw", raw), ("stretched", stretched))}


def _measures(probability: np.ndarray, foreground: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    from py_sod_metrics import Emeasure, Smeasure, WeightedFmeasure  # imports scipy.ndimage and skimage: slow

    made = {
        "s_measure": (Smeasure, lambda measure: measure.get_results()["sm"]),
        "e_measure": (Emeasure, lambda measure: measure.get_results()["em"]["curve"].mean()),
        "weighted_f": (WeightedFmeasure, lambda measure: measure.get_results()["wfm"]),
    }
    values = {}
    for name in names:
        kind, result = made[name]
        measure = kind()
        if name == "weighted_f" and not foreground.any():
            values[name] = float("nan")
            continue
        measure.step(probability, foreground, normalize=False)
        values[name] = float(result(measure))
    return values
