"""The code behind a result: the definitions that a function can reach, as one digest that knows no names of modules.

A definition is a statement at the top level of a module. It reaches what the names in it refer to, followed through
imports, also those inside functions. Its text counts without comments, docstrings, type hints of functions, wording of
errors and descriptions of parameters, and with each name replaced by what it refers to. So a definition may move to
another module and a module to another folder; what can't be reached may change at will.

What importing a module does besides binding names counts wherever the module is imported. A user's file counts whole,
and so does what it imports from its own folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any, TypeVar, cast

from pipeline_src.engine.modules import Module, Target
from pipeline_src.engine.syntax import behaviour, described
from pipeline_src.files import sha256
from pipeline_src.python_source import ROOT

# What cannot change a result: errors, of which a job ends without one, waiting, sending curves elsewhere. Modules, or
# definitions as in "module.py:name".
NEUTRAL = ("errors.py", "files.py:flush", "locks.py", "training/trackers.py")
# Modules with the classes of values that are hashed themselves: how values are read counts for nothing, methods count.
VALUES = ("validation.py", "params", "data/entry.py", "data/catalog.py")
LENGTH = 16

Method = TypeVar("Method", bound=Callable)
Vertex = tuple  # what code consists of: (kind, file or text, ...), see `Code._expand`


@dataclass(frozen=True)
class CodeDigest:
    """The digest of the `whole` code that is reached, and of what lies of it in each of its `files`, for
    explanations."""

    whole: str
    files: dict[str, str]


def digest(content: Any) -> str:
    """16 hex digits for JSON-like `content`."""
    text = json.dumps(content, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]


def once(method: Method) -> Method:
    """Of a method: for each object its answers are computed once, and go with the object."""
    return cast(Method, cached_property(lambda self: cache(partial(method, self))))


class Code:
    """The code of the package in the folder `root`, read as far as it is asked for."""

    def __init__(self, root: Path = ROOT):
        self.root = root
        self._neutral = [root / name for name in NEUTRAL]
        self._values = [root / name for name in VALUES]
        self._open: set[tuple[Path, str]] = set()

    @once
    def digest(
        self, definitions: tuple[tuple[str, str], ...], modules: tuple[str, ...] = (), files: tuple[Path, ...] = ()
    ) -> CodeDigest:
        """The digest of all that is reached from definitions (dotted name of the module, name in it), whole modules
        (dotted names), and files of the user's, whole."""
        roots = [self._root_vertex(module, name.split(".")[0]) for module, name in definitions]
        roots += [self._root_vertex(module) for module in modules]
        roots += [("module", file.absolute()) for file in files]
        reached, loaded, effects = dict.fromkeys(self._numbered(roots)), set(), set()
        queue = [file for vertex in reached for file in self._loaded_by(vertex)]
        while queue:
            if (file := queue.pop()) in loaded:
                continue
            loaded.add(file)
            effects.update(new := self._effects(file))
            new = [vertex for effect in new for vertex in self._content(effect)[1] if vertex not in reached]
            reached |= dict.fromkeys(new)
            queue += [each for vertex in (("module", file), *new) for each in self._loaded_by(vertex)]
        content = [self._encoded(roots), sorted({self._content(effect)[0] for effect in effects})]
        by_file: dict[Path, list[str]] = {}
        for kind, file, *number in reached:
            if kind in ("statement", "bytes"):
                by_file.setdefault(file, []).append(self._expand((kind, file, *number))[0])
        return CodeDigest(digest(content), {self._label(file): digest(sorted(of)) for file, of in by_file.items()})

    @once
    def _content(self, vertex: Vertex) -> tuple[str, tuple[Vertex, ...]]:
        """The digest of all that a vertex reaches, and this."""
        return self._encoded([vertex]), tuple(self._numbered([vertex]))

    def _encoded(self, roots: list[Vertex]) -> str:
        """The same for the same texts and references, in whatever files they stand."""
        numbers = self._numbered(roots)
        content: list[list[Any]] = [[numbers[vertex] for vertex in roots]]
        for text, references, _ in map(self._expand, numbers):
            content.append([text, *(numbers[vertex] for vertex in references)])
        return digest(content)

    def _numbered(self, roots: list[Vertex]) -> dict[Vertex, int]:
        """All that is reached from `roots`, in an order that depends on texts and references alone."""
        numbers: dict[Vertex, int] = {}
        queue = roots[::-1]
        while queue:
            if (vertex := queue.pop()) not in numbers:
                numbers[vertex] = len(numbers)
                queue += reversed(self._expand(vertex)[1])
        return numbers

    @once
    def _expand(self, vertex: Vertex) -> tuple[str, list[Vertex], list[Target]]:
        """The own text of a vertex, what it refers to, and what it imports by itself."""
        match vertex:
            case "module", file if file.suffix not in ("", ".py"):
                return "module", [("bytes", file)], []
            case "module", file:
                numbers = range(len(self._module(file).statements))
                return "module", [("statement", file, number) for number in numbers], []
            case "statement", file, number:
                statement = self._module(file).statements[number]
                if file.with_name(f"{file.name}:{getattr(statement, 'name', '')}") in self._neutral:
                    return "neutral", [], []
                if self._holds_values(file):
                    statement = behaviour(statement)
                text, references, imports = described(statement, _Names(self, file))
                return digest(text), references, imports
            case "bytes", file:
                return sha256(file)[:LENGTH], [], []
            case "bound", file, name:  # by several statements or imports
                return "bound", self._bound(file, name), []
            case "text", text:  # what is not followed: an installed package, a neutral definition
                return text, [], []
        raise ValueError(vertex)

    # Names

    @once
    def _look_up(self, file: Path, name: str) -> Vertex | None:
        """What a name at the top level of a file refers to."""
        bound = self._bound(file, name)
        return ("bound", file, name) if len(bound) > 1 else next(iter(bound), None)

    def _bound(self, file: Path, name: str) -> list[Vertex]:
        if (file, name) in self._open:  # a package that imports its own module, or modules that import each other
            return []
        self._open.add((file, name))
        bound = self._module(file).bound
        vertices = [
            ("statement", file, by) if isinstance(by, int) else self.target(file, by) for by in bound.get(name, ())
        ]
        if name not in bound:
            stars = [self._file(file, star.module) for star in bound.get("*", ()) if isinstance(star, Target)]
            vertices = [vertex for other in stars if other and (vertex := self._look_up(other, name))]
        self._open.remove((file, name))
        return list(dict.fromkeys(vertices))

    def target(self, file: Path, target: Target) -> Vertex:
        """What an import in `file` leads to."""
        module = self._file(file, target.module)
        if module is None:
            return ("text", f"installed: {'.'.join(filter(None, (target.module, target.name)))}")
        if self._is_neutral(module):
            return ("text", f"neutral: {target.name or ''}")
        whole = ("module", module)
        return whole if target.name in (None, "*") else self._member(module, target.name) or whole

    def _member(self, module: Path, name: str) -> Vertex | None:
        """A name in a module, or a module in a package."""
        if vertex := self._look_up(module, name):
            return vertex
        folder = module.parent if module.name == "__init__.py" else module
        inner = _file_at(folder / name)
        if inner and self._is_neutral(inner):
            return ("text", "neutral: ")
        return ("module", inner) if inner else None

    # Files

    @once
    def _module(self, file: Path) -> Module:
        return Module(file)

    def _root_vertex(self, module: str, name: str | None = None) -> Vertex:
        file = self._file(self.root, module)
        if file and self._is_neutral(file):
            return ("text", f"neutral: {name or ''}")
        if file and (vertex := self._member(file, name) if name else ("module", file)):
            return vertex
        raise ValueError(f"there is no {'.'.join(filter(None, (module, name)))} below {self.root}")

    @once
    def _file(self, importer: Path, module: str) -> Path | None:
        """The file of a module that `importer` names; None if it is installed."""
        steps = module.lstrip(".").split(".")
        if dots := len(module) - len(module.lstrip(".")):
            return _file_at(importer.parents[dots - 1].joinpath(*steps))
        if steps[0] == self.root.name:
            return _file_at(self.root.joinpath(*steps[1:]))
        folders = [] if self.is_own(importer) else [importer.parent, Path.cwd()]
        return next((file for folder in folders if (file := _file_at(folder.joinpath(*steps)))), None)

    @once
    def is_own(self, file: Path) -> bool:
        """Whether a file is one of the package's."""
        return self.root in (file, *file.parents)

    @once
    def _is_neutral(self, file: Path) -> bool:
        return _is_below(self._neutral, file)

    @once
    def _holds_values(self, file: Path) -> bool:
        return _is_below(self._values, file)

    def _label(self, file: Path) -> str:
        """A file's name that is the same wherever the project lies."""
        folders = [folder for folder in (self.root.parent, Path.cwd()) if folder in file.parents]
        return file.relative_to(folders[0]).as_posix() if folders else file.name

    # Imports, by what they do

    @once
    def _loaded_by(self, vertex: Vertex) -> list[Path]:
        """Files that run before a module or a statement does."""
        kind, file = vertex[:2]
        if kind == "module":
            return [file, *self._led_to(file, self._module(file).imported)]
        if kind == "statement":
            return [file, *self._led_to(file, self._expand(vertex)[2])]
        return []

    def _led_to(self, file: Path, targets: Iterable[Target]) -> Iterator[Path]:
        for target in targets:
            if module := self._file(file, target.module):
                inner = self._member(module, target.name) if target.name else None
                files = [module, *([inner[1]] if inner and inner[0] == "module" else [])]
                files += self._packages(module)
                yield from (each for each in files if not (self._is_neutral(each) or self._holds_values(each)))

    @once
    def _packages(self, module: Path) -> list[Path]:
        """The files of the packages that a module of ours is in."""
        files = [parent / "__init__.py" for parent in module.parents if self.is_own(parent)]
        return [file for file in files if file.is_file()]

    def _effects(self, file: Path) -> list[Vertex]:
        """What importing a file does; a user's file counts whole."""
        module = self._module(file)
        numbers = module.effects if self.is_own(file) else range(len(module.statements))
        return [("statement", file, number) for number in numbers]


