"""T5, T7 and T8: what spans experiments: other tasks, other networks, and models judged from saved
maps.

Numbers are read from the tables of the experiments: they are computed once and cannot differ
between tables.
"""

from __future__ import annotations

import csv
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

OVERVIEW_TABLES = tuple(
    f"{name}.{suffix}" for name in ("T5", "T7", "T8") for suffix in ("csv", "md")
)
READ = {
    "T1": ("ece", "oe"),
    "T2": ("accuracy",),
}  # tables of an experiment, and the metrics taken from them
JUDGED = ("ece", "oe", "accuracy", "mean_iou", "mae", "max_f", "s_measure", "e_measure")
NEW = "add an experiment NAME"


def write_overview_tables(
    experiments: Sequence[ExperimentSummary], judged: Path, tasks: Mapping[str, str], folder: Path
) -> None:
    """Write `OVERVIEW_TABLES` into `folder`.

    Args:
        experiments: all of params.yaml, whether they were run or not.
        judged: the folder below which `judge` wrote.
        tasks: task of the catalog -> its name in text.
    """
    task_table(experiments, tasks).write("T5", folder)
    network_table(experiments).write("T7", folder)
    judged_table(judged).write("T8", folder)


def task_table(experiments: Sequence[ExperimentSummary], tasks: Mapping[str, str]) -> PaperTable:
    """Return T5: experiments that segment something other than salient objects."""
    rows: list[Row] = []
    captions, missing = dict[str, str](), list[str]()
    for task in (
        task
        for task in dict.fromkeys([*tasks, *(e.task for e in experiments)])
        if task != MAIN_TASK
    ):
        text = tasks.get(task, task)
        on_task = [e for e in experiments if e.task == task]
        if not on_task:
            missing.append(
                not_run(
                    "NAME", text, f"{NEW} that trains on such a set (docs/reference/datasets.md)"
                )
            )
        for e in on_task:
            found = experiment_rows(e)
            rows += [row | {"group": f"{text}: {row['group']} ({e.name})"} for row in found]
            captions |= {
                part: f"{part}: {e.captions[part]}"
                for row in found
                if (part := row["part"]) in e.captions
            }
            missing += [] if found else [not_run(e.name, text)]
    return PaperTable(
        "Other tasks, in distribution", by_part(rows), "", [*captions.values(), *missing]
    )


def network_table(experiments: Sequence[ExperimentSummary]) -> PaperTable:
    """Return T7: the same data with different networks, for each data on which there are several.

    One experiment stands for a network: the one with most of the methods that the other networks
    have.
    """
    same_data: dict[str, list[ExperimentSummary]] = {}
    for e in experiments:
        same_data.setdefault(json.dumps(e.data, sort_keys=True), []).append(e)
    rows: list[Row] = []
    missing = []
    several = [group for group in same_data.values() if len({e.network for e in group}) > 1]
    for group in several:
        found = {e.name: experiment_rows(e) for e in group}
        methods = {e.name: {row["method"] for row in found[e.name]} for e in group}
        group_rows: list[Row] = []
        for network in dict.fromkeys(e.network for e in group):
            elsewhere = {
                method for e in group if e.network != network for method in methods[e.name]
            }
            chosen = max(
                (e for e in group if e.network == network),
                key=lambda e: (len(elsewhere & methods[e.name]), len(methods[e.name])),
            )
            missing += [] if found[chosen.name] else [not_run(chosen.name, network)]
            title = f"{network} ({chosen.name})"
            group_rows += [
                row | {"group": f"{row['group']}: {title}"} for row in found[chosen.name]
            ]
        rows += by_part(group_rows)
    if not several:
        change = f"{NEW} with the data of another and another “model: config:”"
        missing.append(not_run("NAME", "a second network on the same data", change))
    rows.sort(key=_protocol)
    return PaperTable("Networks on the same data, in distribution", rows, "", missing)


def experiment_rows(e: ExperimentSummary) -> list[dict[str, Any]]:
    """Return calibration and accuracy of an experiment in distribution, grouped by dataset; nothing
    if it was not run.

    Raises:
        UserError: a table is not what an experiment writes.
    """
    files = {e.folder / "tables" / f"{name}.csv": metrics for name, metrics in READ.items()}
    if not all(file.is_file() for file in files):
        return []
    rows: list[dict[str, Any]] = []
    for file, metrics in files.items():
        with (
            e.reading(file, "the table that the experiment wrote"),
            open(file, newline="", encoding="utf-8") as lines,
        ):
            table = csv.DictReader(lines)
            if "metric" not in (table.fieldnames or ()):
                raise ValueError("no column `metric`")
            for row in (row for row in table if row["metric"] in metrics):
                values: dict[str, Any] = {key: float(row[key] or "nan") for key in NUMBERS}
                values |= {
                    "images": int(row["images"]),
                    "experiment": e.name,
                    "task": e.task,
                    "model": e.network,
                }
                values["group"] = row["part"] + f", {ROLES['shifted']}" * (row["role"] == "shifted")
                rows.append({**row, **values})
    return rows


def by_part(rows: Sequence[Row]) -> list[Row]:
    """Return datasets one after the other, each with all its experiments; by protocol first."""
    parts = list(dict.fromkeys(row["part"] for row in rows))
    return sorted(rows, key=lambda row: (_protocol(row), parts.index(row["part"])))


def _protocol(row: Row) -> int:
    return PROTOCOLS.index(row["protocol"])


def judged_files(folder: Path) -> list[Path]:
    """Return the files below a folder that `judge` wrote and T8 reads."""
    # What a killed or running `judge` has in a hidden folder is no result.
    files = (file.relative_to(folder) for file in folder.glob("*/*/**/metrics.json"))
    return sorted(
        folder / file for file in files if not any(part.startswith(".") for part in file.parts)
    )


def judged_table(folder: Path) -> PaperTable:
    """Return T8: the metrics that `judge` wrote into `folder`/<dataset>/<model>/metrics.json."""
    rows, notes = [], []
    for file in judged_files(folder):
        try:
            part, model = file.parent.parent.relative_to(folder).as_posix(), file.parent.name
            rows += list(_judged_rows(json.loads(file.read_bytes()), part, model))
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            notes.append(f"{file} is not shown: it is damaged ({error}). Run `judge` again.")
    command = (
        f"dense-calibration judge --pred DIR --mask DIR --name MODEL --out {folder}/DATA_SET/MODEL"
    )
    notes += (
        []
        if rows or notes
        else [f"Not run: no saved maps were evaluated. To get it, run: {command}"]
    )
    rows.sort(key=_protocol)
    about = "Equal-width bins as given to `judge`; no best is marked."
    return PaperTable("Other models, evaluated from their saved maps", rows, about, notes)


def _judged_rows(content: Any, part: str, model: str) -> Iterator[Row]:
    """Yield the rows of one model; ValueError, LookupError, TypeError or AttributeError for foreign content."""
    for protocol in PROTOCOLS:
        values, intervals = content.get(protocol, {}), content["intervals"].get(protocol, {})
        place = {"protocol": protocol, "group": part, "row": model, "part": part}
        for metric in (metric for metric in JUDGED if values.get(metric) is not None):
            low, high = map(float, intervals.get(metric) or (math.nan, math.nan))
            row = {
                "mean": float(values[metric]),
                "low": low,
                "high": high,
                "images": int(content["n_images"]),
            }
            yield (
                place
                | {"column": METRICS[metric].column, "method": place["row"], "metric": metric}
                | row
            )
