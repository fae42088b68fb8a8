"""How well scores rank pixels: risk-coverage, precision-recall, ROC. Functions of one protocol's `Counts`.

The pixels of one level count as tied, which is exact for 8-bit and 16-bit maps; for float maps see `auc_bound` and
`ap_bound`. Each raises `Undefined` where no pixel counts or the quantity does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline_src.counting.counts import Counts
from pipeline_src.counting.views import Undefined, positive, top_label
from pipeline_src.metrics import estimators
from pipeline_src.metrics.estimators import Bins


def aurc(counts: Counts) -> float:
    """Area under the risk-coverage curve, in [0, 1]: the mean over i of the error rate of the i most confident pixels.

    Ties are spread evenly. Reference: Geifman, Uziel, El-Yaniv, ICLR 2019.
    """
    return float(estimators.aurc(top_label(counts).bins))


def auc(counts: Counts) -> float:
    """Area under the ROC curve of the positive class, in [0, 1]; ties count half. Reference: Hanley, McNeil 1982."""
    return float(estimators.auc(_both(counts)))


def ap(counts: Counts) -> float:
    """Average precision of the positive class, in [0, 1]: sum of recall gains times precision, not interpolated.

    The pixels of a level are taken together. Reference: Boyd, Eng, Page, ECML 2013 (its "average precision").
    """
    return float(estimators.ap(_both(counts, background=False)))


def auc_bound(counts: Counts) -> float:
    """How far `auc` of float maps can be from that of sorted pixels: half the share of pairs within a level."""
    row = _both(counts)
    miss = row.count - row.hits
    return float((row.hits * miss.astype(float)).sum() / 2 / (row.hits.sum() * float(miss.sum())))


def ap_bound(counts: Counts) -> float:
    """How far `ap` of float maps can be from that of sorted pixels, see `estimators.ap_bound`."""
    return estimators.ap_bound(_both(counts, background=False))


def _both(counts: Counts, background: bool = True) -> Bins:
    row = positive(counts).bins
    if not row.hits.any():
        raise Undefined("no image has foreground")
    if background and np.array_equal(row.hits, row.count):
        raise Undefined("no image has background")
    return row


@dataclass
class Curve:
    """A curve over thresholds: x and y, (n,) float64 in [0, 1], and the score at or above which pixels are taken."""

    x: np.ndarray
    y: np.ndarray
    threshold: np.ndarray


def _descending(row: Bins) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels taken and hits among them with falling threshold, one entry per level with pixels; mean scores there."""
    met = np.flatnonzero(row.count)[::-1]
    return np.cumsum(row.count[met]), np.cumsum(row.hits[met]), row.score[met] / row.count[met]


def precision_recall(counts: Counts) -> Curve:
    """Recall (x) and precision (y) of the positive class with falling threshold."""
    taken, found, threshold = _descending(_both(counts, background=False))
    return Curve(found / found[-1], found / taken, threshold)


def roc(counts: Counts) -> Curve:
    """False positive rate (x) and true positive rate (y) of the positive class with falling threshold."""
    taken, found, threshold = _descending(_both(counts))
    return Curve((taken - found) / (taken[-1] - found[-1]), found / found[-1], threshold)


def risk_coverage(counts: Counts) -> Curve:
    """Coverage (x) and error rate of the pixels covered (y), most confident first."""
    taken, right, threshold = _descending(top_label(counts).bins)
    return Curve(taken / taken[-1], 1 - right / taken, threshold)
