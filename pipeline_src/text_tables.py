"""Tables as text: in Markdown, and as aligned rows for the terminal. The report writes HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

UNDEFINED = "–"


@dataclass(frozen=True)
class Group:
    """Rows under one heading; the first cell of a row names it."""

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
    """Return the table in GitHub's Markdown, with right-aligned numbers and a row per group heading."""
    blank = [""] * (len(table.columns) - 1)
    body = [table.columns, ["---", *("---:" for _ in blank)]]
    for group in table.groups:
        if group.heading:
            body.append([f"**{markdown_text(group.heading)}**", *blank])
        body.extend([markdown_text(cell) for cell in row] for row in group.rows)
    lines = [
        f"**Table.** {markdown_text(table.caption)}",
        "",
        *(f"| {' | '.join(cells)} |" for cells in body),
    ]
    for note in table.notes:
        lines += ["", markdown_text(note)]
    return "\n".join(lines) + "\n"


def markdown_text(text: str) -> str:
    """Return `text` with the special characters of Markdown and HTML escaped."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", " ")
    return re.sub(r"([\\`*_\[\]|])", r"\\\1", text)
