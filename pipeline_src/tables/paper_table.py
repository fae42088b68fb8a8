"""A table as data with a row per number, its printed form, and the rows of metrics with marks."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

from pipeline_src.analysis.estimate import HIGHER, LOWER, estimate
from pipeline_src.analysis.facts import PROTOCOL_NAMES
from pipeline_src.analysis.measurement import Measurement
from pipeline_src.analysis.results import Results
from pipeline_src.files import Content, rounded, write_text
from pipeline_src.metrics.metric import NEITHER, Quantity
from pipeline_src.metrics.registry import METRICS, OVER, SQUARED, metric_names
from pipeline_src.tables.captions import LEGEND, heading
from pipeline_src.text_tables import UNDEFINED, Group, Table, markdown

# Marks of a method in a column of a metric (`marks`).
BEST = "best"
TIED = "tied"
FLOOR = "floor"
SIGNS = {BEST: "★", TIED: "†", FLOOR: "°", LOWER: "↓", HIGHER: "↑"}  # mark -> sign in a cell
# A difference that rests on fewer effective images (`analysis.estimate.effective_units`) gets
# `FEW_SIGN`: its interval is too narrow, so equal methods are found to differ too often.
FEW_UNITS = 30
FEW_SIGN = "‡"
NUMBERS = ("mean", "sd", "low", "high")  # columns that a cell shows
# Where a number is printed (protocol, group, row, column), what it measures, the mean over seeds,
# their sample standard deviation, its 95 % confidence limits, its seeds, its number of images, and
# its mark.
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
Row = Content


@dataclass(frozen=True)
class PaperTable:
    """A table before it is printed.

    Attributes:
        title: what the table shows, the start of its caption.
        rows: the rows of the CSV file, with one number each, in the order in which they are
            shown. Keys are `CSV_COLUMNS` (keys that do not apply may be absent) and further
            columns. Rows of a protocol stand together.
        about: the rest of the caption.
        notes: sentences below the table, such as which results are missing and how to compute them.
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

        numbers = pd.DataFrame(rounded(list(self.rows)), dtype=object)
        columns = dict.fromkeys([*CSV_COLUMNS, *numbers.columns])
        numbers = numbers.reindex(columns=list(columns))
        write_text(folder / f"{name}.csv", numbers.to_csv(index=False))
        write_markdown(name, self.printed().values(), folder)

    def printed(self) -> dict[str, Table]:
        """Return protocol -> the table of its rows.

        The key is "" if the rows have no protocol, or if there are no rows: a table without rows is
        printed for its notes.
        """
        by_protocol: dict[str, list[Row]] = {}
        for row in self.rows:
            by_protocol.setdefault(row.get("protocol", ""), []).append(row)
        if not by_protocol:
            by_protocol[""] = []
        return {
            protocol: self._protocol_table(protocol, rows) for protocol, rows in by_protocol.items()
        }

    def _protocol_table(self, protocol: str, rows: Sequence[Row]) -> Table:
        """Return the printed table of one protocol: a cell per row and column, in groups."""
        caption = f"{self.title}, {PROTOCOL_NAMES[protocol]}" if protocol else self.title
        columns = list(dict.fromkeys(row["column"] for row in rows))
        cells: dict[str, dict[str, dict[str, str]]] = {}  # group -> row -> column -> text
        for row in rows:
            by_row = cells.setdefault(row.get("group", ""), {})
            by_row.setdefault(row["row"], {})[row["column"]] = self._text(row)
        groups = []
        for title, by_row in cells.items():
            body = [
                [name] + [texts.get(column, UNDEFINED) for column in columns]
                for name, texts in by_row.items()
            ]
            groups.append(Group(title, body))
        return Table(f"{caption}. {self.about}".strip(), ["", *columns], groups, self.notes)

    def _text(self, row: Row) -> str:
        """Return a number as it is printed, with the sign of its mark, its spread over seeds and
        its interval.
        """
        sign = SIGNS.get(row.get("mark", ""), "")
        if row.get("effective_images", math.nan) < FEW_UNITS:
            sign += FEW_SIGN
        mean, spread, low, high = (row.get(key, math.nan) for key in NUMBERS)
        quantity = self.quantities[row["metric"]]
        return quantity.text(mean, spread=spread, low=low, high=high, mark=sign)


