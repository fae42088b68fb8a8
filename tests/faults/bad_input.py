"""Commands and calls in this process, and the content of folders before and after."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline_src.cli.main import app
from pipeline_src.errors import UserError
from pipeline_src.files import sha256


def run(*words: str) -> None:
    """`python -m pipeline_src WORDS` in this process, without downloaded datasets; a UserError reaches the caller."""
    result = CliRunner().invoke(app, list(words), env={"ASLP_DOWNLOADS": None}, catch_exceptions=True)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception


def refused(call: Callable[[], object], *shows: str) -> None:
    """The call ends with a UserError that shows these texts, and leaves the files of the current folder as they are."""
    before = contents(Path())
    with pytest.raises(UserError) as error:
        call()
    assert [text for text in shows if text not in str(error.value)] == [], str(error.value)
    assert contents(Path()) == before


def contents(folder: Path) -> dict[Path, str]:
    """SHA-256 of all files below a folder by their relative paths, except locks, logs and records of digests."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {
        path.relative_to(folder): sha256(path)
        for path in files
        if path.suffix not in (".lock", ".log") and not {"locks", ".snakemake"} & set(path.parts)
    }
