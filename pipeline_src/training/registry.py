"""The methods of the package, and the method that an entry of `methods:` in params.yaml describes."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline_src.calibrators import NAMES
from pipeline_src.errors import UserError, did_you_mean
from pipeline_src.training import methods
from pipeline_src.training.calibrated import calibrated_method
from pipeline_src.training.method import Block
from pipeline_src.training.user_checks import check_callbacks
from pipeline_src.training.user_code import load
from pipeline_src.validation import validate

FOLDER = Path(methods.__file__).parent


def method_names() -> list[str]:
    """Return the names of the package's methods: one per file, and the calibrators."""
    return sorted([*(path.stem for path in FOLDER.glob("[!_]*.py")), *NAMES])


def method_class(name: str) -> type[Block]:
    """The class of a method of the project."""
    if name in NAMES:
        return calibrated_method(name)
    return _class(name, importlib.import_module(f"{methods.__name__}.{name}"))


@dataclass(frozen=True)
class Chosen:
    """A method, training or post-hoc, with its parameters; its code is a `module` of the package, whose last part is
    the method's name, or a user's `file`, which reads `files`."""

    method: Block
    module: str | None
    file: Path | None
    files: tuple[Path, ...] = ()


def choose(name: str, block: dict[str, Any] | None) -> Chosen:
    """The method of block `name`. Keys: `method` (another's code under this name), `file` (a user's code, which is
    run), `files` (what this reads), else parameters."""
    parameters = dict(block or {})
    files = _files(name, parameters.pop("files", None), "file" in parameters)
    for key in {"method", "file"} & parameters.keys():
        if not isinstance(parameters[key], str):
            raise UserError(f"methods.{name}.{key}: must be one name", found=repr(parameters[key]), expected="a text")
    if {"method", "file"} <= parameters.keys():
        raise UserError(
            f"methods.{name}: `method` and `file` exclude each other",
            found=f"method: {parameters['method']}, file: {parameters['file']}",
            fix="keep `method` for a method of the project under another name, or `file` for one of yours",
        )
    code, file = parameters.pop("method", name), parameters.pop("file", None)
    if file is None:
        names = method_names()
        if code not in names:
            raise UserError(
                f"methods.{name}: there is no method {code!r}",
                expected=", ".join(names),
                fix=did_you_mean(code, names) or "name a file of yours with `file: my_method.py`",
            )
        kind = method_class(code)
    else:
        kind = _class(name, load(Path(file), f"methods.{name}.file"))
        check_callbacks(kind)
    method = validate(kind, parameters, f"methods.{name}")
    if file is not None:
        return Chosen(method, None, Path(file).expanduser(), files)
    return Chosen(method, f"pipeline_src.calibrators.{code}" if code in NAMES else kind.__module__, None, files)


def _files(name: str, named: Any, has_file: bool) -> tuple[Path, ...]:
    """The files that a user's method reads."""
    if named is None:
        return ()
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named) or not has_file:
        raise UserError(
            f"methods.{name}.files: " + ("must be a list of files" if has_file else "needs `file:`"),
            found=repr(named),
            expected="`file: my_method.py`, and a list of the files that it reads, as in `files: [weights.csv]`",
            fix="write the list" if has_file else "remove the key: methods of the project read nothing",
        )
    files = tuple(Path(text).expanduser() for text in named)
    if absent := [file for file in files if not file.is_file()]:
        raise UserError(
            f"methods.{name}.files: there is no file {absent[0]}",
            found=f"nothing at {absent[0].absolute()}" if not absent[0].exists() else "a folder",
            expected="files, by their path from the working folder",
            fix="correct the path, or remove it from the list",
        )
    return files


def _class(name: str, module: ModuleType) -> type[Block]:
    classes = [
        c
        for c in vars(module).values()
        if isinstance(c, type) and issubclass(c, Block) and c.__module__ == module.__name__
    ]
    if len(classes) != 1:
        raise UserError(
            f"methods.{name}: {module.__file__} must define exactly one class derived from Method or PostHoc",
            found=", ".join(c.__name__ for c in classes) or "none",
        )
    return classes[0]
