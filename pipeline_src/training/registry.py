"""The methods of the package, their descriptions, and the method that an entry of `methods:` in params.yaml names."""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from pydantic import model_validator

from pipeline_src.calibrators import NAMES
from pipeline_src.errors import UserError, did_you_mean
from pipeline_src.python_source import PACKAGE
from pipeline_src.training import methods
from pipeline_src.training.calibrated import Calibrated, calibrated_method
from pipeline_src.training.method import MethodEntry
from pipeline_src.training.user_code import load
from pipeline_src.validation import Strict, validate

FOLDER = Path(methods.__file__).parent
NEAR = 0.65  # difflib's ratio above which a name is a misspelled callback: `target` has 0.92, `describe` 0.53


def method_names() -> list[str]:
    """Return the names of the package's methods: one per file, and the calibrators."""
    return sorted([*(path.stem for path in FOLDER.glob("[!_]*.py")), *NAMES])


def method_class(name: str) -> type[MethodEntry]:
    """Return the class of a method of the package."""
    if name in NAMES:
        return calibrated_method(name)
    return _class(name, importlib.import_module(f"{methods.__name__}.{name}"))


# Entries of params.yaml


class _Code(Strict):
    """The keys of a method entry that name its code."""

    method: str | None = None
    file: Path | None = None
    files: tuple[Path, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> _Code:
        if self.method and self.file:
            raise ValueError("`method:` and `file:` exclude each other; `file:` is for a method of yours")
        if self.files and not self.file:
            raise ValueError("`files:` needs `file:`; methods of the package read no files")
        if absent := [str(file) for file in self.files if not file.expanduser().is_file()]:
            raise ValueError(f"files: there is no file {absent[0]}")
        return self


@dataclass(frozen=True)
class Chosen:
    """A method, training or post-hoc, with its parameters. Its code is a `module` of the package, whose last part is
    the method's name, or a user's `file`, which reads `files`."""

    method: MethodEntry
    module: str | None
    file: Path | None
    files: tuple[Path, ...] = ()


def choose(name: str, entry: dict[str, Any] | None) -> Chosen:
    """Return the method of the entry `name`.

    Args:
        entry: `method` (that of the package under another name), or `file` (a user's code, which is run) and `files`
            (which that reads); all other keys are parameters.

    Raises:
        UserError: names the wrong key, value or file.
    """
    parameters = dict(entry or {})
    keys = {key: parameters.pop(key) for key in _Code.model_fields if key in parameters}
    code = validate(_Code, keys, f"methods.{name}")
    if code.file:
        kind = _class(name, load(code.file, f"methods.{name}.file"))
        _check_callbacks(kind)
        files = tuple(file.expanduser() for file in code.files)
        return Chosen(validate(kind, parameters, f"methods.{name}"), None, code.file.expanduser(), files)
    title, names = code.method or name, method_names()
    if title not in names:
        raise UserError(
            f"methods.{name}: there is no method {title!r}",
            expected=", ".join(names),
            fix=did_you_mean(title, names) or "name a file of yours with `file: my_method.py`",
        )
    kind = method_class(title)
    module = f"{PACKAGE}.calibrators.{title}" if title in NAMES else kind.__module__
    return Chosen(validate(kind, parameters, f"methods.{name}"), module, None)


def _class(name: str, module: ModuleType) -> type[MethodEntry]:
    """The one class in a module that is derived from `MethodEntry`."""
    members = [
        member for member in vars(module).values() if isinstance(member, type) and issubclass(member, MethodEntry)
    ]
    classes = [member for member in members if member.__module__ == module.__name__]
    if len(classes) != 1:
        raise UserError(
            f"methods.{name}: {module.__file__} must define exactly one class derived from Method or PostHoc",
            found=", ".join(member.__name__ for member in classes) or "none",
        )
    return classes[0]


def _check_callbacks(kind: type[MethodEntry]) -> None:
    """Refuse a method of a user's class whose name is close to a callback's: nothing would call it, and the baseline
    would be trained under the user's name."""
    callbacks = _functions(base for base in kind.mro() if base.__module__.startswith(f"{PACKAGE}."))
    for name in sorted(_functions([kind]) - callbacks - set(dir(MethodEntry))):
        if near := difflib.get_close_matches(name.lower(), callbacks, n=1, cutoff=NEAR):
            raise UserError(
                f"methods: {Path(inspect.getfile(kind)).name}: {kind.__name__}.{name}() is not a callback",
                found=name,
                expected=", ".join(sorted(callbacks)),
                fix=f"did you mean {near[0]!r}? Begin the name with _ if it is meant as it is",
            )


def _functions(classes: Iterable[type]) -> set[str]:
    members = [item for kind in classes for item in vars(kind).items()]
    return {name for name, member in members if isinstance(member, FunctionType | property) and name[0] != "_"}


# Descriptions, from docstrings


def docstring_lines(method: type[MethodEntry]) -> dict[str, str]:
    """Return the lines at the end of a method's docstring, or its calibrator's, by key such as `Idea`."""
    text = inspect.cleandoc(_documented(method).__doc__ or "")
    lines = re.findall(r"^([A-Z][a-z]+): (.+(?:\n[ \t]+.+)*)", text, re.MULTILINE)
    return {key: " ".join(value.split()) for key, value in lines}


def described(name: str, parameters: Mapping[str, Any], epochs: int) -> dict[str, str]:
    """Return `title` and `idea` of a method of the package, nothing for others. The title states if its perturbation
    starts after the last of the `epochs`."""
    if name not in method_names():
        return {}
    method = method_class(name)
    module = " ".join((sys.modules[_documented(method).__module__].__doc__ or name).split())
    title, idea = re.split(r": | \(|\.$", module)[0], docstring_lines(method).get("Idea", "")
    if (start := parameters.get("start_epoch", 0)) >= epochs:
        title += " without perturbation"
        idea += f" Not here: it would start after epoch {start:,} of {epochs}, so no label is perturbed."
    return {"title": title, "idea": idea.strip()}


def own_idea(method: type[MethodEntry]) -> str:
    """Return the `Idea` of a user's method, else the first paragraph of its docstring; empty without a docstring."""
    text = inspect.cleandoc(vars(method).get("__doc__") or "")
    return docstring_lines(method).get("Idea") or " ".join(text.split("\n\n")[0].split()) if text else ""


def _documented(method: type[MethodEntry]) -> type:
    """The class whose docstring describes a method: its calibrator, if it is one."""
    return method.calibrator() if issubclass(method, Calibrated) else method
