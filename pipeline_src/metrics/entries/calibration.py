"""Calibration errors of all pixels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline_src.counting.levels import LEVELS
from pipeline_src.metrics import estimators, smooth_ece
from pipeline_src.metrics.inputs import Binned, BinNoise, Input, PixelMeans
from pipeline_src.metrics.metric import NEITHER, SIGNED, Metric, percent
from pipeline_src.metrics.protocol_counts import CLASSES, POSITIVE, TOP
from pipeline_src.metrics.ranked import Ordered

SQUARED, OVER, UNDER = "squared_error", "squared_overconfidence", "squared_underconfidence"
SQUARED_POSITIVE, SQUARED_CLASSES = "positive_squared_error", "classwise_squared_error"
FEW_IMAGES = "its variance needs two images, or two groups of them"
NAEINI = "Naeini, Cooper, Hauskrecht, AAAI 2015"
ROELOFS = "Roelofs et al., AISTATS 2022"


def squared(title: str, input: Input, function: Callable, definition: str, heading: str) -> Metric:
    """A squared error that decides differences of an error."""
    return Metric(
        title=title,
        input=input,
        function=function,
        definition=definition,
        heading=heading,
        factor=1e4,
        digits=2,
        unit="points²",
        undefined=FEW_IMAGES,
    )


CALIBRATION: dict[str, Metric] = {
    "ece": percent(
        "ECE",
        Binned(TOP),
        estimators.ece,
        "Expected calibration error, Σ n_k/N abs(conf_k − acc_k) over equal-width bins, right-closed on confidence.",
        reference=f"{NAEINI}; Guo et al., ICML 2017",
        decided_by=SQUARED,
        floor="ece_floor",
    ),
    "mce": percent(
        "MCE",
        Binned(TOP),
        estimators.mce,
        "Maximum calibration error, the largest abs(conf_k − acc_k) of a bin with pixels.",
        reference=NAEINI,
        decided_by=SQUARED,
    ),
    "ace": percent(
        "average calibration error",
        Binned(TOP),
        estimators.ace,
        "Mean of abs(conf_k − acc_k) over the bins with pixels: the many confident pixels of background weigh no "
        "more than the few uncertain ones.",
        heading="ACE %",
        reference="Neumann, Zisserman, Vedaldi, NeurIPS 2018 workshop MLITS",
        decided_by=SQUARED,
    ),
    "oe": percent(
        "OE",
        Binned(TOP),
        estimators.oe,
        "Overconfidence error, Σ n_k/N conf_k max(conf_k − acc_k, 0).",
        reference="Thulasidasan et al., NeurIPS 2019",
        decided_by=OVER,
    ),
    "ue": percent(
        "UE",
        Binned(TOP),
        estimators.ue,
        "Underconfidence error, the mirror of OE: Σ n_k/N conf_k max(acc_k − conf_k, 0).",
        decided_by=UNDER,
    ),
    "gap": percent(
        "confidence − accuracy",
        PixelMeans("confidence", "correct"),
        np.subtract,
        "Mean confidence minus accuracy: above 0 for an overconfident network.",
        better=NEITHER,
        range=SIGNED,
    ),
    "positive_ece": percent(
        "ECE of the positive class",
        Binned(POSITIVE),
        estimators.ece,
        "Σ n_k/N abs(mean f − share of foreground) over bins of f, of which background fills the lowest.",
        heading="positive ECE %",
        decided_by=SQUARED_POSITIVE,
    ),
    "classwise_ece": percent(
        "class-wise ECE",
        Binned(CLASSES),
        estimators.ece,
        "Mean over classes of the ECE of p_k, a hit being a pixel of class k.",
        heading="class-wise %",
        reference="Kull et al., NeurIPS 2019",
        decided_by=SQUARED_CLASSES,
    ),
    "ece_equal_mass": percent(
        "equal-mass ECE",
        Ordered(TOP, groups=True),
        estimators.equal_mass,
        "ECE over groups of exactly N/bins pixels in the order of confidence; ties are spread evenly over the groups.",
        heading="equal mass %",
        reference="Nguyen and O'Connor, EMNLP 2015",
        decided_by=SQUARED,
        bound=lambda cells, groups: estimators.equal_mass_bound(cells, groups) + 1 / LEVELS,
    ),
    "ece_sweep": percent(
        "ECE_SWEEP",
        Ordered(TOP),
        estimators.sweep,
        "Equal-mass ECE with as many groups as keep the accuracy monotone in confidence, counting up from one group.",
        heading="sweep %",
        reference=ROELOFS,
        decided_by=SQUARED,
        bound=lambda cells: estimators.equal_mass_bound(cells, estimators.sweep_groups(cells)[1]) + 1 / LEVELS,
    ),
    "smooth_ece": percent(
        "smooth ECE",
        Ordered(TOP, cells=6630),  # 1.5e-4 wide, far below the widths that it finds
        smooth_ece.smooth,
        "The error after smoothing by a reflected Gaussian whose width equals that error.",
        heading="smooth %",
        reference="Błasiok and Nakkiran, ICLR 2024",
        decided_by=SQUARED,
    ),
    SQUARED: squared(
        "squared calibration error",
        BinNoise(TOP),
        estimators.squared_error,
        "Σ (E_k² − V_k)/n_k/N: E_k is the summed confidence of a bin less its hits, V_k the sampling variance of E_k "
        "over images, or over groups of them that are not independent.",
        heading="squared, debiased",
    ),
    OVER: squared(
        "squared overconfidence",
        BinNoise(TOP),
        estimators.squared_overconfidence,
        "The terms of the squared calibration error of the bins in which conf_k is above acc_k; it decides "
        "differences of OE.",
        heading="squared over, debiased",
    ),
    UNDER: squared(
        "squared underconfidence",
        BinNoise(TOP),
        estimators.squared_underconfidence,
        "As squared_overconfidence, of the bins in which conf_k is below acc_k; it decides differences of UE.",
        heading="squared under, debiased",
    ),
    SQUARED_POSITIVE: squared(
        "squared calibration error of the positive class",
        BinNoise(POSITIVE),
        estimators.squared_error,
        f"{SQUARED} in bins of f, where E_k is the summed f of a bin less its foreground; it decides differences of "
        "positive ECE, reliability and MCB.",
        heading="positive squared, debiased",
    ),
    SQUARED_CLASSES: squared(
        "class-wise squared calibration error",
        BinNoise(CLASSES),
        estimators.squared_error,
        f"Mean over classes of {SQUARED} in bins of p_k, a hit being a pixel of class k; it decides differences of "
        "class-wise ECE.",
        heading="class-wise squared, debiased",
    ),
    "ece_debiased": percent(
        "debiased root-mean-square calibration error",
        BinNoise(TOP),
        estimators.debiased,
        "Root of the squared calibration error, 0 where that is negative.",
        heading="debiased RMS %",
        undefined=FEW_IMAGES,
        decided_by=SQUARED,
    ),
    # A calibrated network lies above it about half of the time, of fewer than 50 images more often.
    "ece_floor": percent(
        "noise floor of the ECE",
        BinNoise(TOP),
        estimators.noise_floor,
        "Mean ECE that a perfectly calibrated network of this variance over images would measure on so many of them: "
        "Σ √(2 V_k/π)/N.",
        heading="floor %",
        better=NEITHER,
        undefined=FEW_IMAGES,
    ),
    "ece_debiased_pixels": percent(
        "root-mean-square calibration error debiased over pixels",
        Binned(TOP),
        estimators.debiased_over_pixels,
        "Root of Σ n_k/N ((conf_k − acc_k)² − acc_k (1 − acc_k)/(n_k − 1)), 0 where that sum is negative.",
        heading="debiased RMS over pixels %",
        reference=f"Bröcker, Climate Dynamics 2012; Ferro and Fricker, QJRMS 2012; {ROELOFS}",
        decided_by=SQUARED,
    ),
    "ece_debiased_authors": percent(
        "debiased error of the released program",
        Binned(TOP, 100),
        estimators.debiased_authors,
        "ece_debiased_pixels over 100 bins, with conf_k (1 − conf_k) for the variance and no root.",
        heading="debiased (released) %",
        digits=4,
        range=(-1, 1),
    ),
}
