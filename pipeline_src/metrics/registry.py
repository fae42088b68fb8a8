"""The registry of metrics: the one source of tables, intervals, the report, `judge` and docs/reference/metrics.md.

A new metric is a function (in `estimators`, or a file of its own) and an entry in the file of `entries/` whose
subject it is of (docs/contributing/extending.md).
"""

from __future__ import annotations

from pipeline_src.metrics.entries.calibration import CALIBRATION
from pipeline_src.metrics.entries.masks import MASKS
from pipeline_src.metrics.entries.ranking import RANKING
from pipeline_src.metrics.entries.regions import REGIONS
from pipeline_src.metrics.entries.scores import SCORES
from pipeline_src.metrics.metric import Metric

# Columns of main.csv whose order readers of published tables rely on. Those of other entries follow.
FIRST = (
    *("ece", "mce", "oe", "ue", "positive_ece", "ece_equal_mass", "brier_reliability", "brier_resolution"),
    *("ece_sweep", "smooth_ece", "brier_uncertainty", "mcb", "dsc", "accuracy", "brier", "nll", "entropy", "mae"),
    *("image_mae", "aurc", "max_f", "mean_f", "pooled_max_f", "s_measure", "e_measure", "ap", "auc"),
    *("classwise_ece", "mean_iou", "gap", "squared_error", "squared_overconfidence", "squared_underconfidence"),
    *("positive_squared_error", "classwise_squared_error", "ece_debiased", "ece_floor", "ece_debiased_pixels"),
    *("ece_debiased_authors", "ace", "image_ece", "image_ece_sd", "augrc", "coverage_at_1", "coverage_at_5"),
    *("area_bias", "area_error", "border_ece", "border_oe", "border_squared_error"),
    *("border_squared_overconfidence", "interior_ece", "interior_oe", "interior_squared_error"),
    "interior_squared_overconfidence",
)
ENTRIES = CALIBRATION | SCORES | RANKING | MASKS | REGIONS
SUMMARY = ("ece", "oe", "accuracy", "mean_iou", "brier", "nll")  # where there is room for a few
METRICS: dict[str, Metric] = {name: ENTRIES[name] for name in FIRST} | ENTRIES
