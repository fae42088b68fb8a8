"""The lists of docs/reference/outputs.md, from the registries of tables and figures."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable

from pipeline_src.figures.catalogue import FIGURE_TYPES
from pipeline_src.tables.registry import TABLES as PAPER_TABLES


def tables() -> str:
    """An item per table with its title."""
    return "\n".join(f"- `{name}`: {_title(table).rstrip('.')}." for name, table in PAPER_TABLES.items())


def _title(table: object) -> str:
    if title := getattr(table, "caption", None) or getattr(table, "title", None):
        return str(title)
    module = inspect.getdoc(inspect.getmodule(table)) or ""
    return re.sub(r"^T\d+: ", "", module.split("\n\n")[0].replace("\n", " "))


def figures() -> str:
    """An item per figure type."""
    return "\n".join(f"- `{figure.name}`: {figure.heading}." for figure in FIGURE_TYPES)


TABLES: dict[str, Callable[[], str]] = {"tables": tables, "figures": figures}
