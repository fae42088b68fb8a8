"""T5, T7 and T8: what spans experiments: other tasks, other networks, and models judged from saved maps.

Experiments are read from the tables that they wrote, so nothing is computed twice, and a number here and in a table of
theirs cannot differ.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline_src.analysis.facts import MAIN_TASK, ROLES, ExperimentSummary, run_command
from pipeline_src.counting.levels import PROTOCOLS
from pipeline_src.files import SUMS, read_sums, sha256
from pipeline_src.metrics.registry import METRICS
from pipeline_src.tables.captions import not_run, titled
from pipeline_src.tables.paper_table import NUMBERS, PaperTable, Row

OVERVIEW_TABLES = tuple(f"{name}.{suffix}" for name in ("T5", "T7", "T8") for suffix in ("csv", "md", "tex"))
READ = {"T1": ("ece", "oe"), "T2": ("accuracy",)}  # tables of an experiment, and the metrics taken from them
JUDGED = ("ece", "oe", "accuracy", "mean_iou", "mae", "max_f", "s_measure", "e_measure")
ABOUT = "In brackets: 95 % bootstrap intervals over images; of several seeds, with the spread over them."
NEW = "add an experiment NAME"


def write_overview_tables(
    experiments: Sequence[ExperimentSummary], judged: Path, tasks: Mapping[str, str], folder: Path
) -> None:
    """Write `OVERVIEW_TABLES` into `folder`.

    Args:
        experiments: all of params.yaml, whether they were run or not.
        judged: the folder below which `judge` wrote.
        tasks: the tasks of the catalog in words.
    """
    task_table(experiments, tasks).write("T5", folder)
    network_table(experiments).write("T7", folder)
    judged_table(judged).write("T8", folder)


def task_table(experiments: Sequence[ExperimentSummary], tasks: Mapping[str, str]) -> PaperTable:
    """T5: experiments that segment something other than salient objects."""
    rows: list[Row] = []
    captions: dict[str, str] = {}
    missing = []
    for task in (task for task in dict.fromkeys([*tasks, *(e.task for e in experiments)]) if task != MAIN_TASK):
        text = tasks.get(task, task)
        of_task = [e for e in experiments if e.task == task]
        for e in of_task:
            if e.unread:
                missing.append(_not_read(e))
                continue
            of_experiment = [row | {"group": f"{text}: {row['group']} ({e.name})"} for row in numbers(e)]
            shown = {row["part"] for row in of_experiment}
            captions |= {part: f"{part}: {caption}" for part, caption in e.captions.items() if part in shown}
            missing += [] if of_experiment else [not_run(e.name, text)]
            rows += of_experiment
        if not of_task:
            missing.append(not_run("NAME", text, f"{NEW} that trains on such a set (docs/data.md)"))
    return PaperTable(
        titled("Other tasks, in distribution", _roles(rows)), by_part(rows), ABOUT, [*captions.values(), *missing]
    )


def network_table(experiments: Sequence[ExperimentSummary]) -> PaperTable:
    """T7: the same data with different networks, for each data on which there are several."""
    same_data: dict[str, list[ExperimentSummary]] = {}
    for e in experiments:
        same_data.setdefault(json.dumps(e.data, sort_keys=True), []).append(e)
    several = [group for group in same_data.values() if len({e.network for e in group}) > 1]
    rows: list[Row] = []
    missing = []
    for group in several:
        made = {e.name: numbers(e) for e in group if not e.unread}
        missing += [_not_read(e) for e in group if e.unread]
        of_group: list[Row] = []
        for network in dict.fromkeys(e.network for e in group):
            read = [e.name for e in group if e.network == network and e.name in made]
            methods = {name: {row["method"] for row in made[name]} for name in read}
            others = {row["method"] for e in group if e.network != network for row in made.get(e.name, ())}
            # One experiment stands for a network: that with most of the methods that the other networks have.
            shown = max(read, key=lambda name: (len(others & methods[name]), len(methods[name])), default="")
            of_network = [row | {"group": f"{row['group']}: {network} ({shown})"} for row in made.get(shown, ())]
            missing += [not_run(shown, network)] if shown and not of_network else []
            of_group += of_network
        rows += by_part(of_group)
    if not several:
        change = f"{NEW} with the data of another and another “model: config:”"
        missing.append(not_run("NAME", "a second network on the same data", change))
    rows.sort(key=_protocol)
    return PaperTable(titled("Networks on the same data, in distribution", _roles(rows)), rows, ABOUT, missing)


def numbers(e: ExperimentSummary) -> list[dict[str, Any]]:
    """Calibration and accuracy of an experiment in distribution, grouped by data set; nothing if it was not run.

    Raises:
        UserError: a table is not what an experiment writes.
    """
    files = {e.folder / "tables" / f"{name}.csv": metrics for name, metrics in READ.items()}
    if not all(file.is_file() for file in files):
        return []
    rows = []
    for file, metrics in files.items():
        with e.reading(file, "the table that the experiment wrote"):
            rows += _rows(file, metrics)
    return [row | {"experiment": e.name, "task": e.task, "model": e.network} for row in rows]


def _rows(file: Path, metrics: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of a table with some metrics."""
    rows = []
    with open(file, newline="", encoding="utf-8") as lines:
        table = csv.DictReader(lines)
        if "metric" not in (table.fieldnames or ()):
            raise ValueError("no column `metric`")
        for row in (row for row in table if row["metric"] in metrics):
            group = row["part"] + f", {ROLES['shifted']}" * (row["role"] == "shifted")
            values = {key: float(row[key] or "nan") for key in NUMBERS} | {"images": int(row["images"])}
            rows.append({**row, **values, "group": group})
    return rows


