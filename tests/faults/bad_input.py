"""Faults as rows: what is broken, what happens, and the error.

A module `test_*.py` of this folder holds a list `ROWS` and one test, `test_it_is_refused`, over them:
`refusals`, or one that looks at more than `check` does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock
from typer.testing import CliRunner

from pipeline_src.cli.main import app
from pipeline_src.errors import UserError
from pipeline_src.files import sha256

HELD: list[FileLock] = []  # a lock ends with its object
BUSY = {"found": r"\.lock, which it holds", "expected": "one command at a time", "do": "wait(.|\n)*another --out"}


@dataclass(frozen=True)
class BadInput:
    """One fault of a user's input.

    Attributes:
        name: identifier of the row, unique in its module.
        fault: what is broken.
        call: what a user calls; it ends in a UserError.
        what, found, expected, do: patterns (regular expressions) that the parts of the error hold. The first names the
            file or key; the others are any text if left out.
        make: makes the input in an empty folder, which is the working folder then, and what was computed before.
        happens: what the program does.
    """

    name: str
    fault: str
    call: Callable[[Path], None]
    what: str
    found: str = ""
    expected: str = ""
    fix: str = ""
    make: Callable[[Path], None] = lambda folder: None
    happens: str = ""


def refusals(rows: list[BadInput]) -> Callable:
    """A test of `rows`, each in a working folder of its own."""

    @pytest.mark.parametrize("row", rows, ids=lambda row: row.name)
    def test_it_is_refused(row: BadInput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.chdir(tmp_path)
        check(row, tmp_path)

    return test_it_is_refused


def check(row: BadInput, folder: Path) -> None:
    """The call is refused in the words of the row, and no file that was there before has changed."""
    row.make(folder)
    before = contents(folder)
    with pytest.raises(UserError) as refusal:
        row.call(folder)
    parts = parts_of(str(refusal.value))
    for part in ("what", "found", "expected", "do"):
        assert re.search(getattr(row, part), parts.get(part, "")), (part, getattr(row, part), str(refusal.value))
    after = contents(folder)
    assert {path: after.get(path) for path in before} == before


def hold(lock: Path) -> None:
    """Hold a lock, as another command that is at work."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    HELD.append(of := FileLock(lock))
    of.acquire()


def run(*words: str) -> None:
    """`python -m pipeline_src WORDS` in this process, without downloaded data sets; a UserError reaches the caller."""
    result = CliRunner().invoke(app, list(words), env={"ASLP_DOWNLOADS": None}, catch_exceptions=True)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception


def parts_of(message: str) -> dict[str, str]:
    """The parts of a UserError's text."""
    parts = re.split(r"^  (found|expected|do|fix): +", message, flags=re.MULTILINE)
    named = dict(zip(parts[1::2], parts[2::2], strict=True))
    return {"what": parts[0], **named, "do": named.get("fix", named.get("do", ""))}


def contents(folder: Path) -> dict[Path, str]:
    """SHA-256 of all files below a folder, but for locks, logs and what is known of times."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {
        path: sha256(path)
        for path in files
        if path.suffix not in (".lock", ".log") and not {"locks", ".snakemake"} & set(path.parts)
    }
