"""A paper table as data, a row per number, and how it is printed: what all of T1 to T9 have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pipeline_src.analysis.results import MEANING
from pipeline_src.counting.statistic import PROTOCOLS
from pipeline_src.files import write_text
from pipeline_src.metrics.formats import ALL_METRICS
from pipeline_src.text_tables import UNDEFINED, Group, Table, latex, markdown

BEST, TIED = "best", "tied"
MARKS = {BEST: "★", TIED: "†"}
UNCORRECTED = "Differences are tested one by one, without a correction for their number."
# Where a number stands (protocol, group, row, column), what it is of, and what it is: the mean over seeds, their sample
# standard deviation, the ends of its 95 % interval, and how many seeds and images stand behind it.
COLUMNS = ("protocol", "group", "row", "column", "part", "role", "method", "metric")
COLUMNS += ("mean", "sd", "low", "high", "seeds", "images", "mark")
NUMBERS = ("mean", "sd", "low", "high", "images")


@dataclass(frozen=True)
class Sheet:
    """A table before it is printed.

    Attributes:
        name: T1 to T9.
        title: what it shows, the start of its caption.
        numbers: `COLUMNS` and others, a row per number, in the order in which they are to be shown.
        about: what the caption says of all of it.
        notes: what stands below; what is missing and the command that makes it is told here.
        columns: their order, where it is not that of `numbers`.
    """

    name: str
    title: str
    numbers: pd.DataFrame
    about: str = ""
    notes: Sequence[str] = ()
    columns: Sequence[str] = ()

    def write(self, out: Path) -> None:
        """<name>.csv in full precision; <name>.md and <name>.tex with a table per protocol."""
        tables = self.tables().values()
        write_text(out / f"{self.name}.csv", self.numbers.to_csv(index=False, lineterminator="\n"))
        write_text(out / f"{self.name}.md", "\n".join(markdown(table) for table in tables))
        write_text(out / f"{self.name}.tex", tex_head(self.name) + "\n".join(latex(table) for table in tables))

    def tables(self) -> dict[str, Table]:
        """A table per protocol; or one, named by nothing, of what is not measured on pixels or not run."""
        found, made = set(self.numbers["protocol"]), {}
        for protocol in [p for p in PROTOCOLS if p in found] or [""]:
            chosen = self.numbers[self.numbers["protocol"] == protocol]
            of = f", {protocol} protocol ({MEANING[protocol]})" if protocol else ""
            caption = " ".join(filter(None, [f"{self.title}{of}.", self.about, _marks(chosen), images(chosen)]))
            columns = self.columns or list(chosen["column"].unique())
            groups = [Group(str(name), list(_rows(of, columns))) for name, of in chosen.groupby("group", sort=False)]
            label = "-".join(filter(None, [f"tab:{self.name}", protocol]))
            made[protocol] = Table(label, caption, ["", *columns], groups, self.notes)
        return made


def tex_head(name: str) -> str:
    """How <name>.tex is to be used."""
    document = (
        f"\\documentclass{{article}}\\usepackage{{booktabs}}\\begin{{document}}\\input{{{name}}}\\end{{document}}"
    )
    return (
        f"% \\input this in a document with \\usepackage{{booktabs}}. To look at it alone:\n% pdflatex '{document}'\n\n"
    )


def frame(rows: Sequence[dict]) -> pd.DataFrame:
    """The rows as a table with all of `COLUMNS`, in their order, and then what else they have."""
    made = pd.DataFrame(rows, columns=None if rows else list(COLUMNS))
    made = made.reindex(columns=[*COLUMNS, *(name for name in made if name not in COLUMNS)])
    texts = {name: made[name].astype(object).fillna("") for name in COLUMNS if name not in NUMBERS}
    return made.assign(**texts).astype({name: "Int64" if name == "images" else float for name in NUMBERS})


def _rows(chosen: pd.DataFrame, columns: Sequence[str]) -> Iterator[list[str]]:
    for row, cells in chosen.groupby("row", sort=False):
        texts = {
            cell.column: ALL_METRICS[cell.metric].text(
                cell.mean, cell.sd, cell.low, cell.high, MARKS.get(cell.mark, "")
            )
            for cell in cells.itertuples()
        }
        yield [str(row), *(texts.get(column, UNDEFINED) for column in columns)]


def _marks(chosen: pd.DataFrame) -> str:
    """What the marks that occur mean."""
    told = {
        BEST: f"{MARKS[BEST]} the best of its column, significantly: the interval of its paired difference to every "
        "other leaves out 0.",
        TIED: f"{MARKS[TIED]} tied for the best: the paired difference to the lowest error or highest score is not "
        "significant.",
    }
    found = [text for mark, text in told.items() if (chosen["mark"] == mark).any()]
    return " ".join([*found, UNCORRECTED]) if found else ""


def images(chosen: pd.DataFrame) -> str:
    """Data sets and their numbers of images."""
    known = chosen[chosen["part"] != ""].drop_duplicates("part")
    sizes = [f"{row.part} {int(row.images):,}" for row in known.itertuples()]
    return f"Images: {', '.join(sizes)}." if sizes else ""
