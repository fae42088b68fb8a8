"""The paper tables T1 to T9 of an experiment, each a short description over one builder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline_src.analysis.results import LIKE_ID, ROLES, Numbers, Results
from pipeline_src.analysis.samples import FEW, RESAMPLES
from pipeline_src.metrics.formats import ALL_METRICS
from pipeline_src.tables.across import READ, ExperimentSummary, backbones, judged, load, tasks
from pipeline_src.tables.captions import heading, not_run, notes, seeds_in_words
from pipeline_src.tables.cost import Run, cost
from pipeline_src.tables.measured import Measured
from pipeline_src.tables.sheet import Sheet, frame
from pipeline_src.tables.static import grid


@dataclass(frozen=True)
class Beside:
    """What tables need besides the statistics of the experiment.

    Attributes:
        blocks: method -> `code`, the name of its file, and the parameters of the method.
        runs: what training and evaluation cost, by (method, seed).
        experiments: the experiments of params.yaml, this one among them.
        judged: folder below which `judge` wrote.
        tasks: the tasks of the catalog in words.
    """

    blocks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    runs: Mapping[tuple[str, int], Run] = field(default_factory=dict)
    experiments: Sequence[ExperimentSummary] = ()
    judged: Path = Path("results/judged")
    tasks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ByMethod:
    """A table of methods by data sets.

    Attributes:
        roles: of the data sets that it speaks of.
        metrics: its columns.
        more: what its caption says besides.
    """

    title: str
    roles: Sequence[str]
    metrics: Sequence[str]
    more: str = ""

    def sheet(self, name: str, measured: Measured, numbers: Numbers) -> Sheet:
        """All methods on all data sets of its roles."""
        results, parts = measured.results, measured.parts(self.roles)
        rows = [
            cell | {"group": heading(results, numbers, part), "row": results.label(cell["method"]), "column": column}
            for protocol in results.protocols
            for part in parts
            for metric, column in ((metric, ALL_METRICS[metric].heading) for metric in self.metrics)
            for cell in measured.cells(protocol, part, metric)
        ]
        role = self.roles[0]
        lacking = not_run(
            results.experiment, f"a test set {ROLES[role]}", f"add one to “data: {role}:” of the experiment"
        )
        below = notes(results, numbers, self.metrics, parts) if parts else [lacking]
        return Sheet(name, self.title, frame(rows), f"{about(results)} {self.more}".strip(), below)


BY_METHOD = {
    "T1": ByMethod("Calibration in distribution", LIKE_ID, ("ece", "oe")),
    "T2": ByMethod(
        "Accuracy kept",
        LIKE_ID,
        ("max_f", "mean_f", "s_measure", "e_measure", "mae", "accuracy", "mean_iou"),
        "F, S and E are means over images, E over 256 thresholds too; MAE and accuracy are of all pixels.",
    ),
    "T4": ByMethod(
        "Calibration out of distribution",
        ("ood",),
        ("ece", "oe", "accuracy"),
        "Nothing is to be found there: the truth is background, and accuracy the share of pixels that are called so. "
        "Of several classes without a background none is right, and ECE is the mean confidence.",
    ),
    "T6": ByMethod(
        "Estimators of the calibration error side by side",
        LIKE_ID,
        ("ece", "ece_equal_mass", "ece_sweep", "ece_debiased", "smooth_ece", "classwise_ece"),
        "ECE is that of equal-width bins. The debiased one is a root of squares: compare it within its column. "
        f"Intervals of equal mass, sweep and smooth rest on {FEW} of the resamples.",
    ),
}


def sheets(results: Results, numbers: Numbers, beside: Beside) -> Iterable[Sheet]:
    """T1 to T9."""
    measured = Measured.of(results, numbers)
    made = {name: table.sheet(name, measured, numbers) for name, table in BY_METHOD.items()}
    made["T3"] = grid(measured, beside.blocks, about(results))
    made["T9"] = cost(results, beside.runs)
    own = {name: sheet.numbers for name, sheet in made.items()}
    made |= {sheet.name: sheet for sheet in elsewhere(results.experiment, beside, own)}
    return [made[name] for name in sorted(made)]


def elsewhere(experiment: str, beside: Beside, own: Mapping[str, pd.DataFrame]) -> list[Sheet]:
    """T5, T7 and T8: of whatever else lies in results/ at the moment, beside the experiment's `own` T1 and T2."""
    return [
        tasks(experiment, beside.experiments, own, beside.tasks),
        backbones(experiment, beside.experiments, own),
        judged(beside.judged),
    ]


def write_elsewhere(experiment: str, beside: Beside, out: Path) -> None:
    """Write T5, T7 and T8 again into `out`, where the tables of the experiment are."""
    own = {name: load(out / f"{name}.csv") for name in READ}
    for sheet in elsewhere(experiment, beside, own):
        sheet.write(out)


def about(results: Results) -> str:
    """What the captions of all tables of methods say."""
    return (
        f"Experiment {results.experiment}, {results.epochs} epochs, {seeds_in_words(results)}, {results.bins} bins. In "
        f"brackets: 95 % bootstrap intervals over images ({RESAMPLES:,} resamples, the same for all methods, so that "
        "differences are paired); they leave out the variance of training."
    )
