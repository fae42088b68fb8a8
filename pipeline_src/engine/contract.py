"""Contracts: what a job's result is made from, as a hash (docs/workflow.md).

A result is current if its contract is: the same parameters, the same contracts of its inputs, the same code. File
times play no part, since a clone, a checkout or `dvc pull` changes them at will. Code counts by its syntax tree, so a
comment, a docstring, a type hint or the wording of an error changes nothing.
"""

from __future__ import annotations

import ast
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from pipeline_src.python_source import parsed

PACKAGE = "pipeline_src"
ROOT = Path(__file__).parent.parent

# Modules that cannot change a result: wording of errors, whole files, and the reading of values that are hashed
# themselves.
NEUTRAL = (f"{PACKAGE}.errors", f"{PACKAGE}.files", f"{PACKAGE}.params")
LENGTH = 16


def digest(content: Any) -> str:
    """16 hex digits for JSON-like `content`, whatever the order of its keys."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]


def code_digest(modules: tuple[str, ...], files: tuple[Path, ...] = (), without: tuple[str, ...] = ()) -> str:
    """16 hex digits for the code of `modules` and `files` and all of the package that they import, directly or not.

    Args:
        modules: dotted names inside the package.
        files: further Python files (a user's method, a model config); their imports from the package count too.
        without: dotted names (with all below them) left out, besides those that are neutral anyway.
    """
    closed = {}
    queue = [*modules, *(name for file in files for name in _tree(file)[1])]
    while queue:
        name = queue.pop()
        if name in closed or any(name == left or name.startswith(left + ".") for left in (*NEUTRAL, *without)):
            continue
        closed[name], imports = _tree(_file(name))
        queue += imports
    return digest(sorted([*closed.items(), *((_name(file), _tree(file)[0]) for file in files)]))


def _name(file: Path) -> str:
    """A file's name that is the same wherever the project lies."""
    for base in (ROOT, Path.cwd()):
        if file.absolute().is_relative_to(base):
            return file.absolute().relative_to(base).as_posix()
    return file.name


def _file(module: str) -> Path | None:
    """The file of a module of the package, or None if there is no such module."""
    base = ROOT.joinpath(*module.split(".")[1:])
    return next((file for file in (base / "__init__.py", base.with_suffix(".py")) if file.is_file()), None)


@cache
def _tree(file: Path) -> tuple[str, list[str]]:
    """Hash of a file's syntax tree, and the modules of the package that it imports."""
    if file.suffix != ".py":
        return hashlib.sha256(file.read_bytes()).hexdigest()[:LENGTH], []
    tree = parsed(file)
    parts = file.relative_to(ROOT.parent).with_suffix("").parts if file.is_relative_to(ROOT) else ()
    package = parts[:-1]  # for both package/__init__.py and package/module.py, relative imports start here
    named: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            named.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = (
                ".".join([*package[: len(package) - node.level + 1], node.module or ""]).strip(".")
                if node.level
                else node.module or ""
            )
            named.update([base, *(f"{base}.{alias.name}" for alias in node.names)])
    modules: set[str] = set()
    for name in named:
        steps = name.split(".")
        if steps[0] == PACKAGE:  # importing a.b.c runs a/__init__ and a.b/__init__ too
            modules.update(m for i in range(1, len(steps) + 1) if _file(m := ".".join(steps[:i])))
    return hashlib.sha256(_canonical(tree).encode()).hexdigest()[:LENGTH], sorted(modules)


def _canonical(node: Any) -> str:
    """A syntax tree as text: without positions, docstrings, annotations and wording of UserErrors; the same for all
    Pythons."""
    if isinstance(node, list):
        return f"[{','.join(map(_canonical, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "UserError":
        return "UserError"
    if isinstance(node, ast.keyword) and node.arg == "description":
        return "text"
    fields = []
    for name in node._fields:
        value = getattr(node, name, None)
        if name in ("annotation", "returns", "ctx", "kind", "type_comment") and not isinstance(node, ast.AnnAssign):
            continue
        if name == "body" and isinstance(value, list):
            value = [line for line in value if not _is_text(line)]
        if value not in (None, []):  # new Pythons add fields; empty ones say nothing
            fields.append(f"{name}={_canonical(value)}")
    return f"{type(node).__name__}({','.join(fields)})"


def _is_text(line: ast.AST) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str)
