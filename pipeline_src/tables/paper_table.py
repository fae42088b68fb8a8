"""A paper table as data, a row per number, and how it is printed: what all tables but the main one have in common."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline_src.analysis.estimate import HIGHER, LOWER
from pipeline_src.analysis.facts import MEANING
from pipeline_src.counting.levels import PROTOCOLS
from pipeline_src.files import rounded, write_text
from pipeline_src.metrics.metric import Quantity
from pipeline_src.metrics.registry import METRICS
from pipeline_src.text_tables import UNDEFINED, Group, Table, latex, markdown

BEST, TIED, FLOOR, BROKEN = "best", "tied", "floor", "broken"
SIGNS = {BEST: "★", TIED: "†", FLOOR: "°", BROKEN: "‡", LOWER: "↓", HIGHER: "↑"}
MEANING_OF_MARKS = {
    BEST: "the best of its column, significantly: the interval of its paired difference to every other excludes 0 (for "
    "calibration errors that of their squares, too).",
    TIED: "not shown to differ from the best: the paired difference to the lowest error or highest score is not "
    "significant.",
    FLOOR: "its ECE is below the noise floor: a network without calibration error measures as much on these images; "
    "not ranked.",
    BROKEN: "does not keep the bound: the interval of the delivered risk lies above it.",
    LOWER: "significantly lower: the interval lies below 0 (for calibration errors that of their squares, too).",
    HIGHER: "significantly higher: the interval lies above 0 (for calibration errors that of their squares, too).",
}
# Where a number is printed (protocol, group, row, column), what it is of, and what it is: the mean over seeds, their
# sample standard deviation, the ends of its 95 % interval, and its numbers of seeds and images.
CSV_COLUMNS = (
    "protocol",
    "group",
    "row",
    "column",
    "part",
    "role",
    "method",
    "metric",
    "mean",
    "sd",
    "low",
    "high",
    "seeds",
    "images",
    "mark",
)
NUMBERS = ("mean", "sd", "low", "high")
Row = Mapping[str, Any]


@dataclass(frozen=True)
class PaperTable:
    """A table before it is printed.

    Attributes:
        title: what it shows, the start of its caption.
        rows: the rows of the csv, a number each, in the order in which they are shown. Keys are `CSV_COLUMNS`, of which
            those that do not apply may be absent, and further columns.
        about: what the caption says of all of it.
        notes: sentences below it; what is missing is named there, with the command that makes it.
        columns: their order, where it is not that of `rows`.
        quantities: `metric` of a row -> how it is printed.
    """

    title: str
    rows: Sequence[Row]
    about: str = ""
    notes: Sequence[str] = ()
    columns: Sequence[str] = ()
    quantities: Mapping[str, Quantity] = field(default_factory=lambda: METRICS)

    def write(self, name: str, folder: Path) -> None:
        """<name>.csv; <name>.md and <name>.tex with a table per protocol."""
        write_text(folder / f"{name}.csv", self.csv())
        write_printed(name, self.printed(name).values(), folder)

    def csv(self) -> str:
        """All rows, numbers with `files.DIGITS` digits; what is absent or undefined is empty."""
        more = dict.fromkeys(key for row in self.rows for key in row if key not in CSV_COLUMNS)
        text = io.StringIO()
        writer = csv.DictWriter(text, [*CSV_COLUMNS, *more], restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _plain(value) for key, value in row.items()} for row in self.rows)
        return text.getvalue()

    def printed(self, name: str) -> dict[str, Table]:
        """A table per protocol; or one, under the key "", of what is not measured on pixels or has no rows."""
        by_protocol = {p: [row for row in self.rows if row.get("protocol") == p] for p in PROTOCOLS}
        shown = {protocol: rows for protocol, rows in by_protocol.items() if rows} or {"": list(self.rows)}
        return {protocol: self._printed(name, protocol, rows) for protocol, rows in shown.items()}

    def _printed(self, name: str, protocol: str, rows: Sequence[Row]) -> Table:
        of = f", {protocol} protocol ({MEANING[protocol]})" if protocol else ""
        caption = " ".join(filter(None, [f"{self.title}{of}.", self.about, _marks(rows), _images(rows)]))
        columns = self.columns or list(dict.fromkeys(row["column"] for row in rows))
        label = "-".join(filter(None, [f"tab:{name}", protocol]))
        return Table(label, caption, ["", *columns], self._groups(rows, columns), self.notes)

    def _groups(self, rows: Sequence[Row], columns: Sequence[str]) -> list[Group]:
        cells: dict[str, dict[str, dict[str, str]]] = {}
        for row in rows:
            mean, sd, low, high = (row.get(key, math.nan) for key in NUMBERS)
            text = self.quantities[row["metric"]].text(mean, sd, low, high, SIGNS.get(row.get("mark", ""), ""))
            cells.setdefault(row.get("group", ""), {}).setdefault(row["row"], {})[row["column"]] = text
        return [
            Group(group, [[name, *(texts.get(column, UNDEFINED) for column in columns)] for name, texts in of.items()])
            for group, of in cells.items()
        ]


def write_printed(name: str, tables: Iterable[Table], folder: Path) -> None:
    """<name>.md and <name>.tex."""
    tables = list(tables)
    document = rf"\documentclass{{article}}\usepackage{{booktabs}}\begin{{document}}\input{{{name}}}\end{{document}}"
    head = r"% \input this in a document with \usepackage{booktabs}. To look at it alone:"
    write_text(folder / f"{name}.md", "\n".join(map(markdown, tables)))
    write_text(folder / f"{name}.tex", f"{head}\n% pdflatex '{document}'\n\n" + "\n".join(map(latex, tables)))


def _plain(value: Any) -> Any:
    return "" if isinstance(value, float) and math.isnan(value) else rounded(value)


def _marks(rows: Sequence[Row]) -> str:
    """What the marks that occur mean."""
    marks = {row.get("mark") for row in rows}
    texts = [f"{SIGNS[mark]} {text}" for mark, text in MEANING_OF_MARKS.items() if mark in marks]
    return " ".join(texts)


def _images(rows: Sequence[Row]) -> str:
    """Data sets and their numbers of images."""
    sizes: dict[str, int] = {}
    for row in rows:
        sizes.setdefault(row.get("part", ""), row.get("images", 0))
    texts = [f"{part} {images:,}" for part, images in sizes.items() if part]
    return f"Images: {', '.join(texts)}." if texts else ""
