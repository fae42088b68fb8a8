"""The lists of docs/reference/methods.md, from the docstrings of the method files.

The last lines of a docstring describe the method: `Kind:`, `Idea:`, `Formula:` and `Source:`, each
continued in the lines below it that are indented further. A method of others also has `Setting:`,
how it differs from its authors'.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial

from pydantic.fields import FieldInfo

from pipeline_src.errors import UserError
from pipeline_src.training.method import Method, MethodEntry
from pipeline_src.training.posthoc import Calibrated
from pipeline_src.training.registry import docstring_lines, method_class, method_names

COLUMNS = ("Idea", "Formula", "Source")
KINDS = ("paper", "ours", "comparison", "posthoc")
OTHERS = ("comparison", "posthoc")  # methods of others, which say what is their authors' setting


def list_of(kind: str) -> str:
    """The methods of a kind: idea, formula and source."""
    items = []
    for name in method_names():
        facts = docstring_facts(method_class(name))
        if facts["Kind"] == kind:
            text = f"{facts['Idea']} {facts['Formula'].rstrip('.')}"
            if facts["Source"] != "–":
                text += f" ({facts['Source'].rstrip('.')})"
            items.append(f"- `{name}`: {text}.")
    return "\n".join(items)


def docstring_facts(method: type[MethodEntry]) -> dict[str, str]:
    """The lines at the end of a method's docstring, by key; UserError names missing ones."""
    documented = method.calibrator() if issubclass(method, Calibrated) else method
    facts = docstring_lines(inspect.cleandoc(documented.__doc__ or ""))
    needed = ["Kind", *COLUMNS]
    if facts.get("Kind") in OTHERS:
        needed.append("Setting")
    missing = [key for key in needed if key not in facts]
    if missing or facts["Kind"] not in KINDS:
        raise UserError(
            f"{method.__module__}: the docstring of {method.__name__} doesn't describe the method",
            found=f"without {', '.join(missing)}" if missing else f"Kind: {facts['Kind']}",
            expected=f"lines {', '.join(needed[1:])} and Kind ({', '.join(KINDS)})",
        )
    return facts


def own_fields(method: type[MethodEntry]) -> dict[str, FieldInfo]:
    """The parameters that not every method of training has."""
    shared = Method.model_fields
    return {name: field for name, field in method.model_fields.items() if name not in shared}


TABLES: dict[str, Callable[[], str]] = {kind: partial(list_of, kind) for kind in KINDS}
