"""Calibration errors over equal-width bins.

All functions take the `Counts` of one protocol and return a fraction, not percent. Bins are right-closed on the score,
decided exactly (see `levels`); pixels of all images are pooled. Each raises `Undefined` where no pixel counts.
"""

from __future__ import annotations

import numpy as np

from pipeline_src.statistics.counts import Counts
from pipeline_src.statistics.views import Undefined, View, positive, top_label


def _bins(view: View, bins: int) -> tuple[View, int]:
    n = int(view.count.sum())
    if n == 0:
        raise Undefined("no pixel counts")
    return view.binned(bins), n


def ece(counts: Counts, bins: int = 10) -> float:
    """Expected calibration error of the top label, sum over bins of n_k/N |conf_k - acc_k|, in [0, 1].

    Reference: Naeini, Cooper, Hauskrecht, AAAI 2015; Guo et al., ICML 2017; paper section 4.
    """
    view, n = _bins(top_label(counts), bins)
    return float(np.abs(view.excess).sum() / n)


def positive_ece(counts: Counts, bins: int = 10) -> float:
    """ECE of the positive class, sum over bins of n_k/N |mean f - share of foreground|, in [0, 1].

    Not the ECE of the literature on dense prediction: bins of f in [0, 1], of which background fills the lowest.
    """
    view, n = _bins(positive(counts), bins)
    return float(np.abs(view.excess).sum() / n)


def mce(counts: Counts, bins: int = 10) -> float:
    """Maximum calibration error of the top label, the largest |conf_k - acc_k| of a bin with pixels, in [0, 1].

    Reference: Naeini, Cooper, Hauskrecht, AAAI 2015.
    """
    view, _ = _bins(top_label(counts), bins)
    met = view.count > 0
    return float(np.max(np.abs(view.excess[met]) / view.count[met]))


def oe(counts: Counts, bins: int = 10) -> float:
    """Over-confidence error of the top label, sum over bins of n_k/N conf_k max(conf_k - acc_k, 0), in [0, 1].

    Reference: Thulasidasan et al., NeurIPS 2019; paper section 4.
    """
    view, n = _bins(top_label(counts), bins)
    return _weighted(view, np.maximum(view.excess, 0), n)


def ue(counts: Counts, bins: int = 10) -> float:
    """Under-confidence error of the top label, the mirror of OE: sum of n_k/N conf_k max(acc_k - conf_k, 0), in [0, 1].

    The weight is the confidence, as in OE, so that the two are on one scale: both at most the ECE.
    """
    view, n = _bins(top_label(counts), bins)
    return _weighted(view, np.maximum(-view.excess, 0), n)


def _weighted(view: View, gap: np.ndarray, n: int) -> float:
    confidence = view.score / np.maximum(view.count, 1)
    return float((confidence * gap).sum() / n)
