"""The main table: every method on every data set, calibration and accuracy, both protocols."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pipeline_src.files import write_text
from pipeline_src.statistics.statistic import PROTOCOLS
from pipeline_src.tables.layout import UNDEFINED, Group, Table, latex, markdown
from pipeline_src.tables.results import MEANING, ROLES, Numbers, Results, read


@dataclass(frozen=True)
class Metric:
    """How a metric is printed: heading, factor (100 for percent) and digits."""

    heading: str
    factor: int
    digits: int

    def text(self, mean: float, spread: float = math.nan) -> str:
        if math.isnan(mean):
            return UNDEFINED
        text = f"{self.factor * mean:.{self.digits}f}"
        return text if math.isnan(spread) else f"{text} ± {self.factor * spread:.{self.digits}f}"


METRICS = {
    "ece": Metric("ECE %", 100, 2),
    "oe": Metric("OE %", 100, 2),
    "accuracy": Metric("Acc. %", 100, 2),
    "brier": Metric("Brier", 1, 4),
    "nll": Metric("NLL", 1, 3),
    "entropy": Metric("Entropy", 1, 3),
    "mae": Metric("MAE", 1, 3),
    "max_f": Metric("max F", 1, 3),
}


def write_tables(results: Results, out: Path, metrics: Path) -> None:
    """Write `tables.TABLE_FILES` into `out` and the means over seeds as JSON to `metrics`.

    main.csv holds all metrics in full precision, a row per protocol, part, method and seed; Markdown and LaTeX hold
    those of `METRICS`. The JSON is nested protocol -> method -> part -> metric, null where a metric is undefined.
    """
    numbers = read(results)
    tables = [main_table(results, numbers, protocol) for protocol in PROTOCOLS]
    write_text(out / "main.csv", numbers.table.to_csv(index=False, lineterminator="\n"))
    write_text(out / "main.md", "\n".join(markdown(table) for table in tables))
    write_text(out / "main.tex", f"{TEX_HEAD}\n" + "\n".join(latex(table) for table in tables))
    write_text(metrics, json.dumps(nested(numbers), indent=2, ensure_ascii=False) + "\n")


TEX_HEAD = r"""% \input this in a document with \usepackage{booktabs}. To look at it alone:
% pdflatex '\documentclass{article}\usepackage{booktabs}\begin{document}\input{main}\end{document}'
"""


def main_table(results: Results, numbers: Numbers, protocol: str) -> Table:
    """Methods by data sets in one protocol."""
    mean, spread = numbers.mean, numbers.spread
    groups = []
    for part in results.parts:
        rows = []
        for method in results.methods:
            key = (protocol, part, method)
            if key in mean.index:
                cells = [metric.text(mean.loc[key, name], spread.loc[key, name]) for name, metric in METRICS.items()]
                rows.append([results.label(method), *cells])
        if rows:
            groups.append(Group(heading(results, numbers, part), rows))
    caption = (
        f"Calibration and accuracy, {protocol} protocol ({MEANING[protocol]}). Experiment {results.experiment}, "
        f"{results.epochs} epochs, {seeds_in_words(results)}. ECE and OE of the top label over {results.bins} "
        "equal-width bins on [0, 1]. All but max F are means over all pixels of a data set; NLL and entropy in nats; "
        "max F is the largest value of the mean of the images' F curves."
    )
    return Table(
        f"tab:main-{protocol}",
        caption,
        ["", *(metric.heading for metric in METRICS.values())],
        groups,
        notes(results, numbers),
    )


def heading(results: Results, numbers: Numbers, part: str) -> str:
    """A data set, its role and its size."""
    return f"{part}: {ROLES[results.parts[part]]}, {size_in_words(numbers, part)}"


def size_in_words(numbers: Numbers, part: str) -> str:
    """Images and pixels of a data set."""
    row = numbers.table[numbers.table["part"] == part].iloc[0]
    return f"{row['images']:,} images, {row['pixels']:,} pixels"


def seeds_in_words(results: Results) -> str:
    """Which seeds stand behind the numbers."""
    seeds = sorted({seed for _, seed, _ in results.statistics})
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    return f"mean ± sample standard deviation over seeds {', '.join(map(str, seeds))}"


def notes(results: Results, numbers: Numbers) -> list[str]:
    """Why a cell is empty, which runs are missing, and what the numbers cannot tell."""
    found = []
    by_reason: dict[tuple[str, str], list[str]] = {}
    for (part, name), reason in numbers.reasons.items():
        if name in METRICS:
            by_reason.setdefault((name, reason), []).append(part)
    for (name, reason), parts in by_reason.items():
        found.append(
            f"{UNDEFINED} {METRICS[name].heading.removesuffix(' %')} is undefined on {', '.join(parts)}: {reason}."
        )
    seeds = sorted({seed for _, seed, _ in results.statistics})
    missing = [
        f"{results.label(method)} seed {seed} on {part}"
        for method in results.methods
        for part in results.parts
        for seed in seeds
        if (method, seed, part) not in results.statistics
        and (method not in results.of_all_seeds or not results.seeds(method, part))
    ]
    if missing:
        found.append(f"Not run: {'; '.join(missing)}.")
    for method in results.of_all_seeds:
        found.append(f"{results.label(method)} is one run, made of the networks of all seeds: it has no deviation.")
    if results.synthetic:
        found.append(
            "All images are generated: these numbers show that the pipeline works and decide no claim on photographs."
        )
    return found


def nested(numbers: Numbers) -> dict[str, dict[str, dict[str, dict[str, float | None]]]]:
    """Means over seeds of the printed metrics as protocol -> method -> part -> metric, for `dvc metrics show`."""
    tree: dict = {}
    for (protocol, part, method), row in numbers.mean.iterrows():
        values = {name: None if pd.isna(row[name]) else float(row[name]) for name in METRICS}
        tree.setdefault(protocol, {}).setdefault(method, {})[part] = values
    return tree
