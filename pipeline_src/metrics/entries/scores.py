"""Accuracy, entropy, and proper scores with their terms."""

from __future__ import annotations

from pipeline_src.metrics import estimators
from pipeline_src.metrics.entries.calibration import SQUARED_POSITIVE
from pipeline_src.metrics.inputs import Binned, PixelMeans
from pipeline_src.metrics.metric import HIGH, NEITHER, NOT_NEGATIVE, Metric, fraction, percent, same
from pipeline_src.metrics.protocol_counts import POSITIVE
from pipeline_src.metrics.ranked import Ordered

CORP = "Dimitriadis, Gneiting, Jordan, PNAS 2021"
MURPHY = "Murphy, Journal of Applied Meteorology 1973"

SCORES: dict[str, Metric] = {
    "accuracy": percent(
        "accuracy",
        PixelMeans("correct"),
        same,
        "Share of pixels whose predicted class, [f ≥ 0.5] or the top one of K, is their label.",
        heading="Acc. %",
        better=HIGH,
    ),
    "brier": Metric(
        title="Brier",
        input=PixelMeans("brier"),
        function=same,
        definition="Brier score, mean of (f − y)²; of K classes the sum over classes, in [0, 2].",
        digits=4,
        reference="Brier, Monthly Weather Review 1950",
        range=(0, 2),
    ),
    "brier_reliability": fraction(
        "reliability",
        Binned(POSITIVE),
        estimators.reliability,
        "Reliability term of the Brier score of the positive class, Σ n_k/N (mean f − foreground share)².",
        digits=4,
        reference=MURPHY,
        decided_by=SQUARED_POSITIVE,
    ),
    "brier_resolution": fraction(
        "resolution",
        Binned(POSITIVE),
        estimators.resolution,
        "Resolution term of the Brier score of the positive class, Σ n_k/N (foreground share_k − foreground share)².",
        digits=4,
        better=HIGH,
        reference=MURPHY,
    ),
    "brier_uncertainty": fraction(
        "uncertainty",
        Binned(POSITIVE),
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
        "Miscalibration: how much isotonic recalibration of f lowers the Brier score, which is MCB − DSC + "
        "uncertainty.",
        heading="MCB",
        digits=4,
        reference=CORP,
        decided_by=SQUARED_POSITIVE,
    ),
    "dsc": fraction(
        "discrimination",
        Ordered(POSITIVE),
        estimators.discrimination,
        "Discrimination: how much the recalibrated f lowers the Brier score of a constant f, "
        "the share of foreground. 0 for a constant map.",
        heading="DSC",
        digits=4,
        better=HIGH,
        reference=CORP,
    ),
    "nll": Metric(
        title="NLL",
        input=PixelMeans("nll"),
        function=same,
        definition="Mean of −log of the probability given to the label, in nats, clamped to [1e-7, 1 − 1e-7].",
        unit="nats",
        needs_true_class=True,
        range=NOT_NEGATIVE,
    ),
    "entropy": Metric(
        title="entropy",
        input=PixelMeans("entropy"),
        function=same,
        definition="Mean entropy of the predicted distribution, in nats, clamped likewise.",
        heading="Entropy",
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
}
