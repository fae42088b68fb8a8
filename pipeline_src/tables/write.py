"""All tables of an experiment, written; the main one has every method on every dataset."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline_src.analysis.estimate import or_none
from pipeline_src.analysis.facts import PROTOCOL_NAMES
from pipeline_src.analysis.results import Results
from pipeline_src.files import DIGITS, write_json, write_text
from pipeline_src.metrics.metric import Metric
from pipeline_src.metrics.registry import METRICS
from pipeline_src.tables.captions import about, heading, notes
from pipeline_src.tables.paper_table import FLOOR, SIGNS, below_floor, write_markdown
from pipeline_src.tables.registry import TABLES
from pipeline_src.text_tables import Group, Table

# Several classes lack the last but one; the mean IoU stands in its place.
MAIN_COLUMNS = ("ece", "ece_floor", "oe", "accuracy", "brier", "nll", "entropy", "mae", "max_f", "mean_iou")
TITLE = "Calibration and accuracy"
NOTE = (
    "Means over all pixels of a dataset that are not void, except max F, the largest value of the mean F curve of its "
    "images. With several classes, the Brier score is a sum over classes. NLL and entropy are in nats."
)


def write_tables(results: Results, folder: Path) -> None:
    """Write the files of `tables.table_files()` into `folder`.

    main.csv holds all metrics, a row per protocol, dataset, method and seed; main.md holds those of `MAIN_COLUMNS`.
    metrics.json holds `metrics_with_intervals`.
    """
    numbers = results.table.to_csv(index=False, float_format=f"%.{DIGITS}g", lineterminator="\n")
    write_text(folder / "main.csv", numbers)
    write_markdown("main", main_tables(results).values(), folder)
    for name, make in TABLES.items():
        make(results).write(name, folder)
    write_json(folder / "metrics.json", metrics_with_intervals(results))


def printed_tables(results: Results) -> Iterator[tuple[str, dict[str, Table]]]:
    """Yield the title of each table, and how it is printed by protocol."""
    yield TITLE, main_tables(results)
    for name, make in TABLES.items():
        table = make(results)
        yield f"{name} {table.title}", table.printed()


def main_tables(results: Results) -> dict[str, Table]:
    """Return a table of methods by datasets for each protocol."""
    return {protocol: _main_table(results, protocol) for protocol in results.facts.protocols}


def _main_table(results: Results, protocol: str) -> Table:
    facts, metrics = results.facts, shown(results)
    values = results.table.groupby(["protocol", "part", "method"], sort=False)[list(metrics)]
    mean, spread = values.mean(), values.std(ddof=1)
    groups = []
    for part in facts.parts:
        rows = []
        for method, run in results.measured(protocol, part).items():
            key = (protocol, part, method)
            marks = {name: SIGNS[FLOOR] * (name in run.points and below_floor(name, run)) for name in metrics}
            cells = [
                metric.text(mean.loc[key, name], spread.loc[key, name], mark=marks[name])
                for name, metric in metrics.items()
            ]
            rows.append([method, *cells])
        groups += [Group(heading(results, part), rows)] if rows else []
    caption = f"{TITLE}, {PROTOCOL_NAMES[protocol]}. {about(facts)}"
    columns = ["", *(metric.column for metric in metrics.values())]
    return Table(caption, columns, groups, [NOTE, *notes(results, metrics, facts.parts)])


def shown(results: Results) -> dict[str, Metric]:
    """Return the columns of the main table: metrics that are defined somewhere."""
    table = results.table
    return {name: METRICS[name] for name in MAIN_COLUMNS if name in table and table[name].notna().any()}


def metrics_with_intervals(results: Results) -> dict[str, Any]:
    """Return all metrics with their spread and intervals.

    The result has `sets` with `role`, `images` and `pixels`, and `metrics`: protocol -> method -> dataset -> metric ->
    `mean` and `sd` over seeds, and the confidence limits `low` and `high`. Undefined values are null.
    """
    facts = results.facts
    sets, metrics = dict[str, Any](), dict[str, Any]()
    for part, role in facts.parts.items():
        first = next(iter(results.measured(facts.protocols[0], part).values()))
        sets[part] = {"role": role, "images": first.images, "pixels": first.pixels}
    for protocol in facts.protocols:
        for part in facts.parts:
            for method, run in results.measured(protocol, part).items():
                by_part = metrics.setdefault(protocol, {}).setdefault(method, {})
                by_part[part] = {name: _values(results, name, protocol, method, part) for name in run.points}
    return {"experiment": facts.experiment, "sets": sets, "metrics": metrics}


def _values(results: Results, metric: str, protocol: str, method: str, part: str) -> dict[str, float | None]:
    effect = results.estimate(metric, protocol, method, part)
    values = {"mean": effect.value, "sd": effect.sd, "low": effect.low, "high": effect.high}
    return {name: or_none(value) for name, value in values.items()}
