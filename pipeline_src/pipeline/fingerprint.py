"""Fingerprints: 16 hex digits for everything that a result is made from. They name its folder in the store.

A fingerprint covers the parameters of a job, the fingerprints of its inputs, and code: the function of the job with the
definitions of its module that it uses, and all modules of the package that these import, directly or not. A module
counts as its syntax tree without docstrings, comments, type hints of functions, log calls, texts of errors and
descriptions of parameters.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from pydantic import BaseModel

from pipeline_src.errors import UserError
from pipeline_src.files import sha256, write_text
from pipeline_src.python_source import PACKAGE, ROOT, syntax_tree

LENGTH = 16
# Modules that cannot change a result: errors, values that are hashed themselves, the machinery of jobs, progress.
NEUTRAL = {
    *("errors", "validation", "processes", "python_source"),
    *("data.catalog", "data.entry", "training.machine", "training.progress"),
}
NEUTRAL_PACKAGES = ("params", "pipeline")
LOGGERS = {"log", "logger", "logging", "warnings"}
IGNORED = {"ctx", "kind", "returns", "type_comment", "type_params"}  # fields of syntax trees
CACHE = Path(".snakemake/code.json")  # may be removed at any time


def digest(content: Any) -> str:
    """Return 16 hex digits for JSON-like `content`."""
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()[:LENGTH]


def file_digest(file: Path) -> str:
    """Return 16 hex digits of a file's bytes."""
    return sha256(file)[:LENGTH]


def as_json(value: Any) -> Any:
    """Return a parameter in JSON's types. Fields of models and dataclasses are sorted; the order of mappings counts.

    A model has the name of its class, because calibrators with equal parameters differ in nothing else.

    Raises:
        UserError: the value is of a type whose text may differ between machines or runs.
    """
    if isinstance(value, BaseModel):
        value = {"class": type(value).__name__, **dict(sorted(dict(value).items()))}
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {name: getattr(value, name) for name in sorted(field.name for field in dataclasses.fields(value))}
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, PurePath):
        return value.as_posix()
    raise UserError(
        "a parameter of a job cannot be part of its fingerprint",
        found=f"{value!r} of type {type(value).__name__}",
        expected="numbers, texts, None; models, mappings, lists and tuples of them",
    )


# Code


class Code(NamedTuple):
    """The digest of a Python file, or of a function in it, and the files of the package that it imports."""

    digest: str
    files: list[str]


def code_digests(function: Callable[..., object], values: Any, modules: Iterable[str] = ()) -> dict[str, str]:
    """Return the code that a job depends on: file -> digest.

    Args:
        function: the work of the job.
        values: its parameters; the modules of their models and dataclasses count.
        modules: dotted names of further modules of the package.
    """
    names = {*modules, *(kind.__module__ for kind in _classes(values))}
    return _code_digests(function, tuple(sorted(names)))


@cache
def _code_digests(function: Callable[..., object], modules: tuple[str, ...]) -> dict[str, str]:
    queue, found = _package_files(modules), dict[str, str]()
    top, *parts = function.__module__.split(".")
    if top == PACKAGE:
        code = _code(f"{'/'.join(parts)}.py", function.__name__)
        found[f"{function.__module__}:{function.__name__}"] = code.digest
        queue += code.files
    while queue:
        name = queue.pop()
        if (key := f"{PACKAGE}/{name}") not in found and not _is_neutral(name):
            code = _code(name)
            found[key] = code.digest
            queue += code.files
    _save_records()
    return dict(sorted(found.items()))


def _classes(value: Any) -> Iterator[type]:
    """Yield the classes of models and dataclasses in a value that are defined in the package."""
    if isinstance(value, BaseModel) or (dataclasses.is_dataclass(value) and not isinstance(value, type)):
        if type(value).__module__.partition(".")[0] == PACKAGE:
            yield type(value)
        value = vars(value)
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _classes(item)


@cache
def _is_neutral(file: str) -> bool:
    name = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return name in NEUTRAL or name.partition(".")[0] in NEUTRAL_PACKAGES


