"""The tables of docs/methods.md, from the method files: a row each, of its class's docstring and its parameters.

The last lines of a docstring are its row: `Idea:`, `Formula:`, `Changes:`, `Cost:` and `Source:`, each continued in
the lines below it that are indented further. `Setting:`, which a method of others must have, is a row of the last
table.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pydantic.fields import FieldInfo

from pipeline_src.errors import UserError
from pipeline_src.params.load import read
from pipeline_src.text_tables import markdown_rows
from pipeline_src.training.described import docstring_lines
from pipeline_src.training.method import Block, Method
from pipeline_src.training.registry import choose, method_class, method_names

COLUMNS = ("Idea", "Formula", "Changes", "Cost", "Source")
KINDS = ("paper", "ours", "rivals", "posthoc")
OTHERS = ("rivals", "posthoc")  # methods of others, which say what is their authors' setting


def of_kind(kind: str) -> str:
    """The methods of a kind, with their parameters."""
    rows = []
    for name in method_names():
        facts = docstring_facts(method := method_class(name))
        if facts["Kind"] == kind:
            cells = [f"`{name}`", *(facts[column] for column in COLUMNS[:2]), _parameters(method)]
            rows.append([*cells, *(facts[column] for column in COLUMNS[2:])])
    return markdown_rows(["Method", *COLUMNS[:2], "Parameters", *COLUMNS[2:]], rows)


def settings() -> str:
    """What is the authors' setting."""
    facts = {name: docstring_facts(method_class(name)) for name in method_names()}
    return markdown_rows(
        ["Method", "Setting"], [[f"`{name}`", of["Setting"]] for name, of in facts.items() if "Setting" in of]
    )


def docstring_facts(method: type[Block]) -> dict[str, str]:
    """The lines at the end of a method's docstring, by key; UserError names those that are missing."""
    facts = {key: text.replace("|", "\\|") for key, text in docstring_lines(method).items()}
    needed = ["Kind", *COLUMNS, *(["Setting"] if facts.get("Kind") in OTHERS else [])]
    missing = [key for key in needed if key not in facts]
    if missing or facts["Kind"] not in KINDS:
        raise UserError(
            f"{method.__module__}: the docstring of {method.__name__} doesn't describe the method",
            found=f"without {', '.join(missing)}" if missing else f"Kind: {facts['Kind']}",
            expected=f"lines {', '.join(needed[1:])} and Kind ({', '.join(KINDS)})",
        )
    return facts


def variants() -> str:
    """Blocks of params.yaml that are a method under another name."""
    rows = []
    for name, block in read().methods.items():
        if block and "method" in block:
            method = choose(name, block).method
            own = {key: getattr(method, key) for key in method.model_fields_set}
            own = {key: value for key, value in own.items() if value != type(method).model_fields[key].default}
            texts = sorted(f"`{key}` {value}" for key, value in own.items())
            rows.append([f"`{name}`", f"`{block['method']}`", ", ".join(texts)])
    return markdown_rows(["Block", "Method", "Parameters"], rows)


def _parameters(method: type[Block]) -> str:
    return ", ".join(f"`{name}` {field.default}" for name, field in own_fields(method).items()) or "–"


def own_fields(method: type[Block]) -> dict[str, FieldInfo]:
    """The parameters that not every method of training has."""
    return {name: field for name, field in method.model_fields.items() if name not in Method.model_fields}


TABLES: dict[str, Callable[[], str]] = {
    **{kind: partial(of_kind, kind) for kind in KINDS},
    "variants": variants,
    "settings": settings,
}
