"""The registry of metrics, and their exact values.

A new metric is a function (in `estimators`, or a file of its own) and an entry here
(docs/contributing/extending.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from types import MappingProxyType

import numpy as np

from pipeline_src.counting.bins import UndefinedMetricError
from pipeline_src.counting.counts import Counts
from pipeline_src.metrics import estimators, image_inputs
from pipeline_src.metrics.cells import CLASSES, TOP
from pipeline_src.metrics.image_inputs import (
    ClassAreas,
    ImageMean,
    f_curves,
    image_errors,
    whole_map_measure,
)
from pipeline_src.metrics.inputs import (
    Arguments,
    Binned,
    BinNoise,
    Input,
    Ordered,
    PixelMeans,
    Ranked,
)
from pipeline_src.metrics.metric import (
    HIGH,
    NEITHER,
    NOT_NEGATIVE,
    SIGNED,
    Metric,
    fraction,
    percent,
    same,
    squared,
)

# Names of metrics by which differences of calibration errors are decided (`Metric.decided_by`).
SQUARED = "squared_error"
OVER = "squared_overconfidence"
SQUARED_CLASSES = "classwise_squared_error"
NAEINI = "Naeini, Cooper, Hauskrecht, AAAI 2015"
# Reasons why a metric is undefined.
FEW_IMAGES = "its variance needs two images, or two groups of them"
NO_FOREGROUND = "no image has foreground"
NO_RATES = "no image has both foreground and background"
WHOLE_MAPS = "no image has it: it is measured on whole maps, and needs masks without ignored pixels"
# The main metrics, which are shown where there is room for a few.
SUMMARY = ("ece", "oe", "accuracy", "mean_iou", "brier", "nll")

BINS = Binned(TOP)
NOISE = BinNoise(TOP)
CLASS_BINS = Binned(CLASSES)
CLASS_NOISE = BinNoise(CLASSES)
RANKED = Ranked()
F_CURVE = ImageMean(f_curves)
RATES = ImageMean(image_inputs.rate_curves, few=True)

METRICS = MappingProxyType(
    {
        # Calibration errors
        "ece": percent(
            "ECE",
            BINS,
            estimators.ece,
            "Expected calibration error, Σ n_k/N abs(conf_k − acc_k) over equal-width bins, "
            "right-closed on confidence.",
            reference=f"{NAEINI}; Guo et al., ICML 2017",
            decided_by=SQUARED,
            floor="ece_floor",
        ),
        "mce": percent(
            "MCE",
            BINS,
            estimators.mce,
            "Maximum calibration error, the largest abs(conf_k − acc_k) of a bin with pixels.",
            reference=NAEINI,
            decided_by=SQUARED,
        ),
        "oe": percent(
            "OE",
            BINS,
            estimators.oe,
            "Overconfidence error, Σ n_k/N conf_k max(conf_k − acc_k, 0).",
            reference="Thulasidasan et al., NeurIPS 2019",
            decided_by=OVER,
        ),
        "gap": percent(
            "confidence − accuracy",
            PixelMeans("confidence", "correct"),
            np.subtract,
            "Mean confidence minus accuracy: above 0 for an overconfident network.",
            better=NEITHER,
            range=SIGNED,
        ),
        "classwise_ece": percent(
            "class-wise ECE",
            CLASS_BINS,
            estimators.ece,
            "Mean over classes of the ECE of p_k, a hit being a pixel of class k.",
            reference="Kull et al., NeurIPS 2019",
            decided_by=SQUARED_CLASSES,
        ),
        "image_ece": percent(
            "mean ECE of the images",
            ImageMean(image_errors, classes="any"),
            same,
            "Mean over images of the ECE of each image.",
            heading="image ECE %",
        ),
        "ece_equal_mass": percent(
            "equal-mass ECE",
            Ordered(groups=True),
            estimators.equal_mass,
            "ECE over groups of exactly N/bins pixels in the order of confidence; ties are spread "
            "evenly over the groups.",
            reference="Nguyen and O'Connor, EMNLP 2015",
            decided_by=SQUARED,
        ),
        "ece_sweep": percent(
            "ECE_SWEEP",
            Ordered(),
            estimators.sweep,
            "Equal-mass ECE with as many groups as keep the accuracy monotone in confidence, "
            "counting up from one group.",
            reference="Roelofs et al., AISTATS 2022",
            decided_by=SQUARED,
        ),
        "smooth_ece": percent(
            "smooth ECE",
            Ordered(cells=6630),  # 1.5e-4 wide, far below the widths that it finds
            estimators.smooth,
            "The error after smoothing by a reflected Gaussian whose width equals that error.",
            reference="Błasiok and Nakkiran, ICLR 2024",
            decided_by=SQUARED,
        ),
        "ece_debiased": percent(
            "debiased root-mean-square calibration error",
            NOISE,
            estimators.debiased,
            "Root of the squared calibration error, 0 where that is negative.",
            heading="debiased RMS %",
            undefined=FEW_IMAGES,
            decided_by=SQUARED,
        ),
        # A calibrated network lies above it about half of the time, of fewer than 50 images more
        # often.
        "ece_floor": percent(
            "noise floor of the ECE",
            NOISE,
            estimators.noise_floor,
            "Mean ECE that a perfectly calibrated network of this variance over images would "
            "measure on so many of them: Σ √(2 V_k/π)/N.",
            heading="floor %",
            better=NEITHER,
            undefined=FEW_IMAGES,
        ),
        SQUARED: squared(
            "squared calibration error",
            NOISE,
            estimators.squared_error,
            "Σ (E_k² − V_k)/n_k/N: E_k is the summed confidence of a bin less its hits, V_k the "
            "sampling variance of E_k over images, or over groups of them that are not "
            "independent.",
            heading="squared, debiased",
            undefined=FEW_IMAGES,
        ),
        OVER: squared(
            "squared overconfidence",
            NOISE,
            estimators.squared_overconfidence,
            "The terms of the squared calibration error of the bins in which conf_k is above "
            "acc_k; it decides differences of OE.",
            heading="squared over, debiased",
            undefined=FEW_IMAGES,
        ),
        SQUARED_CLASSES: squared(
            "class-wise squared calibration error",
            CLASS_NOISE,
            estimators.squared_error,
            f"Mean over classes of {SQUARED} in bins of p_k, a hit being a pixel of class k; it "
            "decides differences of class-wise ECE.",
            heading="class-wise squared, debiased",
            undefined=FEW_IMAGES,
        ),
        # Accuracy, entropy, proper scores, and rankings of pixels by confidence
        "accuracy": percent(
            "accuracy",
            PixelMeans("correct"),
            same,
            "Share of pixels whose predicted class, [f ≥ 0.5] or the top one of K, is their label.",
            heading="Acc. %",
            better=HIGH,
        ),
        "brier": Metric(
            "Brier",
            PixelMeans("brier"),
            same,
            "Brier score, mean of (f − y)²; of K classes the sum over classes, in [0, 2].",
            digits=4,
            reference="Brier, Monthly Weather Review 1950",
            range=(0, 2),
        ),
        "nll": Metric(
            "NLL",
            PixelMeans("nll"),
            same,
            "Mean of −log of the probability given to the label, in nats, clamped to "
            "[1e-7, 1 − 1e-7].",
            unit="nats",
            needs_true_class=True,
            range=NOT_NEGATIVE,
        ),
        "entropy": Metric(
            "entropy",
            PixelMeans("entropy"),
            same,
            "Mean entropy of the predicted distribution, in nats, clamped likewise.",
            unit="nats",
            better=NEITHER,
            range=NOT_NEGATIVE,
        ),
        "mae": fraction(
            "MAE",
            PixelMeans("absolute", classes="two"),
            same,
            "Mean absolute error, abs(f − y), over all pixels.",
        ),
        "image_mae": fraction(
            "MAE of the images",
            ImageMean(image_inputs.absolute_errors),
            same,
            "Mean over images of the mean absolute error of each image, as the released evaluation "
            "has it.",
            heading="image MAE",
        ),
        "aurc": fraction(
            "AURC",
            RANKED,
            estimators.aurc,
            "Area under the risk-coverage curve: mean over i of the error rate of the i most "
            "confident pixels.",
            digits=4,
            reference="Geifman, Uziel, El-Yaniv, ICLR 2019",
        ),
        "augrc": Metric(
            "AUGRC",
            RANKED,
            estimators.augrc,
            "Area under the generalized risk-coverage curve: mean over coverages of the "
            "errors among the pixels kept, as a share of all pixels. 0.5 if all are wrong.",
            digits=5,
            reference="Traub et al., NeurIPS 2024",
            range=(0, 0.5),
        ),
        # Masks and whole maps: overlap, F, S and E
        # Too high with few images, on which its threshold is chosen: intervals from 8 to 30 images
        # cover 72 to 82 %.
        "max_f": fraction(
            "max F",
            F_CURVE,
            lambda curve: curve.max(axis=-1),
            "Largest value of the mean of the images' F curves (β² = 0.3): one threshold for all "
            "images.",
            better=HIGH,
            undefined=NO_FOREGROUND,
            reference="Achanta et al., CVPR 2009",
        ),
        "mean_f": fraction(
            "mean F",
            F_CURVE,
            lambda curve: curve.mean(axis=-1),
            "Mean over 256 thresholds of the images' mean F curve.",
            better=HIGH,
            undefined=NO_FOREGROUND,
        ),
        "s_measure": fraction(
            "S-measure",
            ImageMean(whole_map_measure("s_measure")),
            same,
            "Mean S-measure of the images.",
            heading="S",
            better=HIGH,
            undefined=WHOLE_MAPS,
            reference="Fan et al., ICCV 2017",
        ),
        "max_e": Metric(
            "max E",
            ImageMean(image_inputs.e_curves, few=True),
            lambda curve: curve.max(axis=-1),
            "Largest value of the mean of the images' E curves: one threshold for all images.",
            better=HIGH,
            undefined=WHOLE_MAPS,
            reference="Fan et al., IJCAI 2018",
            range=NOT_NEGATIVE,
        ),
        "e_measure": Metric(
            "mean E",
            ImageMean(whole_map_measure("e_measure")),
            same,
            "Mean of the images' mean E-measures over 256 thresholds.",
            better=HIGH,
            undefined=WHOLE_MAPS,
            reference="Fan et al., IJCAI 2018",
            range=NOT_NEGATIVE,
        ),
        "weighted_f": fraction(
            "weighted F",
            ImageMean(whole_map_measure("weighted_f")),
            same,
            "Mean over images of F1 with errors weighted by their place, where `evaluation: "
            "weighted_f` or `judge --weighted-f` asks for it.",
            better=HIGH,
            undefined=WHOLE_MAPS,
            on_request=True,
            reference="Margolin, Zelnik-Manor, Tal, CVPR 2014",
        ),
        "ap": fraction(
            "AP",
            RATES,
            estimators.average_precision,
            "Area under the mean precision over the mean recall of the images at 256 thresholds; "
            "images without a predicted pixel have no precision.",
            better=HIGH,
            undefined=NO_RATES,
        ),
        "auc": fraction(
            "AUC",
            RATES,
            estimators.auc,
            "Area under the mean true over the mean false positive rate of the images at 256 "
            "thresholds.",
            better=HIGH,
            undefined=NO_RATES,
        ),
        "mean_iou": percent(
            "mIoU",
            ClassAreas(),
            estimators.mean_iou,
            "Mean of intersection over union of the classes that occur, as label or prediction.",
            better=HIGH,
            needs_true_class=True,
        ),
    }
)


def value(name: str, counts: Counts, bins: int = 10) -> float:
    """Return one metric of counts, computed from all pixels.

    Args:
        name: a key of `METRICS`.
        bins: number of equal-width bins, a divisor of `levels.LEVELS`.
    """
    return _value(METRICS[name], counts, lambda source: source.exact(counts, bins))


def summary(
    counts: Counts, bins: int = 10, names: Iterable[str] | None = None
) -> tuple[dict[str, float], dict[str, str]]:
    """Return metrics by name, and the reason for each that is undefined.

    Metrics on request, which are slow, are left out where they were not measured, because their
    absence is no fault.

    Args:
        bins: number of equal-width bins, a divisor of `levels.LEVELS`.
        names: of the metrics, by default all for this number of classes.
    """
    values = {}
    reasons = {}
    # Many metrics have the same arguments, which are computed once.
    exact = cache(lambda source: source.exact(counts, bins))
    if names is None:
        # Saved maps can have two classes of which none is the positive one: counted as several.
        names = metric_names(max(3, len(counts.classes)) if counts.classes else 2)
    for name in names:
        try:
            values[name] = _value(METRICS[name], counts, exact)
        except UndefinedMetricError as reason:
            if not METRICS[name].on_request:
                reasons[name] = str(reason)
    return values, reasons


def metric_names(classes: int) -> list[str]:
    """Return the names of the metrics that are defined for a number of classes.

    Args:
        classes: 2 for one object and its background, else K.
    """
    number = "several" if classes > 2 else "two"
    return [name for name, metric in METRICS.items() if metric.classes in ("any", number)]


def _value(metric: Metric, counts: Counts, arguments_of: Callable[[Input], Arguments]) -> float:
    """Return one metric; raises `UndefinedMetricError` with the reason where it is undefined.

    Args:
        arguments_of: an input -> the arguments of a metric for these counts.
    """
    # The confusion matrix leaves out pixels on which no class is right.
    confusion = counts.confusion
    if metric.needs_true_class and confusion is not None and confusion.sum() < counts.pixels:
        raise UndefinedMetricError("on some pixels no class is right")
    if counts.pixels == 0:
        raise UndefinedMetricError("no pixel counts")
    if not metric.input.pooled and not len(counts.images):
        raise UndefinedMetricError("counts without rows per image do not measure it")
    with np.errstate(invalid="ignore", divide="ignore"):
        number = float(metric.function(*arguments_of(metric.input)))
    if np.isnan(number):
        raise UndefinedMetricError(metric.undefined)
    return number