def _package_files(names: Iterable[str]) -> list[str]:
    """Return the files that an import of `a.b` or `a.b:c` of the package runs, with those of the packages above."""
    found: dict[str, None] = {}
    for name in names:
        top, *parts = name.replace(":", ".").split(".")
        for end in range(len(parts) + 1 if top == PACKAGE else 0):
            place = "/".join(parts[:end])
            both = (f"{place}.py", f"{place}/__init__.py") if place else ("__init__.py",)
            found |= dict.fromkeys(file for file in both if (ROOT / file).is_file())
    return list(found)


@cache
def _records() -> dict[str, Any]:
    """Return the code of files by "file:function", with their size and time, as `CACHE` has it. Records that
    another version of this module wrote are void."""
    rules = os.stat(__file__).st_mtime_ns
    with suppress(OSError, ValueError):
        if isinstance(known := json.loads(CACHE.read_bytes()), dict) and known.get("rules") == rules:
            return known
    return {"rules": rules}


def _code(file: str, function: str = "") -> Code:
    """Return the code of a file of the package, or of a function in it."""
    path, key, records = ROOT / file, f"{file}:{function}", _records()
    info = os.stat(path)
    record = records.get(key)
    if not record or record[:2] != [info.st_size, info.st_mtime_ns]:
        nodes = _used_definitions(path, function) if function else syntax_tree(path).body
        record = [info.st_size, info.st_mtime_ns, digest(_text(nodes)), _package_files(_imports(nodes))]
        records |= {key: record, "changed": True}
    return Code(*record[2:])


def _save_records() -> None:
    if _records().pop("changed", False):
        with suppress(OSError, UserError):
            write_text(CACHE, json.dumps(_records()))


@cache
def _definitions(file: Path) -> dict[str, ast.stmt]:
    """Return the top-level statements of a file by the names that they bind, with one import per name."""
    found: dict[str, ast.stmt] = {}
    for node in syntax_tree(file).body:
        if isinstance(node, ast.Import):
            found |= {(alias.asname or alias.name).partition(".")[0]: ast.Import([alias]) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {it.asname or it.name: ast.ImportFrom(node.module, [it], node.level) for it in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            bound = (child for target in targets for child in ast.walk(target) if isinstance(child, ast.Name))
            found |= dict.fromkeys((child.id for child in bound), node)
    return found


def _used_definitions(file: Path, name: str) -> list[ast.stmt]:
    """Return a function and the definitions of its file that it uses."""
    definitions = _definitions(file)
    used, queue = set[str](), [name]
    while queue:
        if (found := queue.pop()) in definitions and found not in used:
            used.add(found)
            queue += [node.id for node in _nodes([definitions[found]]) if isinstance(node, ast.Name)]
    return [node for key, node in definitions.items() if key in used]


def _nodes(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield all nodes except those that only a type checker reads."""
    for node in nodes:
        if not _is_for_type_checkers(node):
            yield node
            yield from _nodes(ast.iter_child_nodes(node))


def _is_for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _imports(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in _nodes(nodes):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module or ''}:{alias.name}" for alias in node.names)


def _text(node: Any) -> str:
    """Return a syntax tree as text that does not depend on the version of Python."""
    if isinstance(node, list):
        return f"[{','.join(_text(item) for item in node if not _is_silent(item))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name.endswith("Error") or name == "reading":  # of `files`, with the texts of an error
            return f"Call(func={_text(node.func)})"
        if name == "Field":
            node = ast.Call(node.func, node.args, [it for it in node.keywords if it.arg != "description"])
    fields = (
        f"{name}={_text(value)}"
        for name, value in ast.iter_fields(node)
        if value not in (None, []) and name not in IGNORED and not (name == "annotation" and isinstance(node, ast.arg))
    )
    return f"{type(node).__name__}({','.join(fields)})"


def _is_silent(node: Any) -> bool:
    """Return whether a statement cannot change a result: a docstring, a log call, imports for type checkers."""
    if not isinstance(node, ast.Expr):
        return _is_for_type_checkers(node)
    if isinstance(node.value, ast.Constant):
        return isinstance(node.value.value, str)
    call = node.value.func if isinstance(node.value, ast.Call) else None
    return isinstance(call, ast.Attribute) and isinstance(call.value, ast.Name) and call.value.id in LOGGERS
