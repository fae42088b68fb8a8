"""The registry of metrics: the one source of tables, intervals, the report, `judge` and docs/metrics.md.

A new metric is a function (in `estimators`, or a file of its own) and an entry in `further`, as those of
rankings and of single images (docs/guides/metric.md): this file is as long as one may be.
"""

from __future__ import annotations

import numpy as np

from pipeline_src.counting.levels import LEVELS
from pipeline_src.metrics import estimators, smooth_ece
from pipeline_src.metrics.cells import CLASSES, POSITIVE, TOP
from pipeline_src.metrics.further import FURTHER, OVER, ROELOFS, SQUARED, SQUARED_CLASSES, SQUARED_POSITIVE, UNDER
from pipeline_src.metrics.inputs import Binned, Ordered
from pipeline_src.metrics.metric import HIGH, NEITHER, NOT_NEGATIVE, SIGNED, Metric, fraction, percent, plain
from pipeline_src.metrics.row_inputs import ClassAreas, ImageMeans, MeanFCurve, PixelMeans, PooledLevels, f_curve


def _same(mean: np.ndarray) -> np.ndarray:
    return mean


CONFIDENCE, PROBABILITY = Binned(TOP), Binned(POSITIVE)
FOREGROUND = "no image has foreground"
WHOLE_MAPS = "no image has it: it is measured on whole maps, and needs masks without ignored pixels"
NAEINI = "Naeini, Cooper, Hauskrecht, AAAI 2015"
CORP = "Dimitriadis, Gneiting, Jordan, PNAS 2021"
MURPHY = "Murphy, Journal of Applied Meteorology 1973"

