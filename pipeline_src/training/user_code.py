"""Python files of the user that params.yaml names: methods and networks."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from pipeline_src.errors import UserError

PREFIX = "_user_"


def load(file: Path, key: str) -> ModuleType:
    """Execute `file` and return its module; it can import the files of its folder.

    Raises:
        UserError: names `key`; the file is absent, not Python, or fails.
    """
    file = file.expanduser()
    if not file.is_file() or file.suffix != ".py":
        problem = "not a Python file" if file.is_file() else "no such file"
        raise UserError(f"{key}: {problem}", found=file, expected="a Python file, *.py")
    if (folder := str(file.parent.absolute())) not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(f"{PREFIX}{file.stem}", file)
    assert spec and spec.loader, file
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # pydantic resolves annotations through it
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise UserError(f"{key}: {file} can't be imported", found=f"{type(error).__name__}: {error}") from error
    return module


def is_user_code(kind: type) -> bool:
    """Return whether a class is defined in a file that `load` has read."""
    return kind.__module__.startswith(PREFIX)