def _not_read(e: ExperimentSummary) -> str:
    return f"{e.name} is not read: {e.unread}. To get it, run: {run_command(e.name)}"


def by_part(rows: Sequence[Row]) -> list[Row]:
    """Data sets one after the other, each with all its experiments; by protocol first."""
    parts = list(dict.fromkeys(row["part"] for row in rows))
    return sorted(rows, key=lambda row: (_protocol(row), parts.index(row["part"])))


def _roles(rows: Sequence[Row]) -> set[str]:
    return {row["role"] for row in rows}


def _protocol(row: Row) -> int:
    return PROTOCOLS.index(row["protocol"])


def judged_files(folder: Path) -> list[Path]:
    """What T8 reads of what `judge` wrote below a folder."""
    # What a killed or running `judge` has in a hidden folder is no result.
    files = (file.relative_to(folder) for file in folder.rglob("metrics.json"))
    judged = sorted(folder / file for file in files if not any(part.startswith(".") for part in file.parts))
    return [*judged, *(sums for file in judged if (sums := file.with_suffix(SUMS)).is_file())]


def _judged(file: Path) -> tuple[dict[str, Any] | None, str]:
    """The content of a metrics.json if it is to be shown, and what a reader has to know of it."""
    sums, content, problem = file.with_suffix(SUMS), None, ""
    try:
        has_sums = sums.is_file()
        if has_sums and read_sums(sums).get(file.name) != sha256(file):
            problem = f"it is damaged or was altered since `judge` wrote it, by {sums.name} beside it"
        elif not _is_judged(content := json.loads(file.read_bytes())):
            problem = "it is damaged, or `judge` did not write it"
    except (OSError, ValueError, RecursionError) as error:
        problem = f"it is damaged ({type(error).__name__})"
    if problem:
        return None, f"{file} is not shown: {problem}."
    return content, "" if has_sums else f"{file} can't be checked: {sums.name} is not beside it. Judge the maps again."


def _is_judged(content: Any) -> bool:
    """Whether `judge` writes such a metrics.json."""
    try:
        numbers = [of.get(metric) for name in PROTOCOLS if (of := content.get(name)) for metric in JUDGED]
        pairs = [pair for of in content["intervals"].values() for pair in of.values() if pair]
        ends = [end for low, high in pairs for end in (low, high)]
        is_whole = isinstance(content["name"], str) and isinstance(content["n_images"], int)
    except (ValueError, AttributeError, KeyError, TypeError):
        return False
    return is_whole and all(n is None or isinstance(n, int | float) for n in [*numbers, *ends])


def judged_table(folder: Path) -> PaperTable:
    """T8: what `judge` wrote into `folder`/<data set>/<model>/metrics.json."""
    judged, notes = {}, []
    for file in (file for file in judged_files(folder) if file.suffix != SUMS):
        content, note = _judged(file)
        notes += [note] if note else []
        if content:
            judged[file] = content
    rows = []
    for protocol in PROTOCOLS:
        for file, content in judged.items():
            part = "/".join(file.relative_to(folder).parts[:-2])
            values, intervals = content.get(protocol, {}), content["intervals"].get(protocol, {})
            place = {"protocol": protocol, "group": part, "row": content["name"], "part": part}
            for metric in (metric for metric in JUDGED if values.get(metric) is not None):
                low, high = intervals.get(metric) or (math.nan, math.nan)
                rows.append(
                    place
                    | {"column": METRICS[metric].column, "method": content["name"], "metric": metric}
                    | {"mean": values[metric], "low": low, "high": high, "images": content["n_images"]}
                )
    command = f"dense-calibration judge --pred DIR --mask DIR --name MODEL --out {folder}/DATA_SET/MODEL"
    notes += [] if judged else [f"Not run: no saved maps were judged. To get it, run: {command}"]
    about = f"Equal-width bins as `judge` was given. {ABOUT} No best is marked: the intervals are of each model alone."
    return PaperTable("Other people's models, judged from their saved maps", rows, about, notes)
