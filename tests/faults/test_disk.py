"""Disks that are full, and folders that cannot be written."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from bad_input import contents
from damaged import is_killed

from pipeline_src import files
from pipeline_src.errors import UserError


def fail(number: int) -> Callable[..., None]:
    def fails(*args: object, **_: object) -> None:
        raise OSError(number, os.strerror(number))

    return fails


def write(folder: Path) -> None:
    files.write_text(folder / "results/table.csv", "2\n")


def unpack(folder: Path) -> None:
    with files.atomic_folder(folder / "set") as new:
        (new / "a").write_text("1")
        fail(errno.ENOSPC)()


def save_by_torch(folder: Path) -> None:
    """torch raises an error of its own type on a full disk."""
    with pytest.MonkeyPatch.context() as patch, files.atomic(folder / "results/table.csv") as temporary:
        temporary.write_text("2\n")
        patch.setattr(files, "_free", lambda path: 0)
        raise RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0")


@pytest.mark.parametrize(
    ("function", "number", "call", "named"),
    [
        ("os.fsync", errno.ENOSPC, write, r"results/table\.csv.*: the disk is full"),
        ("os.fsync", errno.EDQUOT, write, r"results/table\.csv.*: the disk is full"),
        ("os.chmod", 0, save_by_torch, r"results/table\.csv.*: the disk is full"),
        ("os.chmod", 0, unpack, "/set .*: the disk is full"),
        ("tempfile.mkstemp", errno.EACCES, write, r"results/table\.csv.* is not writable"),
        ("tempfile.mkstemp", errno.EROFS, write, r"results/table\.csv.* is not writable"),
    ],
)
def test_the_file_is_named_and_the_earlier_one_stays(tmp_path, monkeypatch, function, number, call, named):
    files.write_text(tmp_path / "results/table.csv", "1\n")
    before = contents(tmp_path)
    monkeypatch.setattr(function, fail(number))
    with pytest.raises(UserError, match=named):
        call(tmp_path)
    assert contents(tmp_path) == before


def replace(folder: Path) -> None:
    with files.atomic_folder(folder) as new:
        (new / "a").write_text("new")


def test_a_folder_that_was_moved_aside_by_a_killed_command_is_restored(tmp_path):
    folder, states, moment = tmp_path / "set", set(), 0

    def start() -> Path:
        shutil.rmtree(tmp_path)
        folder.mkdir(parents=True)
        (folder / "a").write_text("old")
        return folder

    while start() and is_killed(lambda: replace(folder), moment):
        moved = not folder.exists()
        files.restore_folder(folder)
        states.add((moved, (folder / "a").read_text()))
        replace(folder)
        assert (folder / "a").read_text() == "new" and [path.name for path in tmp_path.iterdir()] == ["set"]
        moment += 1
    assert states == {(False, "old"), (True, "old"), (False, "new")}


def test_other_errors_are_left_as_they_are(tmp_path):
    with pytest.raises(ZeroDivisionError), files.writing(tmp_path / "a"):
        1 / 0  # noqa: B018
    with pytest.raises(PermissionError), files.writing(tmp_path / "a"):
        raise PermissionError(errno.EACCES, "denied", "/elsewhere/b")
