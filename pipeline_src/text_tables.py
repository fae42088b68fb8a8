"""Tables as text: in Markdown, and as aligned rows for the terminal. The report writes HTML."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

UNDEFINED = "–"  # the cell of a number that is not defined


@dataclass(frozen=True)
class Group:
    """The rows of a table under one heading; the first cell of a row is the row's name."""

    heading: str
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Table:
    """A table of cells in their printed form."""

    caption: str
    columns: Sequence[str]
    groups: Sequence[Group]
    notes: Sequence[str] = ()


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return one line per row for the terminal, with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def markdown(table: Table) -> str:
    """Return the table in GitHub's Markdown, with right-aligned numbers and rows of headings."""
    further = len(table.columns) - 1
    rows = [table.columns, ["---"] + ["---:"] * further]
    for group in table.groups:
        if group.heading:
            rows.append([f"**{markdown_text(group.heading)}**"] + [""] * further)
        for row in group.rows:
            rows.append(list(map(markdown_text, row)))
    lines = [f"**Table.** {markdown_text(table.caption)}", ""]
    lines += markdown_rows(rows)
    for note in table.notes:
        lines += ["", markdown_text(note)]
    return "\n".join(lines) + "\n"


def markdown_rows(rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a line of GitHub's Markdown for each row of a table, without escapes."""
    return [f"| {' | '.join(row)} |" for row in rows]


def markdown_text(text: str) -> str:
    """Return `text` with the special characters of Markdown and HTML escaped."""
    text = html.escape(text, quote=False).replace("\n", " ")
    return re.sub(r"([\\`*_\[\]|])", r"\\\1", text)