def write_markdown(name: str, tables: Iterable[Table], folder: Path) -> None:
    """Write <name>.md, each table followed by the shared legend."""
    texts = []
    for table in tables:
        complete = replace(table, notes=[*table.notes, *LEGEND])
        texts.append(markdown(complete))
    write_text(folder / f"{name}.md", "\n".join(texts))


def cells(results: Results, splits: Collection[str], metrics: Collection[str]) -> Iterator[Row]:
    """Yield the rows of a `PaperTable` for metrics of all methods, by protocol, dataset and metric.

    Metrics that are not defined for the number of classes are left out. A number that could not be
    computed is NaN.
    """
    facts = results.facts
    possible = metric_names(facts.classes)
    for protocol, split, metric in product(facts.protocols, splits, metrics):
        if metric not in possible:
            continue
        measured = results.measured(protocol, split)
        marked = marks(metric, measured)
        group = heading(results, split)
        for method, run in measured.items():
            mean = results.estimate(metric, protocol, method, split)
            networks = f" (one network set, seed {run.seeds[0]})" if run.of_all_seeds else ""
            yield {
                "protocol": protocol,
                "group": group,
                "row": method + networks,
                "column": METRICS[metric].column,
                "part": split,
                "role": facts.splits[split],
                "method": method,
                "metric": metric,
                "mean": mean.value,
                "sd": mean.sd,
                "low": mean.low,
                "high": mean.high,
                "seeds": " ".join(map(str, run.seeds)),
                "images": run.images,
                "mark": marked.get(method, ""),
            }


def marks(metric: str, measured: Mapping[str, Measurement]) -> dict[str, str]:
    """Return method -> its mark in the column of a metric on one dataset; methods without a mark
    are left out.

    The best method has the best mean, and is marked BEST. A method is TIED with it if it is not
    significantly worse by their paired difference, as also where the two share no seed. The best
    method is then also TIED. There is no best one if there is only one method, or if neither
    direction of the metric is better. A method below the noise floor is only marked FLOOR.

    Args:
        measured: method -> its results on the dataset.
    """
    means: dict[str, float] = {}
    for method, run in measured.items():
        if metric in run.points:
            means[method] = run.points[metric].mean()
    ranked = [method for method, mean in means.items() if not math.isnan(mean)]  # defined means
    below = {method: FLOOR for method in ranked if below_floor(metric, measured[method])}
    better = METRICS[metric].better
    if len(ranked) < 2 or better == NEITHER:
        return below
    best = max(ranked, key=lambda method: better * means[method])  # `better` is 1 or -1
    superior = HIGHER if better > 0 else LOWER
    tied: dict[str, str] = {}
    for method in ranked:
        difference = estimate(metric, (measured[best], 1.0), (measured[method], -1.0))
        if method != best and (difference is None or difference.direction != superior):
            tied[method] = TIED
    return {best: TIED if tied else BEST} | tied | below  # later entries replace earlier ones


def below_floor(metric: str, run: Measurement) -> bool:
    """Return whether a metric of a method is below its noise floor: the value that a network
    without calibration error reaches on these images. Such a method is not ranked.

    Only ECE has a known floor. For other errors of the top label, such as OE, ECE and its floor are
    compared instead. The result is False for all other metrics.
    """
    # The errors of the top label are the metrics whose differences squared errors decide.
    name = "ece" if METRICS[metric].decided_by in (SQUARED, OVER) else metric
    floor = METRICS[name].floor
    return floor in run.points and bool(run.points[name].mean() < run.points[floor].mean())
