"""The tables of docs/reference/outputs.md, from the registries of tables and figures."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable

from pipeline_src.figures.catalogue import FIGURE_TYPES
from pipeline_src.tables.registry import TABLES as PAPER_TABLES
from pipeline_src.text_tables import markdown_rows


def tables() -> str:
    """A row per table with its title."""
    return markdown_rows(["table", "shows"], [[f"`{name}`", _title(table)] for name, table in PAPER_TABLES.items()])


def _title(table: object) -> str:
    if title := getattr(table, "caption", None) or getattr(table, "title", None):
        return str(title)
    module = inspect.getdoc(inspect.getmodule(table)) or ""
    return re.sub(r"^T\d+: ", "", module.split("\n\n")[0].replace("\n", " "))


def figures() -> str:
    """A row per figure type."""
    return markdown_rows(["figure", "shows"], [[f"`{figure.name}`", figure.heading] for figure in FIGURE_TYPES])


TABLES: dict[str, Callable[[], str]] = {"tables": tables, "figures": figures}
