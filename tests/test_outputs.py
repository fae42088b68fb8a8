"""Folders of results: kept apart, written by one process at a time, and complete whenever that is killed."""

from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from killed import is_interrupted, is_killed

from pipeline_src import outputs
from pipeline_src.errors import UserError
from pipeline_src.files import atomic_folder

NAMES = ("calibrator.json", "maps/a.png", "maps/b.png", "scores.json")
OLD = {**dict.fromkeys(NAMES, "old"), "drawing-a.svg": "old", "maps/c.png": "old"}
NEW = dict.fromkeys(NAMES, "new")


def content(folder: Path) -> dict[str, str]:
    """The visible files of a folder."""
    files = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {str(name): path.read_text() for name, path in files.items() if name.parts[0][0] != "."}


def write(folder: Path, text: str, names: tuple[str, ...]) -> None:
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


def stage(out: Path, text: str, names: tuple[str, ...] = NAMES) -> None:
    with outputs.staged(out, "scores.json", ["maps", "drawing-*"]) as new:
        write(new, text, names)


def replace(out: Path, text: str, names: tuple[str, ...] = NAMES) -> None:
    with atomic_folder(out) as new:
        write(new, text, names)


def moments(work: Callable[[], object], before: Callable[[], object], stops: Callable) -> Iterator[int]:
    """Stop work before each operation in turn, as `before` left its folder."""
    number = 0
    while before() or stops(work, number):
        yield number
        number += 1


STOPS = {
    "killed": is_killed,
    "Ctrl-C": partial(is_interrupted, error=KeyboardInterrupt()),
    "I/O error": partial(is_interrupted, error=OSError(errno.EIO, "")),
}


@pytest.mark.parametrize("stops", STOPS)
def test_complete_results_are_those_of_one_run(tmp_path, stops):
    out, seen = tmp_path / "out", []

    def before() -> None:
        shutil.rmtree(out, ignore_errors=True)
        stage(out, "old", tuple(OLD))

    for _ in moments(lambda: stage(out, "new"), before, STOPS[stops]):
        left = content(out)
        seen.append(left)
        assert "scores.json" not in left or left in (OLD, NEW)
        stage(out, "new")
        assert content(out) == NEW and not [*out.rglob(".*")]
    assert OLD in seen and NEW in seen


@pytest.mark.parametrize("stops", STOPS)
def test_a_replaced_folder_is_the_old_or_the_new_one(tmp_path, stops):
    """Or there is none between two renames, and the next call restores the old one."""
    out = tmp_path / "out"
    for _ in moments(lambda: replace(out, "new"), lambda: replace(out, "old", tuple(OLD)), STOPS[stops]):
        with pytest.raises(ZeroDivisionError), atomic_folder(out):
            raise ZeroDivisionError
        assert content(out) in (OLD, NEW) and not [*tmp_path.rglob(".*")]
    assert content(out) == NEW


def test_only_earlier_results_are_removed(tmp_path):
    stage(tmp_path, "old", tuple(OLD))
    (tmp_path / "notes.txt").write_text("mine")
    stage(tmp_path, "new")
    assert content(tmp_path) == NEW | {"notes.txt": "mine"}


@outputs.exclusive
def work(out: Path, during: Callable[[], object] = lambda: None) -> None:
    during()
    stage(out, "new")


def test_a_second_command_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    begun, end = threading.Event(), threading.Event()
    first = threading.Thread(target=work, args=(Path("out"), lambda: begun.set() or end.wait(60)))
    first.start()
    assert begun.wait(60)
    with pytest.raises(UserError, match="out"):
        work(Path("out"))
    work(Path("other"))
    end.set()
    first.join()
    assert content(Path("out")) == content(Path("other")) == NEW and not [*Path().rglob(".*")]


def test_many_at_once_leave_complete_results_and_no_lock(tmp_path):
    out, context = tmp_path / "out", multiprocessing.get_context("fork")

    def enter() -> None:
        """Fails if another process is in here."""
        os.close(os.open(tmp_path / "inside", os.O_CREAT | os.O_EXCL))
        os.unlink(tmp_path / "inside")

    def try_often() -> None:
        done = 0
        while done < 20:
            with suppress(UserError):
                work(out, enter)
                done += 1

    processes = [context.Process(target=try_often) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert content(out) == NEW and not [*tmp_path.rglob(".*")]


def test_a_killed_command_leaves_no_lock(tmp_path):
    out = tmp_path / "out"
    killed = multiprocessing.get_context("fork").Process(target=work, args=(out, kill_self))
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    work(out)
    assert content(out) == NEW and not [*tmp_path.rglob(".*")]


def kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_folders_that_stay_empty_are_removed(tmp_path):
    with pytest.raises(ZeroDivisionError):
        work(tmp_path / "a/b/out", lambda: 1 / 0)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("other", outputs.RESULTS)
@pytest.mark.parametrize("command", outputs.RESULTS)
def test_folders_of_other_commands_are_refused(tmp_path, command, other):
    write(tmp_path, "", outputs.RESULTS[other])
    if command == other:
        outputs.check(tmp_path, command)
        return
    with pytest.raises(UserError, match=f", of {other}"):
        outputs.check(tmp_path, command)
