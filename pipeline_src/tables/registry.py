"""The tables of an experiment, in the order in which they are shown.

A new table is an entry here: metrics by method as `ByMethod`, any other as a function in a file of
its own (docs/contributing/extending.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from pipeline_src.analysis.facts import LIKE_ID, ROLES
from pipeline_src.analysis.results import Results
from pipeline_src.metrics.registry import METRICS
from pipeline_src.tables.captions import about, not_run, notes
from pipeline_src.tables.cost import cost
from pipeline_src.tables.differences import differences
from pipeline_src.tables.paper_table import PaperTable, cells
from pipeline_src.tables.static_grid import static_grid


@dataclass(frozen=True)
class ByMethod:
    """A table of all methods on the datasets of some roles.

    Attributes:
        title: what the table shows.
        roles: the roles of its datasets; `LIKE_ID` also has those under a shift.
        metrics: the metrics in its columns; metrics that are not defined for the number of
            classes are left out, and so are slow ones that were not asked for.
        more: a further note, the first below the table.
    """

    title: str
    roles: Sequence[str]
    metrics: Sequence[str]
    more: str = ""

    def __call__(self, results: Results) -> PaperTable:
        """Return the table of an experiment; without datasets of the roles, it has a note on how to
        add one.
        """
        facts = results.facts
        splits = facts.splits_of(self.roles)
        rows = list(cells(results, splits, self.metrics))
        measured = {row["metric"] for row in rows if not math.isnan(row["mean"])}
        # Slow metrics (`on_request`) that nobody asked for have no numbers and are not shown; other
        # metrics without numbers are shown with a note.
        shown = []
        for row in rows:
            if row["metric"] in measured or not METRICS[row["metric"]].on_request:
                shown.append(row)
        if splits:
            below = notes(results, self.metrics, splits)
        else:
            role = self.roles[0]
            change = f"add one to “data: {role}:” of the experiment"
            below = [not_run(facts.experiment, f"a test set {ROLES[role]}", change)]
        if self.more:
            below.insert(0, self.more)
        return PaperTable(self.title, shown, about=about(facts), notes=below)


MAIN = ByMethod(
    "Calibration and accuracy",
    tuple(ROLES),
    ("ece", "ece_floor", "oe", "accuracy", "brier", "nll", "entropy", "mae", "max_f", "mean_iou"),
    "Means over all pixels of a dataset that are not void, except max F, the largest value of the "
    "mean F curve of its images. With several classes, the Brier score is a sum over classes. NLL "
    "and entropy are in nats.",
)
TABLES: Mapping[str, Callable[[Results], PaperTable]] = MappingProxyType(
    {
        "T1": ByMethod("Calibration on images of the task", LIKE_ID, ("ece", "oe")),
        "T2": ByMethod(
            "Accuracy kept",
            LIKE_ID,
            (
                "image_mae",
                "mae",
                "max_f",
                "mean_f",
                "weighted_f",
                "max_e",
                "e_measure",
                "s_measure",
                "ap",
                "auc",
                "accuracy",
                "mean_iou",
            ),
            "Image MAE, F, E and S are means over images, mean F and mean E also over 256 "
            "thresholds. AP and AUC are areas under mean curves of the images; with 256 "
            "thresholds, a temperature changes them although pixels keep their order. MAE and "
            "accuracy are means over all pixels that are not void. mIoU is the mean intersection "
            "over union of the classes that occur.",
        ),
        "T3": static_grid,
        "T4": ByMethod(
            "Calibration out of distribution",
            ("ood",),
            ("ece", "oe", "accuracy"),
            "With several classes and no background class, no prediction is correct, and ECE is "
            "the mean confidence.",
        ),
        "T6": ByMethod(
            "Estimators of the calibration error",
            LIKE_ID,
            (
                "ece",
                "ece_floor",
                "ece_equal_mass",
                "ece_sweep",
                "ece_debiased",
                "smooth_ece",
                "image_ece",
                "classwise_ece",
            ),
            "The debiased ECE is a root of mean squares: compare it within its column.",
        ),
        "T9": cost,
        "T11": ByMethod(
            "Selective prediction on images of the task",
            LIKE_ID,
            ("aurc", "augrc"),
            "The error if the least confident pixels are left out.",
        ),
        "T14": differences,
    }
)
TABLE_FILES = (
    *(f"{name}.{suffix}" for name in ("main", *TABLES) for suffix in ("csv", "md")),
    "metrics.json",
)
