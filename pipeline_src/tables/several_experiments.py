"""T5, T7 and T8: other tasks, other networks, and models that were judged from saved maps.

Numbers are read from files that experiments and `judge` wrote, and not computed again, so they
equal those in the tables of the experiments.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline_src.analysis.facts import MAIN_TASK, ROLES, ExperimentSummary
from pipeline_src.counting.levels import PROTOCOLS
from pipeline_src.metrics.registry import METRICS
from pipeline_src.tables.captions import not_run
from pipeline_src.tables.paper_table import NUMBERS, PaperTable, Row

OVERVIEW_TABLES = ("T5.csv", "T5.md", "T7.csv", "T7.md", "T8.csv", "T8.md")
# Table of an experiment -> the metrics that T5 and T7 take from it.
READ = {"T1": ("ece", "oe"), "T2": ("accuracy",)}
# The metrics of T8.
JUDGED = ("ece", "oe", "accuracy", "mean_iou", "mae", "max_f", "s_measure", "e_measure")
# The end of a note on an experiment that was never run, or was changed after its run.
TODAY = ", with today's parameters, data and code"
NEW = "add an experiment NAME"  # the beginning of a change of params.yaml (`not_run`)
Grouped = dict[str, list[ExperimentSummary]]  # by task, data or network


def write_overview_tables(
    experiments: Sequence[ExperimentSummary], judged: Path, tasks: Mapping[str, str], folder: Path
) -> None:
    """Write `OVERVIEW_TABLES` into `folder`.

    Args:
        experiments: all of params.yaml, whether they were run or not.
        judged: the folder below which `judge` wrote the metrics of other models.
        tasks: task of the catalog -> its name in text.
    """
    task_table(experiments, tasks).write("T5", folder)
    network_table(experiments).write("T7", folder)
    judged_table(judged).write("T8", folder)


def task_table(experiments: Sequence[ExperimentSummary], tasks: Mapping[str, str]) -> PaperTable:
    """Return T5: experiments that segment something other than salient objects.

    Args:
        tasks: task of the catalog -> its name in text.
    """
    by_task: Grouped = {task: [] for task in tasks}
    for experiment in experiments:
        by_task.setdefault(experiment.task, []).append(experiment)
    by_task.pop(MAIN_TASK, None)  # salient objects
    rows: list[Row] = []
    captions: dict[str, str] = {}
    missing: list[str] = []
    for task, on_task in by_task.items():
        text = tasks.get(task, task)
        if not on_task:
            change = f"{NEW} that trains on such a set (docs/reference/datasets.md)"
            missing.append(not_run("NAME", text, change))
        for experiment in on_task:
            found = experiment_rows(experiment)
            if not found:
                missing.append(not_run(experiment.name, text + TODAY))
            for row in found:
                row["group"] = f"{text}: {row['group']} ({experiment.name})"
                split = row["part"]
                if experiment.captions.get(split):
                    captions[split] = f"{split}: {experiment.captions[split]}"
            rows += found
    notes = list(captions.values()) + missing
    return PaperTable("Other tasks", by_split(rows), notes=notes)


def network_table(experiments: Sequence[ExperimentSummary]) -> PaperTable:
    """Return T7: experiments on the same data (`data:` in params.yaml) with different networks, for
    all data with more than one network.

    Each network is shown by one experiment (`_chosen`), even if several used it.
    """
    same_data: Grouped = {}  # data as JSON -> experiments
    for experiment in experiments:
        same_data.setdefault(json.dumps(experiment.data, sort_keys=True), []).append(experiment)
    rows: list[Row] = []
    missing: list[str] = []
    for group in same_data.values():
        if len({experiment.network for experiment in group}) > 1:
            found = {experiment.name: experiment_rows(experiment) for experiment in group}
            chosen = _chosen(group, found)
            for experiment in chosen:
                if not found[experiment.name]:
                    missing.append(not_run(experiment.name, experiment.network + TODAY))
                for row in found[experiment.name]:
                    # The heading of a group also names the network.
                    row["group"] += f": {experiment.network} ({experiment.name})"
            rows += by_split([row for experiment in chosen for row in found[experiment.name]])
    if not rows and not missing:
        change = f"{NEW} with the data of another and another “model: config:”"
        missing.append(not_run("NAME", "a second network on the same data", change))
    rows.sort(key=_protocol)
    return PaperTable("Networks on the same data", rows, notes=missing)


def _chosen(
    group: Sequence[ExperimentSummary], found: Mapping[str, Sequence[Row]]
) -> list[ExperimentSummary]:
    """Return one experiment for each network: the one with the most methods that other networks
    also have, because these can be compared. If several have as many, it is the one with the most
    methods.

    Args:
        group: experiments on the same data.
        found: name of an experiment -> its rows.
    """

    def shared(experiment: ExperimentSummary) -> tuple[int, int]:
        """Return the number of methods that other networks also have, and the number of methods."""
        methods = {row["method"] for row in found[experiment.name]}
        elsewhere: set[str] = set()
        for other in group:
            if other.network != experiment.network:
                elsewhere.update(row["method"] for row in found[other.name])
        return len(methods & elsewhere), len(methods)

    by_network: Grouped = {}
    for experiment in group:
        by_network.setdefault(experiment.network, []).append(experiment)
    return [max(of_network, key=shared) for of_network in by_network.values()]


def experiment_rows(experiment: ExperimentSummary) -> list[Row]:
    """Return the rows of T5 and T7 for an experiment: calibration and accuracy on its test sets in
    distribution or under shift.

    They are rows of its own tables (`READ`), grouped by dataset. The list is empty if the
    experiment was not run.

    Raises:
        UserError: a table is not what an experiment writes.
    """
    import pandas as pd

    rows: list[Row] = []
    for name, metrics in READ.items():
        file = experiment.folder / "tables" / f"{name}.csv"
        if not file.is_file():
            return []
        with experiment.reading(file, "the table that the experiment wrote"):
            table = pd.read_csv(file, dtype=str, keep_default_na=False)
            table = table[table["metric"].isin(metrics)]
            table["group"] = table["part"]
            table.loc[table["role"] == "shifted", "group"] += f", {ROLES['shifted']}"
            table[list(NUMBERS)] = table[list(NUMBERS)].replace("", "nan").astype(float)
            table["images"] = table["images"].astype(int)
        # Further columns of the CSV file.
        table = table.assign(
            experiment=experiment.name, task=experiment.task, model=experiment.network
        )
        rows += table.to_dict("records")
    return rows


def by_split(rows: Sequence[Row]) -> list[Row]:
    """Return the rows sorted by protocol, then by dataset in the order of first occurrence, so
    that experiments or networks on a dataset stand together.
    """
    splits = list(dict.fromkeys(row["part"] for row in rows))
    return sorted(rows, key=lambda row: (_protocol(row), splits.index(row["part"])))


def _protocol(row: Row) -> int:
    """Return the position of the row's protocol in `PROTOCOLS`: a key for sorting, because rows of
    a protocol have to stand together.
    """
    return PROTOCOLS.index(row["protocol"])


def judged_files(folder: Path) -> list[Path]:
    """Return the metrics.json that `judge` wrote in <folder>/DATASET/MODEL; the name of a dataset
    may have folders.
    """
    found = []
    for file in folder.glob("*/*/**/metrics.json"):
        # What a killed or running `judge` has in a hidden folder is no result.
        if "/." not in f"/{file.relative_to(folder).as_posix()}":
            found.append(file)
    return sorted(found)


def judged_table(folder: Path) -> PaperTable:
    """Return T8: the metrics that `judge` wrote into `folder`/<dataset>/<model>/metrics.json."""
    rows: list[Row] = []
    notes = []
    for file in judged_files(folder):
        try:
            split = file.parent.parent.relative_to(folder).as_posix()
            rows += list(_judged_rows(json.loads(file.read_bytes()), split, file.parent.name))
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            # One damaged file must not hide the others.
            notes.append(f"{file} is not shown: it is damaged ({error}). Run `judge` again.")
    if not rows and not notes:
        notes = [
            "Not run: no saved maps were evaluated. To get it, run: dense-calibration judge "
            f"--pred DIR --mask DIR --name MODEL --out {folder}/DATA_SET/MODEL"
        ]
    rows.sort(key=_protocol)
    return PaperTable(
        "Other models, evaluated from their saved maps",
        rows,
        about="Equal-width bins as given to `judge`; no best is marked.",
        notes=notes,
    )


def _judged_rows(content: Any, split: str, model: str) -> Iterator[Row]:
    """Yield the rows of T8 for one model on one dataset, from the content of metrics.json.

    Content that `judge` did not write raises a ValueError, LookupError, TypeError or
    AttributeError.
    """
    for protocol in PROTOCOLS:
        values = content.get(protocol, {})
        intervals = content["intervals"].get(protocol, {})
        for metric in JUDGED:
            if values.get(metric) is None:
                continue
            low, high = intervals.get(metric) or (math.nan, math.nan)
            yield {
                "protocol": protocol,
                "group": split,
                "row": model,
                "column": METRICS[metric].column,
                "part": split,
                "method": model,
                "metric": metric,
                "mean": float(values[metric]),
                "low": float(low),
                "high": float(high),
                "images": int(content["n_images"]),
            }
