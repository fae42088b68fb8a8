"""Saliency metrics that need whole maps (S, E, weighted F), from pysodmetrics, image by image.

They are means over images and not defined with ignored pixels.
"""

from __future__ import annotations

import numpy as np

from pipeline_src.statistics.levels import IGNORED

NAMES = ("s_measure", "e_measure", "weighted_f")


def whole_map_measures(probability: np.ndarray, truth: np.ndarray) -> dict[str, dict[str, float]]:
    """S-measure, mean E-measure over 256 thresholds, and weighted F of one image, in [0, 1], by protocol.

    References: Fan et al., ICCV 2017; Fan et al., IJCAI 2018; Margolin et al., CVPR 2014.

    Args:
        probability: (H, W) float in [0, 1], uint8 or uint16.
        truth: (H, W) uint8 with 0 background, 1 foreground, 255 ignored.

    Returns:
        values by protocol and name; NaN where undefined: all with ignored pixels, weighted F without foreground.
    """
    nothing = dict.fromkeys(NAMES, float("nan"))
    if np.any(truth == IGNORED) or not truth.size:
        return {"raw": nothing, "stretched": nothing}
    top = np.iinfo(probability.dtype).max if np.issubdtype(probability.dtype, np.integer) else 1
    raw = probability.astype(np.float64) / top
    low, high = raw.min(), raw.max()
    if (low, high) == (0, 1):
        values = _measures(raw, truth == 1)
        return {"raw": values, "stretched": values}
    stretched = (raw - low) / (high - low) if high > low else np.zeros_like(raw)
    return {"raw": _measures(raw, truth == 1), "stretched": _measures(stretched, truth == 1)}


def _measures(probability: np.ndarray, foreground: np.ndarray) -> dict[str, float]:
    from py_sod_metrics import Emeasure, Smeasure, WeightedFmeasure  # imports scipy.ndimage and skimage: slow

    values = {}
    structure, alignment, weighted = Smeasure(), Emeasure(), WeightedFmeasure()
    structure.step(probability, foreground, normalize=False)
    alignment.step(probability, foreground, normalize=False)
    values["s_measure"] = float(structure.get_results()["sm"])
    values["e_measure"] = float(alignment.get_results()["em"]["curve"].mean())
    values["weighted_f"] = float("nan")
    if foreground.any():
        weighted.step(probability, foreground, normalize=False)
        values["weighted_f"] = float(weighted.get_results()["wfm"])
    return values
