"""Contracts: what a result is made from, as a hash (docs/workflow.md).

A result is current if its contract is: the same kind of job, parameters, contracts of its inputs, code and files. File
times play no part, since a clone, a checkout or `dvc pull` changes them at will, and no more do names of jobs.
"""

from __future__ import annotations

import dataclasses
import gc
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from enum import Enum
from functools import cache
from pathlib import Path, PurePath
from typing import Any

from pydantic import BaseModel

from pipeline_src.engine.code import LENGTH, Code, CodeDigest, digest
from pipeline_src.engine.run_job import perform
from pipeline_src.errors import UserError
from pipeline_src.files import sha256, write_text
from pipeline_src.python_source import PACKAGE, ROOT
from pipeline_src.verified import RECORDS

PERFORM = (perform.__module__, perform.__name__)
DIGESTS = RECORDS / "code.json"


def as_json(value: Any) -> Any:
    """A parameter in JSON's types. Fields of models and dataclasses are sorted; the order of mappings and lists counts.
    A path counts by its text.

    Raises:
        UserError: the value is of a type whose text may differ between machines or runs.
    """
    if isinstance(value, BaseModel):
        value = dict(sorted(dict(value).items()))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {name: getattr(value, name) for name in sorted(field.name for field in dataclasses.fields(value))}
    if isinstance(value, Mapping):
        return {str(key): as_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(each) for each in value]
    if isinstance(value, set | frozenset):
        return sorted(map(as_json, value))
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, PurePath):
        return value.as_posix()
    if isinstance(value, Enum):
        return as_json(value.value)
    raise UserError(
        "a parameter of a job cannot be part of its contract",
        found=f"{value!r} of type {type(value).__name__}",
        expected="numbers, texts, None; models, mappings, lists, tuples and sets of them",
    )


def code_of(work: Callable, values: Mapping[str, Any], modules: tuple[str, ...], files: tuple[Path, ...]) -> CodeDigest:
    """The code that makes a result: `work` and what calls it, the classes of the `values` that it gets, further modules
    and files."""
    definitions = [(work.__module__, work.__qualname__), *dict.fromkeys(_classes(values))]
    own = tuple(of for of in (*definitions, PERFORM) if of[0].split(".")[0] == PACKAGE)
    outside = () if own[0] == definitions[0] else (Path(inspect.getfile(work)),)
    return package_digest(own, modules, (*outside, *files))


def _classes(value: Any) -> Iterator[tuple[str, str]]:
    """(module, name) of the classes of all models and dataclasses in a value."""
    if isinstance(value, BaseModel) or (dataclasses.is_dataclass(value) and not isinstance(value, type)):
        yield type(value).__module__, type(value).__qualname__
        value = vars(value)
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from _classes(each)


def package_digest(
    definitions: tuple[tuple[str, str], ...], modules: tuple[str, ...], files: tuple[Path, ...]
) -> CodeDigest:
    """As `Code.digest` of this package. Files are read once in a process, and digests kept for the processes of other
    jobs."""
    if (key := _key(definitions, modules, files)) is None:
        return package_code().digest(definitions, modules, files)  # files of the user's change by themselves
    stored = _kept()
    if key not in stored["digests"]:
        collects = gc.isenabled()
        gc.disable()  # a third of the time goes into looking through syntax trees, which are many and stay
        try:
            new = package_code().digest(definitions, modules, files)
        finally:
            if collects:
                gc.enable()
        stored["digests"][key] = [new.whole, new.files]
        with suppress(OSError):
            write_text(DIGESTS, json.dumps(stored))
    return CodeDigest(*stored["digests"][key])


@cache
def _key(definitions: tuple[tuple[str, str], ...], modules: tuple[str, ...], files: tuple[Path, ...]) -> str | None:
    """Names what is asked of this package, wherever it lies; None where files of the user's are asked for, too.
    Hundreds of jobs ask for the same."""
    if not all(ROOT in file.parents and file.suffix == ".py" for file in files):
        return None
    return digest([definitions, modules, [file.relative_to(ROOT).as_posix() for file in files]])


@cache
def package_code() -> Code:
    """The code of this package."""
    return Code()


@cache
def _kept() -> dict[str, Any]:
    """Digests that a process has left, if the package has not changed since."""
    code = digest([[file.relative_to(ROOT).as_posix(), file.read_text("utf-8")] for file in sorted(ROOT.rglob("*.py"))])
    with suppress(OSError, ValueError):
        if _is_of(code, content := json.loads(DIGESTS.read_text("utf-8"))):
            return content
    return {"code": code, "digests": {}}


def _is_of(code: str, content: Any) -> bool:
    """Whether it holds digests of this code. The file may be damaged: it can be made again at any time."""
    match content:
        case {"code": str(of), "digests": dict(digests)} if of == code:
            return all(isinstance(each, list) and [*map(type, each)] == [str, dict] for each in digests.values())
    return False


def file_digest(file: Path) -> str:
    """Hash of a file's content."""
    return _file_digest(file, file.stat().st_mtime_ns)


@cache
def _file_digest(file: Path, changed: int) -> str:
    """The hash of a file as it was when it `changed`: weights are large, and all runs share them."""
    return sha256(file)[:LENGTH]
