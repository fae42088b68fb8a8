"""A table as data, a row per number, and how it is printed: what all tables except the main one share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline_src.analysis.estimate import HIGHER, LOWER
from pipeline_src.analysis.facts import PROTOCOL_NAMES
from pipeline_src.counting.levels import PROTOCOLS
from pipeline_src.files import rounded, write_text
from pipeline_src.metrics.metric import Quantity
from pipeline_src.metrics.registry import METRICS
from pipeline_src.tables.captions import LEGEND
from pipeline_src.text_tables import UNDEFINED, Group, Table, latex, markdown

BEST, TIED, FLOOR, BROKEN = "best", "tied", "floor", "broken"
SIGNS = {BEST: "★", TIED: "†", FLOOR: "°", BROKEN: "‡", LOWER: "↓", HIGHER: "↑"}
# Where a number is printed (protocol, group, row, column), what it measures, the mean over seeds, their sample standard
# deviation, its 95 % confidence limits, its seeds and its number of images.
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
        rows: the rows of the csv, a number each, in the order in which they are shown. Keys are `CSV_COLUMNS`, of which
            those that do not apply may be absent, and further columns.
        about: the rest of its caption.
        notes: sentences below it; what is missing is named there, with the command that computes it.
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
        """Write <name>.csv, and <name>.md and <name>.tex with a table per protocol."""
        import pandas as pd

        columns = dict.fromkeys([*CSV_COLUMNS, *(key for row in self.rows for key in row)])
        text = pd.DataFrame(self.rows, columns=list(columns), dtype=object).map(_plain).to_csv(index=False)
        write_text(folder / f"{name}.csv", text)
        write_printed(name, self.printed(name).values(), folder)

    def printed(self, name: str) -> dict[str, Table]:
        """Return a table per protocol; or one, under the key "", of rows without protocol or of no rows."""
        by_protocol = {p: [row for row in self.rows if row.get("protocol") == p] for p in PROTOCOLS}
        shown = {protocol: rows for protocol, rows in by_protocol.items() if rows} or {"": list(self.rows)}
        return {protocol: self._printed(name, protocol, rows) for protocol, rows in shown.items()}

    def _printed(self, name: str, protocol: str, rows: Sequence[Row]) -> Table:
        caption = f"{self.title}{f', {PROTOCOL_NAMES[protocol]}' if protocol else ''}. {self.about}".strip()
        columns = self.columns or list(dict.fromkeys(row["column"] for row in rows))
        cells: dict[str, dict[str, dict[str, str]]] = {}
        for row in rows:
            mean, sd, low, high = (row.get(key, math.nan) for key in NUMBERS)
            text = self.quantities[row["metric"]].text(mean, sd, low, high, SIGNS.get(row.get("mark", ""), ""))
            cells.setdefault(row.get("group", ""), {}).setdefault(row["row"], {})[row["column"]] = text
        groups = [
            Group(
                group, [[name, *(texts.get(column, UNDEFINED) for column in columns)] for name, texts in by_row.items()]
            )
            for group, by_row in cells.items()
        ]
        return Table("-".join(filter(None, [f"tab:{name}", protocol])), caption, ["", *columns], groups, self.notes)


def write_printed(name: str, tables: Iterable[Table], folder: Path) -> None:
    """Write <name>.md and <name>.tex, each table followed by the shared legend."""
    complete = [replace(table, notes=[*table.notes, *LEGEND]) for table in tables]
    document = rf"\documentclass{{article}}\usepackage{{booktabs}}\begin{{document}}\input{{{name}}}\end{{document}}"
    head = r"% \input this in a document with \usepackage{booktabs}. To look at it alone:"
    write_text(folder / f"{name}.md", "\n".join(map(markdown, complete)))
    write_text(folder / f"{name}.tex", f"{head}\n% pdflatex '{document}'\n\n" + "\n".join(map(latex, complete)))


def _plain(value: Any) -> Any:
    """Return a value for csv files: floats with `files.DIGITS` digits, undefined ones empty."""
    return "" if isinstance(value, float) and math.isnan(value) else rounded(value)
