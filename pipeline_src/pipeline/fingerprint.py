"""Fingerprints: 16 hex digits for everything that a result is made from. They name its folder in
the store.

A fingerprint covers the parameters of a job, the fingerprints of its inputs, and code: the function
of the job with the definitions in `steps` that it uses, and all modules of the package that these
import, directly or not. A module counts as the text of its syntax tree, without comments and
docstrings (`syntax`).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePath
from typing import Any

from pydantic import BaseModel

from pipeline_src.errors import UserError
from pipeline_src.files import Content, sha256, state, write_text
from pipeline_src.pipeline import syntax
from pipeline_src.python_source import PACKAGE, ROOT, syntax_tree

LENGTH = 16
# Modules that cannot change a result: errors, values that are hashed themselves, the machinery of
# jobs, progress.
NEUTRAL = {
    "errors",
    "validation",
    "processes",
    "python_source",
    "data.catalog",
    "data.entry",
    "training.machine",
    "training.progress",
}
NEUTRAL_PACKAGES = ("params", "pipeline")
# Each definition of these modules counts by itself; a module that is imported whole counts whole.
STEPS = ["pipeline", "steps"]
# The only modules whose functions may import modules by names that they compute. What these two
# import changes fingerprints in other ways: the first imports the generator of a dataset, which is
# in `Job.modules` of its jobs; the second only finds a module's weights, which are no code.
# Classes of registries, which `python_source.registered_class` imports, are in the parameters of
# their jobs.
COMPUTING = {"data/sources.py", "training/models/modules.py"}
CACHE = Path(".snakemake/code.json")  # what `_known_code` returns; may be removed at any time
CHANGED = "changed"  # key in `_known_code` that says that `CACHE` has to be written


def digest(content: Any) -> str:
    """Return 16 hex digits for JSON-like `content`."""
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()[:LENGTH]


def file_fingerprint(ingredients: Content, roles: Iterable[str]) -> str:
    """Return the fingerprint of a file that depends only on the inputs with these `roles`.

    Such a file stays current when other inputs of its job change. The fingerprints of these inputs
    count, their roles do not: a split that is renamed keeps its file.

    Args:
        ingredients: of the job (`Job.ingredients`).
    """
    needed = [ingredients["inputs"][role] for role in roles]
    return digest(ingredients | {"inputs": needed})


def file_digest(file: Path) -> str:
    """Return the first 16 hex digits of the SHA-256 of a file."""
    return sha256(file)[:LENGTH]


def as_json(value: Any) -> Any:
    """Return a parameter in JSON's types; equal parameters have equal digests.

    Fields of models and dataclasses are sorted; the order of mappings counts. A model
    includes the name of its class, because calibrators of different classes can have equal
    parameters.

    Raises:
        UserError: the value is of a type whose text may differ between machines or runs.
    """
    if isinstance(value, BaseModel):
        value = {"class": type(value).__name__} | dict(sorted(dict(value).items()))
    elif dataclasses.is_dataclass(type(value)):
        names = sorted(field.name for field in dataclasses.fields(value))
        value = {name: getattr(value, name) for name in names}
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


def code_digests(
    function: Callable[..., object], values: Any, modules: Iterable[str] = ()
) -> dict[str, str]:
    """Return the code that a job depends on: file, or file:definition -> digest.

    Args:
        function: the work of the job.
        values: its parameters; the modules of their models and dataclasses count.
        modules: dotted names of further modules of the package.

    Raises:
        UserError: a function imports modules by computed names, which cannot be followed.
    """
    names = {kind.__module__ for kind in _classes(values)}
    names.update(modules)
    names.add(f"{function.__module__}.{function.__name__}")
    return _code_digests(tuple(sorted(names)))


@cache
def _code_digests(imports: tuple[str, ...]) -> dict[str, str]:
    """Return the code that dotted names import, directly or not: file, or file:definition ->
    digest of its text.
    """
    names = list(imports)  # whose code has still to be found
    found: dict[str, str] = {}
    while names:
        for place in _places(names.pop()):
            key = f"{PACKAGE}/{place}"
            if key not in found and not _is_neutral(place):
                found[key], imported = _code(place)
                names += imported
    _save_known_code()
    return dict(sorted(found.items()))


def _classes(value: Any) -> Iterator[type]:
    """Yield the classes of all models and dataclasses in a value, and their base classes: a job may
    call their methods, so their code counts.
    """
    if isinstance(value, BaseModel) or dataclasses.is_dataclass(type(value)):
        yield from type(value).__mro__
        value = vars(value)
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _classes(item)


@cache
def _is_neutral(place: str) -> bool:
    """Return whether a place (`_places`) is a module of `NEUTRAL` or `NEUTRAL_PACKAGES`, whose code
    counts in no fingerprint.
    """
    if place.startswith("/".join(STEPS)):  # counts, although its package is neutral
        return False
    name = place.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return name in NEUTRAL or name.partition(".")[0] in NEUTRAL_PACKAGES


@cache
def _places(name: str) -> list[str]:
    """Return the places of a dotted name: the files that its import runs, relative to the package,
    or file:definition in `STEPS`. The result is empty for names of installed packages.

    If the name is a package, all files in it count, because they are its attributes.

    Raises:
        UserError: the name is of a module beside the package, whose code would not count.
    """
    top, *parts = name.split(".")
    if top != PACKAGE:
        for file in (f"{top}.py", f"{top}/__init__.py"):
            if (ROOT.parent / file).exists():
                raise UserError(
                    f"{file} is imported, and its code is in no fingerprint",
                    fix=f"move it into {ROOT}",
                )
        return []
    if parts[:-2] == STEPS:  # what is left is a module of `STEPS` and a definition in it
        return [f"{'/'.join(parts[:-1])}.py:{parts[-1]}"]
    places = ["__init__.py"]
    for end in range(1, len(parts) + 1):
        path = "/".join(parts[:end])
        for file in (f"{path}.py", f"{path}/__init__.py"):
            if (ROOT / file).is_file():
                places.append(file)
    for below in ROOT.joinpath(*parts).rglob("*.py"):
        places.append(below.relative_to(ROOT).as_posix())
    return places


@cache
def _known_code() -> Content:
    """Return what `CACHE` records of the package's code.

    A command then need not parse files that have not changed. The records are: place (`_places`) ->
    [state of its file, digest of its text, imports].

    The result is empty if `CACHE` is damaged or was written by another version of this code.
    `_code` adds places to it, and sets `CHANGED` then.
    """
    with suppress(OSError, ValueError, LookupError, TypeError):
        content = json.loads(CACHE.read_bytes())
        if content["digest"] == _cache_digest(content["known"]):
            return dict(content["known"])
    return {}


def _cache_digest(known: Content) -> str:
    """Return the digest that `CACHE` holds of its content `known` (`_known_code`).

    It also covers this file and `syntax`, by whose rules the content was computed: if they change,
    the cache is not used.
    """
    return digest([sha256(__file__), sha256(syntax.__file__), known])


@cache
def _code(place: str) -> tuple[str, list[str]]:
    """Return the digest of the text (`syntax.text`) of a file of the package, or of a definition in
    it (`_places`), and the dotted names of the modules, names in modules, and packages that it
    imports.
    """
    file, _, name = place.partition(":")
    known = _known_code()
    now = state(ROOT / file)  # such as its time and size
    if place not in known or known[place][0] != now:
        folder = f"{PACKAGE}/{file}".split("/")[:-1]
        tree = syntax.Remover(folder).visit(syntax_tree(ROOT / file))
        if name:
            tree = syntax.definition(tree, name)
        imports = syntax.imports(tree, f"{PACKAGE}/{file}", computes=file in COMPUTING)
        known[place] = [now, digest(syntax.text(tree)), imports]
        known[CHANGED] = True
    _, text_digest, imports = known[place]
    return text_digest, imports


def _save_known_code() -> None:
    """Write `_known_code` to `CACHE` if it changed, without the places in files that are gone."""
    known = _known_code()
    if known.pop(CHANGED, False):
        present = {}
        for place, record in known.items():
            if (ROOT / place.partition(":")[0]).is_file():
                present[place] = record
        with suppress(OSError, UserError):  # without a cache, the next command is only slower
            write_text(CACHE, json.dumps({"known": present, "digest": _cache_digest(present)}))
