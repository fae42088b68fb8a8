"""All tables of an experiment, written and printed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

from pipeline_src.analysis.estimate import or_none
from pipeline_src.analysis.results import Results
from pipeline_src.files import DIGITS, Content, write_json, write_text
from pipeline_src.tables.paper_table import write_markdown
from pipeline_src.tables.registry import MAIN, TABLES
from pipeline_src.text_tables import Table


def write_tables(results: Results, folder: Path) -> None:
    """Write the files of `TABLE_FILES` into `folder`.

    main.csv holds all metrics, a row per protocol, dataset, method and seed; main.md only holds the
    main table. metrics.json holds all metrics as means over seeds, with intervals.
    """
    numbers = results.table.to_csv(index=False, float_format=f"%.{DIGITS}g", lineterminator="\n")
    write_text(folder / "main.csv", numbers)
    write_markdown("main", MAIN(results).printed().values(), folder)
    for name, make in TABLES.items():
        make(results).write(name, folder)
    write_json(folder / "metrics.json", metrics_with_intervals(results))


def printed_tables(results: Results) -> Iterator[tuple[str, dict[str, Table]]]:
    """Yield the number and title of each table, such as "T2 Accuracy kept", and its printed tables
    by protocol. The main table, which has no number, is the first.
    """
    for name, make in ({"": MAIN} | dict(TABLES)).items():
        table = make(results)
        yield f"{name} {table.title}".strip(), table.printed()


def metrics_with_intervals(results: Results) -> Content:
    """Return all metrics with their spread and intervals.

    The result has `sets` with `role`, `images` and `pixels`, and `metrics`: protocol -> method ->
    dataset -> metric -> `mean` and `sd` over seeds, and the confidence limits `low` and `high`.
    Undefined values are null.
    """
    facts = results.facts
    sets: Content = {}
    metrics: Content = {}
    for protocol, (split, role) in product(facts.protocols, facts.splits.items()):
        for method, run in results.measured(protocol, split).items():
            sets.setdefault(split, {"role": role, "images": run.images, "pixels": run.pixels})
            values = {}
            for name in run.points:
                mean = results.estimate(name, protocol, method, split)
                values[name] = {
                    "mean": or_none(mean.value),
                    "sd": or_none(mean.sd),
                    "low": or_none(mean.low),
                    "high": or_none(mean.high),
                }
            metrics.setdefault(protocol, {}).setdefault(method, {})[split] = values
    return {"experiment": facts.experiment, "sets": sets, "metrics": metrics}
