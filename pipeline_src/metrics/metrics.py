"""All metrics of one protocol's counts, and the summary of them.

Every number of tables, figures and reports is a value of these functions; `summary` is the list of them.
"""

from __future__ import annotations

from collections.abc import Collection

from pipeline_src.counting.counts import Counts
from pipeline_src.counting.views import ReliabilityBins, Undefined, positive, reliability_bins, top_label
from pipeline_src.counting.whole_maps import e_measure, s_measure
from pipeline_src.metrics.calibration import (
    brier_reliability,
    brier_resolution,
    brier_uncertainty,
    ece,
    ece_debiased,
    ece_debiased_authors,
    ece_equal_mass,
    ece_sweep,
    mce,
    oe,
    positive_ece,
    smooth_ece,
    ue,
)
from pipeline_src.metrics.ranking import ap, auc, aurc
from pipeline_src.metrics.saliency import max_f, mean_f, pooled_max_f
from pipeline_src.metrics.scores import accuracy, brier, entropy, image_mae, mae, nll

BINNED = {
    f.__name__: f
    for f in (ece, mce, oe, ue, positive_ece, ece_equal_mass, ece_debiased, brier_reliability, brier_resolution)
}
UNBINNED = {
    f.__name__: f
    for f in (
        *(ece_sweep, ece_debiased_authors, smooth_ece, brier_uncertainty),
        *(accuracy, brier, nll, entropy, mae, image_mae, aurc),
        *(max_f, mean_f, pooled_max_f, s_measure, e_measure, ap, auc),
    )
}


def summary(
    counts: Counts, bins: int = 10, names: Collection[str] = ()
) -> tuple[dict[str, float | None], dict[str, str]]:
    """All metrics by name, and for each that is undefined (None) the reason.

    Args:
        bins: number of equal-width bins, a divisor of `levels.LEVELS`.
        names: the metrics wanted, if not all.
    """
    functions = {name: (lambda c, f=f: f(c, bins)) for name, f in BINNED.items()} | UNBINNED
    values: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    for name in names or functions:
        try:
            values[name] = functions[name](counts)
        except Undefined as reason:
            values[name] = None
            reasons[name] = str(reason)
    return values, reasons


__all__ = [
    "BINNED",
    "UNBINNED",
    "ReliabilityBins",
    "Undefined",
    "accuracy",
    "ap",
    "auc",
    "aurc",
    "brier",
    "brier_reliability",
    "brier_resolution",
    "brier_uncertainty",
    "e_measure",
    "ece",
    "ece_debiased",
    "ece_debiased_authors",
    "ece_equal_mass",
    "ece_sweep",
    "entropy",
    "image_mae",
    "mae",
    "max_f",
    "mce",
    "mean_f",
    "nll",
    "oe",
    "pooled_max_f",
    "positive",
    "positive_ece",
    "reliability_bins",
    "s_measure",
    "smooth_ece",
    "summary",
    "top_label",
    "ue",
]
