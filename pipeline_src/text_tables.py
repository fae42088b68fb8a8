"""Tables as text: in Markdown, in LaTeX, and as aligned rows for the terminal. The report writes HTML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

UNDEFINED = "–"


@dataclass(frozen=True)
class Group:
    """Rows under one heading; the first cell of a row names it."""

    heading: str
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Table:
    """A table of cells in their printed form; `label` is the LaTeX label."""

    label: str
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
    lines = [f"**Table.** {markdown_text(table.caption)}", "", *(f"| {' | '.join(cells)} |" for cells in body)]
    for note in table.notes:
        lines += ["", markdown_text(note)]
    return "\n".join(lines) + "\n"


def latex(table: Table) -> str:
    """Return the table as a LaTeX float for `\\input`, which needs the package booktabs."""
    width = len(table.columns)
    lines = [
        "\\begin{table}[htbp]",
        "\\centering\\footnotesize\\setlength{\\tabcolsep}{4pt}",
        f"\\caption{{{_latex(table.caption)}}}",
        f"\\label{{{table.label}}}",
        f"\\makebox[\\linewidth][c]{{\\begin{{tabular}}{{@{{}}l{'r' * (width - 1)}@{{}}}}",
        "\\toprule",
        " & ".join(_latex(column) for column in table.columns) + " \\\\",
    ]
    for group in table.groups:
        lines.append("\\midrule")
        if group.heading:
            lines.append(f"\\multicolumn{{{width}}}{{@{{}}l}}{{\\textit{{{_latex(group.heading)}}}}} \\\\")
        lines += [" & ".join([_latex(row[0]), *map(_latex_cell, row[1:])]) + " \\\\" for row in group.rows]
    lines += ["\\bottomrule", "\\end{tabular}}"]
    lines += [f"\\par\\smallskip\\parbox{{\\linewidth}}{{\\scriptsize {_latex(note)}}}" for note in table.notes]
    return "\n".join([*lines, "\\end{table}"]) + "\n"


def markdown_rows(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a GitHub Markdown table of cells that are not escaped."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [columns, ["---"] * len(columns), *rows])


def markdown_text(text: str) -> str:
    """Return `text` with the special characters of Markdown and HTML escaped."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", " ")
    return re.sub(r"([\\`*_\[\]|])", r"\\\1", text)


def _latex_cell(text: str) -> str:
    """Return a LaTeX cell with spread and interval in tiny type, so eight metrics fit on a page."""
    number, *rest = re.split(r"(?= [±\[])", text, maxsplit=1)
    return _latex(number) + "".join(f"{{\\tiny {_latex(small.lstrip())}}}" for small in rest)


LATEX = {
    "\\": "\\textbackslash{}",
    **{character: "\\" + character for character in "&%$#_{}"},
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "|": "\\textbar{}",
    "±": "$\\pm$",
    "−": "$-$",
    "–": "--",
    "·": "$\\cdot$",
    "★": "$^\\star$",
    "†": "$^\\dagger$",
    "‡": "$^\\ddagger$",
    "°": "$^\\circ$",
    "↓": "$\\downarrow$",
    "↑": "$\\uparrow$",
    "α": "$\\alpha$",
    "β": "$\\beta$",
    "≤": "$\\leq$",
    "≥": "$\\geq$",
    "“": "``",
    "”": "''",
    "[": "{[}",  # after a row's end it would open an option
    "*": "{*}",
    "\n": " ",
}


def _latex(text: str) -> str:
    return "".join(LATEX.get(character, character) for character in text)
