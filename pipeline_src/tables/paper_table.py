"""A table as data with a row per number, its printed form, and the rows of metrics of methods with their marks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_src.analysis.estimate import HIGHER, LOWER, estimate, sample_sd
from pipeline_src.analysis.facts import PROTOCOL_NAMES
from pipeline_src.analysis.measurement import Measurement
from pipeline_src.analysis.results import Results
from pipeline_src.counting.levels import PROTOCOLS
from pipeline_src.files import rounded, write_text
from pipeline_src.metrics.metric import NEITHER, Quantity
from pipeline_src.metrics.registry import METRICS, OVER, SQUARED, defined
from pipeline_src.tables.captions import LEGEND
from pipeline_src.text_tables import UNDEFINED, Group, Table, markdown

BEST, TIED, FLOOR = "best", "tied", "floor"
FEW_UNITS, FEW_SIGN = (
    30,
    "‡",
)  # effective images; differences that fewer carry are found too often where there are none
SIGNS = {BEST: "★", TIED: "†", FLOOR: "°", LOWER: "↓", HIGHER: "↑"}
# Where a number is printed (protocol, group, row, column), what it measures, the mean over seeds,
# their sample standard deviation, its 95 % confidence limits, its seeds and its number of images.
CSV_COLUMNS = (
    *("protocol", "group", "row", "column", "part", "role", "method", "metric"),
    *("mean", "sd", "low", "high", "seeds", "images", "mark"),
)
NUMBERS = ("mean", "sd", "low", "high")
Row = Mapping[str, Any]


@dataclass(frozen=True)
class PaperTable:
    """A table before it is printed.

    Attributes:
        title: what it shows, the start of its caption.
        rows: the rows of the csv, a number each, in the order in which they are shown. Keys are
            `CSV_COLUMNS` (those that do not apply may be absent) and further columns.
        about: the rest of its caption.
        notes: sentences below it, which name missing results and the command that computes them.
        quantities: `metric` of a row -> how it is printed.
    """

    title: str
    rows: Sequence[Row]
    about: str = ""
    notes: Sequence[str] = ()
    quantities: Mapping[str, Quantity] = field(default_factory=lambda: METRICS)

    def write(self, name: str, folder: Path) -> None:
        """Write <name>.csv, and <name>.md with a table per protocol."""
        import pandas as pd

        columns = dict.fromkeys([*CSV_COLUMNS, *(key for row in self.rows for key in row)])
        text = (
            pd.DataFrame(self.rows, columns=list(columns), dtype=object)
            .map(_plain)
            .to_csv(index=False)
        )
        write_text(folder / f"{name}.csv", text)
        write_markdown(name, self.printed().values(), folder)

    def printed(self) -> dict[str, Table]:
        """Return a table per protocol; or one, under the key "", of rows without protocol or of no rows."""
        by_protocol = {p: [row for row in self.rows if row.get("protocol") == p] for p in PROTOCOLS}
        shown = {protocol: rows for protocol, rows in by_protocol.items() if rows} or {
            "": list(self.rows)
        }
        return {protocol: self._printed(protocol, rows) for protocol, rows in shown.items()}

    def _printed(self, protocol: str, rows: Sequence[Row]) -> Table:
        caption = f"{self.title}{f', {PROTOCOL_NAMES[protocol]}' if protocol else ''}. {self.about}".strip()
        columns = list(dict.fromkeys(row["column"] for row in rows))
        cells: dict[str, dict[str, dict[str, str]]] = {}
        for row in rows:
            mean, sd, low, high = (row.get(key, math.nan) for key in NUMBERS)
            sign = SIGNS.get(row.get("mark", ""), "")
            if row.get("effective_images", math.nan) < FEW_UNITS:
                sign += FEW_SIGN
            text = self.quantities[row["metric"]].text(mean, sd, low, high, sign)
            cells.setdefault(row.get("group", ""), {}).setdefault(row["row"], {})[row["column"]] = (
                text
            )
        groups = [
            Group(
                group,
                [
                    [name, *(texts.get(column, UNDEFINED) for column in columns)]
                    for name, texts in by_row.items()
                ],
            )
            for group, by_row in cells.items()
        ]
        return Table(caption, ["", *columns], groups, self.notes)


def write_markdown(name: str, tables: Iterable[Table], folder: Path) -> None:
    """Write <name>.md, each table followed by the shared legend."""
    complete = [replace(table, notes=[*table.notes, *LEGEND]) for table in tables]
    write_text(folder / f"{name}.md", "\n".join(map(markdown, complete)))


def _plain(value: Any) -> Any:
    """Return a value for csv files: floats with `files.DIGITS` digits, undefined ones empty."""
    return "" if isinstance(value, float) and math.isnan(value) else rounded(value)


def cells(results: Results, protocol: str, part: str, metric: str) -> Iterator[Row]:
    """Yield the rows of a `PaperTable` for a metric of all methods on a dataset, without their place in the table."""
    facts = results.facts
    if metric not in defined(facts.classes):
        return
    measured = results.measured(protocol, part)
    marked = marks(metric, measured)
    for method, run in measured.items():
        points = run.points.get(metric, np.array([math.nan]))
        interval = estimate(metric, (run, 1.0))
        yield {
            "protocol": protocol,
            "part": part,
            "role": facts.parts[part],
            "row": f"{method} (one network set, seed {run.seeds[0]})"
            if run.of_all_seeds
            else method,
            "method": method,
            "metric": metric,
            "mean": points.mean(),
            "sd": sample_sd(points),
            "low": interval.low if interval else math.nan,
            "high": interval.high if interval else math.nan,
            "seeds": " ".join(map(str, run.seeds)),
            "images": run.images,
            "mark": marked.get(method, ""),
        }


def marks(metric: str, measured: Mapping[str, Measurement]) -> dict[str, str]:
    """Return method -> BEST, TIED or FLOOR, for one metric on one dataset.

    The best is the one of the best mean. Methods whose paired difference to it is not significant,
    or not available since they share no seed, are tied with it. A single method is no best, and no
    method is where neither direction is better. A method below the noise floor has only that mark.
    """
    means = {
        method: run.points[metric].mean()
        for method, run in measured.items()
        if metric in run.points
    }
    means = {method: mean for method, mean in means.items() if not math.isnan(mean)}
    better = METRICS[metric].better
    below = {method: FLOOR for method in means if below_floor(metric, measured[method])}
    if len(means) < 2 or better == NEITHER:
        return below
    best = max(means, key=lambda method: better * means[method])
    differences = {
        m: estimate(metric, (measured[best], 1.0), (measured[m], -1.0)) for m in means if m != best
    }
    tied = [
        m
        for m, difference in differences.items()
        if difference is None or not difference.excludes_zero
    ]
    return (dict.fromkeys([best, *tied], TIED) if tied else {best: BEST}) | below


def below_floor(metric: str, run: Measurement) -> bool:
    """Return whether a metric is below what it would be without an error, where that is known.

    Errors whose differences the square of the same bins decides are below it where the ECE is.
    """
    name = "ece" if METRICS[metric].decided_by in (SQUARED, OVER) else metric
    floor = METRICS[name].floor
    return floor in run.points and bool(run.points[name].mean() < run.points[floor].mean())
