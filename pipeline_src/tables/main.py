"""The main table: every method on every data set, calibration and accuracy, both protocols."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from pipeline_src.analysis.results import MEANING, Numbers, Results, read
from pipeline_src.files import write_text
from pipeline_src.metrics.formats import ALL_METRICS, METRICS, Metric
from pipeline_src.tables import ELSEWHERE
from pipeline_src.tables.captions import heading, notes, seeds_in_words
from pipeline_src.tables.paper import Beside, sheets
from pipeline_src.tables.sheet import tex_head
from pipeline_src.text_tables import Group, Table, latex, markdown

LAST = (  # of a caption: for one object class, and for several
    "All but max F are means over all pixels of a data set; NLL and entropy in nats; max F is the largest value of the "
    "mean of the images' F curves.",
    "Means over all pixels of a data set that are not void; the Brier score is a sum over classes, NLL and entropy are "
    "in nats, mIoU is the mean over classes that occur.",
)


def write_tables(results: Results, out: Path, metrics: Path, beside: Beside | None = None) -> None:
    """Write `tables.TABLE_FILES` into `out` and the means over seeds as JSON to `metrics`.

    main.csv holds all metrics in full precision, a row per protocol, part, method and seed; Markdown and LaTeX hold
    those of `METRICS`. The JSON is nested protocol -> method -> part -> metric, null where a metric is undefined.
    T1 to T9 are the paper's tables; `beside` is what they need besides statistics. printed.json has all of them as they
    are printed, for the report: table -> protocol -> `layout.Table`.
    """
    numbers = read(results)
    tables = {protocol: main_table(results, numbers, protocol) for protocol in results.protocols}
    write_text(out / "main.csv", numbers.table.to_csv(index=False, lineterminator="\n"))
    write_text(out / "main.md", "\n".join(markdown(table) for table in tables.values()))
    write_text(out / "main.tex", tex_head("main") + "\n".join(latex(table) for table in tables.values()))
    paper = list(sheets(results, numbers, beside or Beside()))
    for sheet in paper:
        sheet.write(out)
    printed = {"main": tables} | {sheet.name: sheet.tables() for sheet in paper if sheet.name not in ELSEWHERE}
    plain = {name: {protocol: asdict(t) for protocol, t in of.items()} for name, of in printed.items()}
    write_text(out / "printed.json", json.dumps(plain, indent=1, ensure_ascii=False) + "\n")
    write_text(metrics, json.dumps(nested(numbers), indent=2, ensure_ascii=False) + "\n")


def main_table(results: Results, numbers: Numbers, protocol: str) -> Table:
    """Methods by data sets in one protocol."""
    mean, spread, metrics = numbers.mean, numbers.spread, shown(numbers)
    groups = []
    for part in results.parts:
        rows = []
        for method in results.methods:
            key = (protocol, part, method)
            if key in mean.index:
                cells = [metric.text(mean.loc[key, name], spread.loc[key, name]) for name, metric in metrics.items()]
                rows.append([results.label(method), *cells])
        if rows:
            groups.append(Group(heading(results, numbers, part), rows))
    caption = (
        f"Calibration and accuracy, {protocol} protocol ({MEANING[protocol]}). Experiment {results.experiment}, "
        f"{results.epochs} epochs, {seeds_in_words(results)}. ECE and OE of the top label over {results.bins} "
        f"equal-width bins on [0, 1]. {LAST[results.classes > 2]}"
    )
    return Table(
        f"tab:main-{protocol}",
        caption,
        ["", *(metric.heading for metric in metrics.values())],
        groups,
        notes(results, numbers, metrics),
    )


def shown(numbers: Numbers) -> dict[str, Metric]:
    """Columns of the main table: of several classes the mean IoU stands in the place of what they do not have."""
    names = [*METRICS, "mean_iou"]
    return {name: ALL_METRICS[name] for name in names if name in numbers.table and numbers.table[name].notna().any()}


def nested(numbers: Numbers) -> dict[str, dict[str, dict[str, dict[str, float | None]]]]:
    """Means over seeds of the printed metrics as protocol -> method -> part -> metric, for `dvc metrics show`."""
    tree: dict = {}
    for (protocol, part, method), row in numbers.mean.iterrows():
        values = {name: None if pd.isna(row[name]) else float(row[name]) for name in shown(numbers)}
        tree.setdefault(protocol, {}).setdefault(method, {})[part] = values
    return tree
