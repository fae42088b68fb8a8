"""Python files of the user's that params.yaml names."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from pipeline_src.errors import UserError


def load(file: Path, key: str) -> ModuleType:
    """The module in `file`, run anew at each call; UserError that begins with `key` where it is absent or fails."""
    if not file.is_file():
        raise UserError(f"{key}: no such file", found=file, expected="a Python file")
    spec = importlib.util.spec_from_file_location(f"_user_{file.stem}", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # pydantic resolves annotations through it
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UserError(f"{key}: {file} can't be imported", found=f"{type(error).__name__}: {error}") from error
    return module
