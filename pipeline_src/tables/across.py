"""T5, T7 and T8: what lies in results/ besides the experiment itself: other tasks, other networks, others' models.

They say what is there at the moment. Other experiments are read from the tables that they wrote, so nothing is computed
twice and a table of theirs and a row here cannot differ.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline_src.analysis.results import ROLES
from pipeline_src.counting.statistic import PROTOCOLS
from pipeline_src.metrics.formats import ALL_METRICS
from pipeline_src.tables.captions import not_run
from pipeline_src.tables.sheet import Sheet, frame

MAIN_TASK = "sod"
OVERVIEW_FILES = (
    *(f"{name}.{suffix}" for name in ("T5", "T7", "T8") for suffix in ("csv", "md", "tex")),
    "claims.json",
    "claims.md",
)
JUDGED = ("ece", "oe", "accuracy", "mean_iou", "mae", "max_f", "s_measure", "e_measure")
READ = {"T1": ("ece", "oe"), "T2": ("accuracy",)}  # tables of another experiment, and what is taken from them
ABOUT = "In brackets: 95 % bootstrap intervals over images; they leave out the variance of training."


@dataclass(frozen=True)
class ExperimentSummary:
    """An experiment of params.yaml.

    Attributes:
        task: what its training set shows, in the catalog's word.
        model: name of the network's config.
        data: anything that two experiments on the same data have in common.
        tables: the folder in which its tables are, if it was run.
        captions: test set -> what its reader has to know of it.
    """

    name: str
    task: str
    model: str
    data: Any
    tables: Path
    captions: Mapping[str, str] = field(default_factory=dict)

    def numbers(self) -> pd.DataFrame:
        """Its calibration and accuracy in distribution; nothing if it was not run."""
        found = {name: self.tables / f"{name}.csv" for name in READ}
        if not all(path.is_file() for path in found.values()):
            return frame([])
        return chosen({name: load(path) for name, path in found.items()})


def load(file: Path) -> pd.DataFrame:
    """The numbers of a table that a `Sheet` wrote."""
    return pd.read_csv(file, dtype={"seeds": str})


def chosen(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The numbers of an experiment that are shown beside those of others, from its own tables."""
    found = [tables[name][tables[name]["metric"].isin(metrics)] for name, metrics in READ.items()]
    return frame([row for table in found for row in table.to_dict("records")])


def tasks(
    own: str, experiments: Sequence[ExperimentSummary], tables: Mapping[str, pd.DataFrame], texts: Mapping[str, str]
) -> Sheet:
    """T5: experiments that segment something other than salient objects.

    Args:
        own: the experiment whose tables these are.
        experiments: all of params.yaml.
        tables: the numbers of its own T1 and T2.
        texts: the tasks of the catalog in words.
    """
    rows, notes, missing = [], [], []
    others = {e.task: [o for o in experiments if o.task == e.task] for e in experiments if e.task != MAIN_TASK}
    for task in dict.fromkeys([*(task for task in texts if task != MAIN_TASK), *others]):
        text = texts.get(task, task)
        for e in others.get(task, ()):
            numbers = chosen(tables) if e.name == own else e.numbers()
            if numbers.empty:
                missing.append(not_run(e.name, text))
            notes += [f"{part}: {e.captions[part]}" for part in numbers["part"].unique() if part in e.captions]
            rows += _rows(numbers, e, lambda part, e=e, text=text: f"{text}: {e.name}, {part}")
        if task not in others:
            missing.append(not_run("NAME", text, "add an experiment NAME that trains on such a set (docs/data.md)"))
    return Sheet("T5", "Other tasks, in distribution", _ordered(rows), ABOUT, [*notes, *missing])


def backbones(own: str, experiments: Sequence[ExperimentSummary], tables: Mapping[str, pd.DataFrame]) -> Sheet:
    """T7: the same data with other networks; arguments as in `tasks`."""
    here = next((e for e in experiments if e.name == own), None)
    same = [e for e in experiments if here and e.data == here.data and (e is here or e.model != here.model)]
    rows, there = [], set()
    for e in same:
        numbers = chosen(tables) if e is here else e.numbers()
        if not numbers.empty:
            there.add(e.model)
        rows += _rows(numbers, e, lambda part, e=e: f"{part}: {e.model} ({e.name})")
    missing = []
    for e in same:
        if e.model not in there:
            missing.append(not_run(e.name, e.model))
            there.add(e.model)  # one run of a network will do
    if len({e.model for e in same}) < 2:
        change = "add an experiment NAME with the same data and another “model: config:”"
        missing.append(not_run("NAME", "a second network on the same data", change))
    return Sheet("T7", "Networks, in distribution", _ordered(rows), ABOUT, missing)


def _rows(numbers: pd.DataFrame, e: ExperimentSummary, group: Any) -> list[dict]:
    extra = {"experiment": e.name, "task": e.task, "model": e.model}
    role = {"shifted": f", {ROLES['shifted']}"}
    return [
        row | extra | {"group": group(row["part"]) + role.get(row["role"], "")} for row in numbers.to_dict("records")
    ]


def _ordered(rows: list[dict]) -> pd.DataFrame:
    """Data sets one after the other, each with all its experiments; by protocol first."""
    parts = list(dict.fromkeys(row["part"] for row in rows))
    return frame(sorted(rows, key=lambda row: (PROTOCOLS.index(row["protocol"]), parts.index(row["part"]))))


def judged(folder: Path) -> Sheet:
    """T8: what `judge` wrote into `folder`/<data set>/<model>/metrics.json."""
    found, foreign = {}, []
    for file in sorted(folder.rglob("metrics.json")):
        told = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(told, dict) and {"name", "n_images", "intervals"} <= told.keys():
            found[file] = told
        else:
            foreign.append(f"{file} is not shown: `judge` did not write it.")
    rows = []
    for protocol in PROTOCOLS:
        for file, told in found.items():
            part = "/".join(file.relative_to(folder).parts[:-2])
            values, ends = told.get(protocol, {}), told["intervals"].get(protocol, {})
            for metric in (m for m in JUDGED if values.get(m) is not None):
                low, high = ends.get(metric) or (float("nan"), float("nan"))
                rows.append(
                    {
                        "protocol": protocol,
                        "group": part,
                        "row": told["name"],
                        "column": ALL_METRICS[metric].heading,
                        "part": part,
                        "method": told["name"],
                        "metric": metric,
                        "mean": values[metric],
                        "low": low,
                        "high": high,
                        "images": told["n_images"],
                    }
                )
    command = f"python -m pipeline_src judge --pred DIR --mask DIR --name MODEL --out {folder}/DATA_SET/MODEL"
    missing = [] if found else [f"Not run: no saved maps were judged. To have that, run: {command}"]
    about = f"Equal-width bins as `judge` was told. {ABOUT} No best is marked: the intervals are of each model alone."
    return Sheet("T8", "Other people's models, judged from their saved maps", frame(rows), about, [*foreign, *missing])
