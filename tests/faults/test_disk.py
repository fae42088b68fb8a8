"""Disks that are full, and folders that cannot be written."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bad_input import contents
from made_sets import entry, pairs, write_files, write_zip

from pipeline_src import files
from pipeline_src.data.build import build
from pipeline_src.data.prepare import prepare
from pipeline_src.errors import UserError
from pipeline_src.params.schema import Part

MINE = {"archive": "a.zip", "images": "Image", "masks": "GT"}


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


def test_other_errors_are_left_as_they_are(tmp_path):
    with pytest.raises(ZeroDivisionError), files.writing(tmp_path / "a"):
        1 / 0  # noqa: B018
    with pytest.raises(PermissionError), files.writing(tmp_path / "a"):
        raise PermissionError(errno.EACCES, "denied", "/elsewhere/b")


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 3 MiB, if the tests may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() or os.system(f"mount -t tmpfs -o size=3m none {folder} 2>/dev/null"):
        pytest.skip("no permission to mount a small disk")
    yield folder
    os.system(f"umount {folder}")


def test_a_small_disk(small_disk, tmp_path):
    """The errors of a real full disk, also in numpy."""
    write_zip(tmp_path / "a.zip", pairs(40))
    prepare(entry(**MINE), tmp_path, tmp_path / "u", tmp_path / "out")
    files.write_text(small_disk / "before", "1\n")
    before = contents(small_disk)
    for call in (
        lambda: files.write_text(small_disk / "a", "x" * 4_000_000),
        lambda: save(small_disk / "a.npy"),
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


def save(path: Path) -> None:
    with files.atomic(path) as temporary:
        np.save(temporary, np.zeros(4_000_000, np.uint8))