@dataclass(frozen=True)
class _Names:
    """What names in `file` refer to (`syntax.Names`)."""

    code: Code
    file: Path

    def reference(self, name: str | Target, attributes: list[str]) -> tuple[Vertex, int] | None:
        vertex = self.code.target(self.file, name) if isinstance(name, Target) else self.code._look_up(self.file, name)
        used = 0
        while vertex and vertex[0] == "module" and used < len(attributes):
            if (inner := self.code._member(vertex[1], attributes[used])) is None:
                break
            vertex, used = inner, used + 1
        return (vertex, used) if vertex else None

    def imported(self, target: Target) -> Vertex | None:
        vertex = self.code.target(self.file, target)
        installed = vertex[0] == "text" and vertex[1].startswith("installed")
        return vertex if installed or (vertex[0] != "text" and not self.code.is_own(vertex[1])) else None

    def is_module(self, text: str) -> bool:
        root, *steps = text.split(".")
        named = root == self.code.root.name and steps and all(step.isidentifier() for step in steps)
        return bool(named) and self.code._file(self.file, text) is not None


def _is_below(places: list[Path], file: Path) -> bool:
    return any(place in (file, *file.parents) for place in places)


def _file_at(place: Path) -> Path | None:
    """The file of the module at a place, or a folder of modules."""
    files = (place / "__init__.py", place.parent / f"{place.name}.py")
    return next((file for file in files if file.is_file()), place if place.is_dir() else None)
