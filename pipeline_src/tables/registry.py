"""The tables of an experiment besides the main one, in the order in which they are shown.

A new table is an entry here: columns of metrics by method as `ByMethod`, all else as a function in a file of its own
(docs/guides/table.md).
"""

from __future__ import annotations

from collections.abc import Callable

from pipeline_src.analysis.facts import LIKE_ID
from pipeline_src.analysis.results import Results
from pipeline_src.metrics.inputs import FEW
from pipeline_src.tables.by_method import ByMethod
from pipeline_src.tables.cost import cost
from pipeline_src.tables.differences import differences
from pipeline_src.tables.ood_detection import ood_detection
from pipeline_src.tables.paper_table import PaperTable
from pipeline_src.tables.promised_risk import promised_risk
from pipeline_src.tables.static_grid import static_grid

TABLES: dict[str, Callable[[Results], PaperTable]] = {
    "T1": ByMethod("Calibration in distribution", LIKE_ID, ("ece", "oe")),
    "T2": ByMethod(
        "Accuracy kept",
        LIKE_ID,
        ("max_f", "mean_f", "s_measure", "e_measure", "mae", "accuracy", "mean_iou"),
        "F, S and E are means over images, E over 256 thresholds too; MAE and accuracy are of all pixels.",
        several=(
            "Accuracy kept",
            "Both are of all pixels that are not void: accuracy is the share of them that are right; mIoU is the mean "
            "over the classes that occur of intersection over union.",
        ),
        binned=False,
    ),
    "T3": static_grid,
    "T4": ByMethod(
        "Calibration out of distribution",
        ("ood",),
        ("ece", "oe", "accuracy"),
        "There is no object: the truth is background, and accuracy is the share of pixels called background. "
        "Of several classes without a background none is right, and ECE is the mean confidence.",
    ),
    "T6": ByMethod(
        "Estimators of the calibration error side by side",
        LIKE_ID,
        ("ece", "ece_floor", "ece_equal_mass", "ece_sweep", "ece_debiased", "smooth_ece", "classwise_ece"),
        "ECE is that of equal-width bins; without a calibration error it would be at the floor. The debiased one is a "
        "root of mean squares (RMS): compare it within its column. "
        f"Intervals of equal mass, sweep and smooth rest on {FEW} of the resamples.",
    ),
    "T9": cost,
    "T10": ood_detection,
    "T11": ByMethod(
        "Selective prediction in distribution",
        LIKE_ID,
        ("aurc", "augrc", "coverage_at_1", "coverage_at_5"),
        "What is gained where the least confident pixels are left out.",
        binned=False,
        resamples=FEW,
    ),
    "T12": ByMethod(
        "Calibration beyond the mean over pixels: borders, inside of objects, single images, areas",
        LIKE_ID,
        ("ace", "border_ece", "interior_ece", "image_ece", "image_ece_sd", "area_bias", "area_error"),
        "ACE weighs bins alike, so that background does not swamp the doubtful pixels. Borders are what lies within 5 "
        "pixels of the other class.",
        several=(
            "Calibration beyond the mean over pixels: single images",
            "ACE weighs bins alike, so that the many sure pixels do not swamp the doubtful ones.",
        ),
    ),
    "T13": promised_risk,
    "T14": differences,
}
