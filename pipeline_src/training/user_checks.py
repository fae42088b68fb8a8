"""Misspelled callbacks of a user's method."""

from __future__ import annotations

import ast
import difflib
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType

from pipeline_src.errors import UserError
from pipeline_src.python_source import PACKAGE, syntax_tree
from pipeline_src.training.method import Block

NEAR = 0.65  # difflib's ratio from which a name is taken for a misspelt callback: `target` has 0.92, `describe` 0.53


def check_callbacks(kind: type[Block]) -> None:
    """Raise a UserError if nothing calls a method of a user's class and its name is close to a callback's: the baseline
    would be trained under the user's name."""
    callbacks = _callbacks(kind)
    for file, owner, name in _uncalled(kind):
        if near := difflib.get_close_matches(name.lower(), callbacks, n=1, cutoff=NEAR):
            raise UserError(
                f"methods: {file.name}: {owner}.{name}() is not a callback, and nothing calls it",
                found=name,
                expected=", ".join(sorted(callbacks)),
                fix=f"did you mean {near[0]!r}? Begin the name with _ if it is meant as it is",
            )


def _callbacks(kind: type[Block]) -> set[str]:
    """What the package calls of a class."""
    return {
        name
        for base in kind.mro()
        if base.__module__.startswith(f"{PACKAGE}.")
        for name, value in vars(base).items()
        if isinstance(value, FunctionType | property) and not name.startswith(("_", "model_"))
    }


def _uncalled(kind: type[Block]) -> Iterator[tuple[Path, str, str]]:
    """(file, class, name) of the public methods of a user's class, and of classes of the user's that it derives from,
    that are neither a callback nor named anywhere else in the file; decorated ones are registered somewhere."""
    allowed = _callbacks(kind) | set(dir(Block))
    for base in kind.mro():
        if not issubclass(base, Block) or base.__module__.startswith(f"{PACKAGE}."):
            continue
        file = Path(inspect.getfile(base))
        used, defined = _names(file, base.__name__)
        yield from ((file, base.__name__, name) for name in defined if name not in allowed | used)


def _names(file: Path, owner: str) -> tuple[set[str], list[str]]:
    """The names that are used in a file, and the public methods that a class in it defines without a decorator."""
    nodes = list(ast.walk(syntax_tree(file)))
    used = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    used |= {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    bodies = [node.body for node in nodes if isinstance(node, ast.ClassDef) and node.name == owner]
    defined = [
        node for body in bodies for node in body if isinstance(node, ast.FunctionDef) and not node.decorator_list
    ]
    return used, [node.name for node in defined if not node.name.startswith("_")]
