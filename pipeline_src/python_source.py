"""The package's name and folder, and Python files as syntax trees."""

from __future__ import annotations

import ast
from pathlib import Path

from pipeline_src.errors import UserError

PACKAGE = "pipeline_src"
ROOT = Path(__file__).parent


def syntax_tree(file: Path, key: str | None = None) -> ast.Module:
    """The syntax tree of a Python file.

    Args:
        key: the key of params.yaml that names the file, if one does.

    Raises:
        UserError: names key, file and line; the file does not exist or is not Python.
    """
    prefix = f"{key}: " if key else ""
    try:
        return ast.parse(file.read_bytes(), str(file))  # of bytes, which may name their encoding
    except FileNotFoundError:
        raise UserError(f"{prefix}there is no file {file}", found=f"nothing at {file.absolute()}") from None
    except (OSError, SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        reason = error.msg if isinstance(error, SyntaxError) else error
        fix = None if key else "fix it: a method or the model that params.yaml names imports it"
        raise UserError(f"{prefix}{file}{line}: can't be read as Python", found=reason, fix=fix) from None
