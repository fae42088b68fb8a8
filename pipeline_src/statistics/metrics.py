"""All metrics of one protocol's counts, and the summary of them.

Every number of tables, figures and reports is a value of these functions; `summary` is the list of them.
"""

from __future__ import annotations

from pipeline_src.statistics.calibration import ece, mce, oe, positive_ece, ue
from pipeline_src.statistics.counts import Counts
from pipeline_src.statistics.saliency import max_f, mean_f, pooled_max_f
from pipeline_src.statistics.scores import accuracy, brier, entropy, image_mae, mae, nll
from pipeline_src.statistics.views import ReliabilityBins, Undefined, positive, reliability_bins, top_label

BINNED = {"ece": ece, "mce": mce, "oe": oe, "ue": ue, "positive_ece": positive_ece}
UNBINNED = {
    "accuracy": accuracy,
    "brier": brier,
    "nll": nll,
    "entropy": entropy,
    "mae": mae,
    "image_mae": image_mae,
    "max_f": max_f,
    "mean_f": mean_f,
    "pooled_max_f": pooled_max_f,
}


def summary(counts: Counts, bins: int = 10) -> tuple[dict[str, float | None], dict[str, str]]:
    """All metrics by name, and for each that is undefined (None) the reason.

    Args:
        bins: number of equal-width bins, a divisor of `levels.LEVELS`.
    """
    functions = {name: (lambda c, f=f: f(c, bins)) for name, f in BINNED.items()} | UNBINNED
    values: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    for name, function in functions.items():
        try:
            values[name] = function(counts)
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
    "brier",
    "ece",
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
    "summary",
    "top_label",
    "ue",
]
