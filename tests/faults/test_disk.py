"""Disks that are full, and folders that cannot be written."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from bad_input import BadInput, check, contents
from made_sets import entry, pairs, write_files, write_zip

from pipeline_src import files
from pipeline_src.data.build import build
from pipeline_src.data.prepare import prepare
from pipeline_src.errors import UserError
from pipeline_src.files import atomic_folder
from pipeline_src.params.parts import Part

MINE = {"archive": "a.zip", "images": "Image", "masks": "GT"}


def result(folder: Path) -> None:
    """A result of before."""
    files.write_text(folder / "results/table.csv", "1\n")


def failing(name: str, number: int, call: Callable[[Path], None], module: object = os) -> Callable[[Path], None]:
    """`call` where a function of the system fails."""

    def fails(*args: object, **_: object) -> None:
        raise OSError(number, os.strerror(number))

    def called(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, name, fails)
            call(folder)

    return called


def writing(folder: Path) -> None:
    files.write_text(folder / "results/table.csv", "2\n")


def unpacking(folder: Path) -> None:
    with atomic_folder(folder / "set") as into:
        (into / "a").write_text("1")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def torch_saves(folder: Path) -> None:
    """What torch makes of a full disk is no OSError."""
    with pytest.MonkeyPatch.context() as patch, files.atomic(folder / "results/table.csv") as temporary:
        temporary.write_text("2\n")
        patch.setattr(files, "_free", lambda path: 0)
        raise RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0")


row = partial(BadInput, make=result)


OLD = "the file is named; what was there before is as it was"
FULL = (r"MiB free; .*No space left", "space for the file", "free some space")
PERMISSION = ("Permission denied|Read-only", "write permission in", "change the permissions")
ROWS = [
    row(
        "full",
        "the disk is full when a file is flushed",
        failing("fsync", errno.ENOSPC, writing),
        r"results/table\.csv could not be written: the disk is full",
        *FULL,
        happens=OLD,
    ),
    row(
        "quota",
        "the quota is used up",
        failing("fsync", errno.EDQUOT, writing),
        r"results/table\.csv could not be written: the disk is full",
        "quota",
        *FULL[1:],
        happens=OLD,
    ),
    row(
        "full-in-torch",
        "the disk is full and torch raises an error of its own",
        torch_saves,
        r"results/table\.csv could not be written: the disk is full",
        "inline_container",
        *FULL[1:],
        happens=OLD,
    ),
    row(
        "full-while-unpacking",
        "the disk is full while a set is unpacked",
        unpacking,
        "/set could not be written: the disk is full",
        *FULL,
        happens="the folder is named; no half of it stays",
    ),
    row(
        "read-only-folder",
        "a folder without write permission",
        failing("mkstemp", errno.EACCES, writing, files.tempfile),
        r"results/table\.csv could not be written: its folder is not writable",
        *PERMISSION,
        happens=OLD,
    ),
    row(
        "read-only-disk",
        "a disk that is mounted read-only",
        failing("mkstemp", errno.EROFS, writing, files.tempfile),
        r"results/table\.csv could not be written: its folder is not writable",
        *PERMISSION,
        happens=OLD,
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_it_is_refused(row, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check(row, tmp_path)
    assert not [path for path in tmp_path.rglob(".table*")]


def test_other_errors_are_left_as_they_are(tmp_path):
    with pytest.raises(ZeroDivisionError), files.writing(tmp_path / "a"):
        1 / 0  # noqa: B018
    with pytest.raises(PermissionError), files.writing(tmp_path / "a"):
        raise PermissionError(errno.EACCES, "denied", "/elsewhere/b")


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 3 MiB, where the tests may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() or os.system(f"mount -t tmpfs -o size=3m none {folder} 2>/dev/null"):
        pytest.skip("no permission to mount a small disk")
    yield folder
    os.system(f"umount {folder}")


def test_a_small_disk(small_disk, tmp_path):
    """The errors that a real full disk makes, in numpy too."""
    write_zip(tmp_path / "a.zip", pairs(40))
    prepare(entry(**MINE), tmp_path, tmp_path / "u", tmp_path / "out")
    files.write_text(small_disk / "before", "1\n")
    before = contents(small_disk)
    for call in (
        lambda: files.write_text(small_disk / "a", "x" * 4_000_000),
        lambda: _saved(small_disk / "a.npy"),
        lambda: prepare(entry(**MINE | {"archive": "b.zip"}), tmp_path, small_disk / "u", small_disk / "out"),
        lambda: build(
            Part(set="mine"), entry(**MINE), tmp_path, tmp_path / "u", tmp_path / "out", 256, small_disk / "s"
        ),
    ):
        write_files(tmp_path, {"b.zip": b""})
        write_zip(tmp_path / "b.zip", {f"{i}": b"x" * 100_000 for i in range(40)})
        with pytest.raises(UserError, match=r"the disk is (nearly )?full"):
            call()
        assert contents(small_disk).items() >= before.items()
        assert {path.name for path in small_disk.iterdir()} <= {"before", "u", "out"}


def _saved(path: Path) -> None:
    with files.atomic(path) as temporary:
        np.save(temporary, np.zeros(4_000_000, np.uint8))