METRICS: dict[str, Metric] = {
    "ece": percent(
        "ECE",
        CONFIDENCE,
        estimators.ece,
        "Expected calibration error, Σ n_k/N abs(conf_k − acc_k) over equal-width bins, right-closed on confidence.",
        reference=f"{NAEINI}; Guo et al., ICML 2017",
        decided_by=SQUARED,
        floor="ece_floor",
    ),
    "mce": percent(
        "MCE",
        CONFIDENCE,
        estimators.mce,
        "Maximum calibration error, the largest abs(conf_k − acc_k) of a bin with pixels.",
        reference=NAEINI,
        decided_by=SQUARED,
    ),
    "oe": percent(
        "OE",
        CONFIDENCE,
        estimators.oe,
        "Over-confidence error, Σ n_k/N conf_k max(conf_k − acc_k, 0).",
        reference="Thulasidasan et al., NeurIPS 2019",
        decided_by=OVER,
    ),
    "ue": percent(
        "UE",
        CONFIDENCE,
        estimators.ue,
        "Under-confidence error, the mirror of OE: Σ n_k/N conf_k max(acc_k − conf_k, 0). OE + UE is at most the ECE.",
        decided_by=UNDER,
    ),
    "positive_ece": percent(
        "ECE of the positive class",
        PROBABILITY,
        estimators.ece,
        "Σ n_k/N abs(mean f − share of foreground) over bins of f, of which background fills the lowest.",
        heading="positive ECE %",
        decided_by=SQUARED_POSITIVE,
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
    "brier_reliability": fraction(
        "reliability",
        PROBABILITY,
        estimators.reliability,
        "Reliability term of the Brier score of the positive class, Σ n_k/N (mean f − foreground share)².",
        digits=4,
        reference=MURPHY,
        decided_by=SQUARED_POSITIVE,
    ),
    "brier_resolution": fraction(
        "resolution",
        PROBABILITY,
        estimators.resolution,
        "Resolution term of the same, Σ n_k/N (foreground share_k − foreground share)².",
        digits=4,
        better=HIGH,
        reference=MURPHY,
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
    "brier_uncertainty": fraction(
        "uncertainty",
        PROBABILITY,
        estimators.uncertainty,
        "Uncertainty term of the Brier score, h (1 − h) with h the share of foreground.",
        digits=4,
        better=NEITHER,
        reference=MURPHY,
    ),
    "mcb": fraction(
        "miscalibration",
        Ordered(POSITIVE),
        estimators.miscalibration,
        "What isotonic recalibration of f would save of the Brier score, which is MCB − DSC + uncertainty. No bins.",
        heading="MCB",
        digits=4,
        reference=CORP,
        decided_by=SQUARED_POSITIVE,
    ),
    "dsc": fraction(
        "discrimination",
        Ordered(POSITIVE),
        estimators.discrimination,
        "What f, so recalibrated, saves over a constant f, the share of foreground. 0 for a constant map.",
        heading="DSC",
        digits=4,
        better=HIGH,
        reference=CORP,
    ),
    "accuracy": percent(
        "accuracy",
        PixelMeans("correct"),
        _same,
        "Share of pixels whose predicted class, [f ≥ 0.5] or the top one of K, is their label.",
        heading="Acc. %",
        better=HIGH,
    ),
    "brier": plain(
        "Brier",
        PixelMeans("brier"),
        _same,
        "Brier score, mean of (f − y)²; of K classes the sum over classes, in [0, 2].",
        digits=4,
        reference="Brier, Monthly Weather Review 1950",
        range=(0, 2),
    ),
    "nll": plain(
        "NLL",
        PixelMeans("nll"),
        _same,
        "Mean of −log of the probability given to the label, in nats, clamped to [1e-7, 1 − 1e-7].",
        unit="nats",
        needs_true_class=True,
        range=NOT_NEGATIVE,
    ),
    "entropy": plain(
        "entropy",
        PixelMeans("entropy"),
        _same,
        "Mean entropy of the predicted distribution, in nats, clamped likewise.",
        heading="Entropy",
        unit="nats",
        better=NEITHER,
        range=NOT_NEGATIVE,
    ),
    "mae": fraction(
        "MAE",
        PixelMeans("absolute", classes="two"),
        _same,
        "Mean absolute error, abs(f − y), over all pixels.",
    ),
    "image_mae": fraction(
        "mean MAE of the images",
        ImageMeans("absolute"),
        _same,
        "Mean over images of the image's mean abs(f − y): MAE of saliency papers.",
        heading="image MAE",
        reference="Perazzi et al., CVPR 2012",
    ),
    "aurc": fraction(
        "AURC",
        Ordered(TOP),
        estimators.aurc,
        "Area under the risk-coverage curve: mean over i of the error rate of the i most confident pixels.",
        digits=4,
        reference="Geifman, Uziel, El-Yaniv, ICLR 2019",
    ),
    "max_f": fraction(
        "max F",
        MeanFCurve(),
        lambda curve: curve.max(axis=-1),
        "Largest value of the mean of the images' F curves (β² = 0.3): one threshold for all images.",
        better=HIGH,
        undefined=FOREGROUND,
        reference="Achanta et al., CVPR 2009",
    ),
    "mean_f": fraction(
        "mean F",
        MeanFCurve(),
        lambda curve: curve.mean(axis=-1),
        "Mean over 256 thresholds of the same curve.",
        better=HIGH,
        undefined=FOREGROUND,
    ),
    "pooled_max_f": fraction(
        "max F of all pixels",
        PooledLevels(),
        lambda levels: f_curve(levels).max(axis=-1),
        "Largest F over thresholds with the pixels of all images pooled; another quantity than max F.",
        heading="pooled max F",
        better=HIGH,
        undefined=FOREGROUND,
    ),
    "s_measure": fraction(
        "S-measure",
        ImageMeans("s_measure"),
        _same,
        "Mean S-measure of the images.",
        heading="S",
        better=HIGH,
        undefined=WHOLE_MAPS,
        reference="Fan et al., ICCV 2017",
    ),
    "e_measure": plain(
        "E-measure",
        ImageMeans("e_measure"),
        _same,
        "Mean of the images' mean E-measures over 256 thresholds.",
        heading="E",
        better=HIGH,
        undefined=WHOLE_MAPS,
        reference="Fan et al., IJCAI 2018",
        range=NOT_NEGATIVE,
    ),
    "ap": fraction(
        "average precision",
        Ordered(POSITIVE),
        estimators.ap,
        "Σ of gains in recall times precision of the positive class, not interpolated; a level's pixels together.",
        heading="AP",
        better=HIGH,
        undefined=FOREGROUND,
        reference="Boyd, Eng, Page, ECML 2013",
        bound=estimators.ap_bound,
    ),
    "auc": fraction(
        "AUC",
        Ordered(POSITIVE),
        estimators.auc,
        "Area under the ROC curve of the positive class; ties count half.",
        better=HIGH,
        undefined="it needs both foreground and background",
        reference="Hanley, McNeil 1982",
        bound=estimators.auc_bound,
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
    "mean_iou": percent(
        "mIoU",
        ClassAreas(),
        estimators.mean_iou,
        "Mean of intersection over union of the classes that occur, as label or prediction.",
        better=HIGH,
        needs_true_class=True,
    ),
    "gap": percent(
        "confidence − accuracy",
        PixelMeans("confidence", "correct"),
        np.subtract,
        "Mean confidence minus accuracy: above 0 where over-confident.",
        better=NEITHER,
        range=SIGNED,
    ),
    **FURTHER,
}
