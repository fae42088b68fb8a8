"""Faults of a user's input: what is broken, the call that is refused, and what the error names."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline_src.cli.main import app
from pipeline_src.errors import UserError
from pipeline_src.files import sha256


@dataclass(frozen=True)
class BadInput:
    """One fault of a user's input.

    Attributes:
        name: identifier of the row, unique in its module.
        fault: what is broken.
        call: a call in an empty folder, which ends in a UserError.
        what, found: patterns that the error contains.
        happens: what the program does.
    """

    name: str
    fault: str
    call: Callable[[Path], None]
    what: str
    found: str = ""
    happens: str = ""


def refusals(rows: list[BadInput]) -> Callable:
    """A test of `rows`, each in its own working folder."""

    @pytest.mark.parametrize("row", rows, ids=lambda row: row.name)
    def test_it_is_refused(row: BadInput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(UserError) as error:
            row.call(tmp_path)
        assert re.search(row.what, str(error.value)) and re.search(row.found, str(error.value)), error.value

    return test_it_is_refused


def run(*words: str) -> None:
    """`python -m pipeline_src WORDS` in this process, without downloaded datasets; a UserError reaches the caller."""
    result = CliRunner().invoke(app, list(words), env={"ASLP_DOWNLOADS": None}, catch_exceptions=True)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception


def contents(folder: Path) -> dict[Path, str]:
    """SHA-256 of all files below a folder, except locks, logs and records of digests."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {
        path: sha256(path)
        for path in files
        if path.suffix not in (".lock", ".log") and not {"locks", ".snakemake"} & set(path.parts)
    }
