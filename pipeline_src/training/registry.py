"""The methods of the package, their descriptions, and the method that an entry of `methods:` in params.yaml names."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline_src.calibrators import NAMES
from pipeline_src.errors import UserError, did_you_mean
from pipeline_src.python_source import ROOT, syntax_tree
from pipeline_src.training.method import MethodEntry
from pipeline_src.training.posthoc import calibrated_method
from pipeline_src.validation import validate

FOLDER = Path(__file__).parent / "methods"


def method_names() -> list[str]:
    """Return the names of the package's methods: one per file, and the calibrators."""
    return sorted([*(path.stem for path in FOLDER.glob("[!_]*.py")), *NAMES])


def method_class(name: str) -> type[MethodEntry]:
    """Return the class of a method: the subclass of `MethodEntry` in its file, or the adapter of a calibrator."""
    if name in NAMES:
        return calibrated_method(name)
    module = importlib.import_module(f"pipeline_src.training.methods.{name}")
    members = [member for member in vars(module).values() if isinstance(member, type)]
    classes = [
        kind
        for kind in members
        if issubclass(kind, MethodEntry) and kind.__module__ == module.__name__
    ]
    if len(classes) != 1:
        raise UserError(
            f"methods.{name}: {module.__file__} must define exactly one class derived from Method or PostHoc",
            found=", ".join(kind.__name__ for kind in classes) or "none",
        )
    return classes[0]


@dataclass(frozen=True)
class Chosen:
    """A method, training or post-hoc, with its parameters; `code` is its name, which may differ from the entry's."""

    method: MethodEntry
    code: str


def choose(name: str, entry: dict[str, Any] | None) -> Chosen:
    """Return the method of the entry `name`. Its key `method` names a method of the package if the
    entry has another name; all other keys are parameters.

    Raises:
        UserError: names the wrong key or value.
    """
    parameters, names = dict(entry or {}), method_names()
    code = str(parameters.pop("method", name))
    if code not in names:
        raise UserError(
            f"methods.{name}: there is no method {code!r}",
            expected=", ".join(names),
            fix=did_you_mean(code, names) or f"add the file {FOLDER / code}.py",
        )
    return Chosen(validate(method_class(code), parameters, f"methods.{name}"), code)


# Descriptions, from docstrings


def docstring_lines(docstring: str) -> dict[str, str]:
    """Return the lines at the end of a docstring of a method or calibrator by key, such as `Idea`."""
    lines = re.findall(r"^([A-Z][a-z]+): (.+(?:\n[ \t]+.+)*)", docstring, re.MULTILINE)
    return {key: " ".join(value.split()) for key, value in lines}


def described(name: str, parameters: Mapping[str, Any], epochs: int) -> dict[str, str]:
    """Return `title` and `idea` of a method of the package, nothing for others. The title states if
    its perturbation starts after the last of the `epochs`.
    """
    if name not in method_names():
        return {}
    module, docstring = _docstrings(method_class(name))
    title = re.split(r": | \(|\.$", " ".join(module.split()) or name)[0]
    idea = docstring_lines(docstring).get("Idea", "")
    if (start := parameters.get("start_epoch", 0)) >= epochs:
        title += " without perturbation"
        idea += f" Not here: it would start after epoch {start:,} of {epochs}, so no label is perturbed."
    return {"title": title, "idea": idea.strip()}


def _docstrings(method: type[MethodEntry]) -> tuple[str, str]:
    """Return the docstrings of the module and of the class that describe a method: its
    calibrator's, if it is one. A calibrator is not imported, because scipy takes long.
    """
    tree = syntax_tree(ROOT.parent / f"{method.__module__.replace('.', '/')}.py")
    names = (method.__name__, f"{method.__name__}Calibrator")
    (documented,) = [
        node for node in tree.body if isinstance(node, ast.ClassDef) and node.name in names
    ]
    return ast.get_docstring(tree) or "", ast.get_docstring(documented) or ""
