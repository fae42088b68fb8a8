"""Lists of docs/reference/outputs.md and docs/results.md, from the registries and the rule."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable

from published_tables import table_of

from pipeline_src.analysis.recommendation import RULE
from pipeline_src.figures import gallery
from pipeline_src.figures.registry import FIGURE_TYPES
from pipeline_src.tables.registry import TABLES as PAPER_TABLES


def tables() -> str:
    """An item per table with its title."""
    return "\n".join(
        f"- `{name}`: {_title(table).rstrip('.')}." for name, table in PAPER_TABLES.items()
    )


def _title(table: object) -> str:
    title = getattr(table, "caption", None) or getattr(table, "title", None)
    if title:
        return str(title)
    module = inspect.getdoc(inspect.getmodule(table)) or ""
    return re.sub(r"^T\d+: ", "", module.split("\n\n")[0].replace("\n", " "))


def figures() -> str:
    """An item per figure type."""
    return "\n".join(
        f"- `{figure.name}`: {figure.heading}."
        for figure in (*FIGURE_TYPES.values(), gallery.FIGURE)
    )


def rule() -> str:
    """A row per step of the rule by which a method is recommended."""
    rows = [[str(number), text] for number, text in enumerate(RULE, 1)]
    return table_of(["step", "rule"], rows)


TABLES: dict[str, Callable[[], str]] = {"tables": tables, "figures": figures, "rule": rule}
