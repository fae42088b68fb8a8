"""Calibration errors of one protocol's `Counts`: fractions in [0, 1], not percent.

Pixels of all images are pooled. Bins are right-closed on the score and decided exactly (see `levels`). The score is the
confidence of the top label, unless the name says `positive`. Each raises `Undefined` where no pixel counts.

Estimators that sort pixels (equal mass, sweep) take the pixels of one level as tied. For 8-bit and 16-bit maps that is
what they are, and the numbers are exact; for float maps a level is 1 / LEVELS = 1.5e-5 wide, see `equal_mass_bound`.
"""

from __future__ import annotations

from pipeline_src.counting.counts import Counts
from pipeline_src.counting.levels import LEVELS
from pipeline_src.counting.views import positive, top_label
from pipeline_src.metrics import estimators

SMOOTH_CELLS = 6630  # cells of the smooth ECE: 1.5e-4 wide, far below the widths that it finds
AUTHORS_BINS = 100


def ece(counts: Counts, bins: int = 10) -> float:
    """Expected calibration error, sum over bins of n_k/N |conf_k - acc_k|.

    Reference: Naeini, Cooper, Hauskrecht, AAAI 2015; Guo et al., ICML 2017; paper section 4.
    """
    return float(estimators.ece(top_label(counts).binned(bins).bins))


def mce(counts: Counts, bins: int = 10) -> float:
    """Maximum calibration error, the largest |conf_k - acc_k| of a bin with pixels.

    Reference: Naeini, Cooper, Hauskrecht, AAAI 2015.
    """
    return float(estimators.mce(top_label(counts).binned(bins).bins))


def oe(counts: Counts, bins: int = 10) -> float:
    """Over-confidence error, sum over bins of n_k/N conf_k max(conf_k - acc_k, 0).

    Reference: Thulasidasan et al., NeurIPS 2019; paper section 4.
    """
    return float(estimators.oe(top_label(counts).binned(bins).bins))


def ue(counts: Counts, bins: int = 10) -> float:
    """Under-confidence error, the mirror of OE: sum over bins of n_k/N conf_k max(acc_k - conf_k, 0).

    The weight is the confidence, as in OE, so that the two are on one scale: OE + UE is at most the ECE.
    """
    return float(estimators.ue(top_label(counts).binned(bins).bins))


def positive_ece(counts: Counts, bins: int = 10) -> float:
    """ECE of the positive class, sum over bins of n_k/N |mean f - share of foreground|.

    Not the ECE of the literature on dense prediction: bins of f in [0, 1], of which background fills the lowest. The
    class-wise ECE of two classes is the same number (but for pixels on edges).
    """
    return float(estimators.ece(positive(counts).binned(bins).bins))


def ece_equal_mass(counts: Counts, bins: int = 10) -> float:
    """ECE over `bins` groups of exactly N/bins pixels each, in the order of confidence.

    Tied pixels have no order: they are spread evenly over the groups that they meet, in exact fractions.
    Reference: Nguyen and O'Connor, EMNLP 2015 (adaptive binning); paper section 4.
    """
    return float(estimators.equal_mass(top_label(counts).bins, bins))


def ece_sweep(counts: Counts) -> float:
    """Equal-mass ECE with as many groups as keep the accuracy monotone in confidence, counting up from one group.

    Ties as in `ece_equal_mass`; at most as many groups as there are distinct levels. L1 norm.
    Reference: Roelofs et al., AISTATS 2022.
    """
    return float(estimators.sweep(top_label(counts).bins))


def ece_debiased(counts: Counts, bins: int = 10) -> float:
    """Debiased calibration error in its root form, over equal-width bins.

    Root of sum over bins of n_k/N ((conf_k - acc_k)^2 - acc_k (1 - acc_k) / (n_k - 1)), 0 where that sum is negative;
    a bin of one pixel is not debiased. An L2 error: not smaller than the ECE by nature.
    Reference: Broecker, Climate Dynamics 2012; Ferro and Fricker, QJRMS 2012; Roelofs et al., AISTATS 2022.
    """
    return float(estimators.debiased(top_label(counts).binned(bins).bins))


def ece_debiased_authors(counts: Counts) -> float:
    """The released program's debiased error: 100 equal-width bins, conf_k (1 - conf_k) for the variance, no root.

    May be slightly negative. A bin of one pixel, infinite there, is not debiased here. Reference: paper section 4.
    """
    return float(estimators.debiased_authors(top_label(counts).binned(AUTHORS_BINS).bins))


def smooth_ece(counts: Counts) -> float:
    """Smooth ECE: the error after smoothing by a reflected Gaussian whose width equals that error.

    Computed on 6,630 cells. Reference: Blasiok and Nakkiran, ICLR 2024 (arXiv 2309.12236).
    """
    return float(estimators.smooth(top_label(counts).binned(SMOOTH_CELLS).bins))


def brier_reliability(counts: Counts, bins: int = 10) -> float:
    """Reliability term of the Brier score of the positive class, sum of n_k/N (mean f - foreground share)^2.

    Brier = reliability - resolution + uncertainty + what varies within bins. Reference: Murphy, J. Appl. Met. 1973.
    """
    return float(estimators.reliability(positive(counts).binned(bins).bins))


def brier_resolution(counts: Counts, bins: int = 10) -> float:
    """Resolution term of the Brier score of the positive class, see `brier_reliability`."""
    return float(estimators.resolution(positive(counts).binned(bins).bins))


def brier_uncertainty(counts: Counts) -> float:
    """Uncertainty term of the Brier score, h (1 - h) with h the share of foreground."""
    return float(estimators.uncertainty(positive(counts).bins))


def equal_mass_bound(counts: Counts, bins: int = 10) -> float:
    """How far `ece_equal_mass` of float maps can be from the value on sorted pixels: by hits that change the group, see
    `estimators.equal_mass_bound`, and by the order of confidences within a level, at most its width."""
    return estimators.equal_mass_bound(top_label(counts).bins, bins) + 1 / LEVELS


def sweep_bound(counts: Counts) -> float:
    """The same for `ece_sweep`, provided that sorted pixels allow the same number of groups."""
    row = top_label(counts).bins
    return estimators.equal_mass_bound(row, estimators.sweep_groups(row)[1]) + 1 / LEVELS
