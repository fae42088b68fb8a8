"""Python files read as syntax trees, which contracts are made of."""

from __future__ import annotations

import ast
from pathlib import Path

from pipeline_src.errors import UserError


def parsed(file: Path, key: str | None = None) -> ast.Module:
    """The syntax tree of a file that `key` of params.yaml names, or that such a file needs.

    Raises:
        UserError: names key, file and line; there is no such file, or it is not Python.
    """
    begin = f"{key}: " if key else ""
    try:
        return ast.parse(file.read_bytes(), str(file))  # of bytes, which may name their encoding
    except FileNotFoundError:
        raise UserError(f"{begin}there is no file {file}", found=f"nothing at {file.absolute()}") from None
    except (OSError, SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        needed = None if key else "mend it: a method or the model that params.yaml names needs it"
        found = error.msg if isinstance(error, SyntaxError) else error
        raise UserError(f"{begin}{file}{line}: can't be read as Python", found=found, do=needed) from None
