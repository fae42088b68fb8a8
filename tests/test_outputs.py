"""Folders of results: kept apart, made by one process at a time, and whole whenever that is killed."""

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


def content(folder: Path) -> dict[str, str]:
    """Of all that is in a folder but its hidden files and folders."""
    files = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {str(name): path.read_text() for name, path in files.items() if name.parts[0][0] != "."}


def write(folder: Path, text: str, names: tuple[str, ...]) -> None:
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


NAMES = ("calibrator.json", "maps/a.png", "maps/b.png", "scores.json")


def stage(out: Path, text: str, names: tuple[str, ...] = NAMES) -> None:
    with outputs.staged(out, "scores.json", ["maps", "drawing-*"]) as new:
        write(new, text, names)


def replace(out: Path, text: str, within: Path | None = None) -> None:
    with outputs.replaced(out, within) as new:
        write(new, text, NAMES)


def moments(work: Callable[[], object], before: Callable[[], object], stops: Callable = is_killed) -> Iterator[int]:
    """Stop work before each operation in turn, as `before` left its folder."""
    number = 0
    while before() or stops(work, number):
        yield number
        number += 1


OLD = {**dict.fromkeys(NAMES, "old"), "drawing-a.svg": "old", "maps/c.png": "old"}
NEW = dict.fromkeys(NAMES, "new")
STOPS = {
    "killed": is_killed,
    "Ctrl-C": partial(is_interrupted, error=KeyboardInterrupt()),
    "I/O error": partial(is_interrupted, error=OSError(errno.EIO, "")),
}


@pytest.mark.parametrize("stops", STOPS)
def test_results_that_are_complete_are_those_of_one_run(tmp_path, stops):
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


def test_older_results_that_are_not_overwritten_go(tmp_path):
    stage(tmp_path, "old", (*NAMES, "drawing-a.svg", "maps/c.png"))
    (tmp_path / "notes.txt").write_text("mine")
    stage(tmp_path, "new")
    assert content(tmp_path) == {**dict.fromkeys(NAMES, "new"), "notes.txt": "mine"}


@pytest.mark.parametrize("within", [None, Path("elsewhere")])
def test_a_folder_that_is_replaced_is_the_old_or_the_new_one(tmp_path, monkeypatch, within):
    """Or it is aside, from where the next run puts it back, even one that fails."""
    monkeypatch.chdir(tmp_path)
    old, new = (dict.fromkeys(NAMES, text) for text in ("old", "new"))
    out, seen = Path("out"), set()
    for _ in moments(lambda: replace(out, "new", within), lambda: replace(out, "old", within)):
        aside = outputs.aside(out, within)
        seen.add("out" if out.exists() else "aside")
        assert content(out if out.exists() else aside) in (old, new)
        with pytest.raises(ZeroDivisionError), outputs.replaced(out, within):
            raise ZeroDivisionError
        assert content(out) in (old, new) and not aside.exists()
        assert not [path for path in Path().rglob(".*")], "what is left is removed"
    assert seen == {"out", "aside"} and content(out) == new


def test_what_was_being_removed_never_comes_back(tmp_path):
    """A user removes a folder, behind a process that was killed while it removed the former one."""
    out, number = tmp_path / "out", 0
    while replace(out, "old") or is_killed(lambda: replace(out, "new"), number):
        if content(out) == dict.fromkeys(NAMES, "new"):
            shutil.rmtree(out)
            with pytest.raises(ZeroDivisionError), outputs.replaced(out):
                raise ZeroDivisionError
            assert not out.exists() or content(out) == dict.fromkeys(NAMES, "old"), "all of it, or nothing"
        number += 1
    assert number > 10


@pytest.mark.parametrize("out", ["link", "."])
def test_a_link_and_the_working_folder_are_replaced_too(tmp_path, monkeypatch, out):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path / ("real" if out == "." else ""))
    for text in ("old", "new") if out == "link" else ("new",):
        replace(Path(out), text)
    assert content(tmp_path / "real") == dict.fromkeys(NAMES, "new") and (tmp_path / "link").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]


@pytest.fixture(params=[False, True], ids=["moved into", "replaced"])
def work(request) -> Callable[..., None]:
    """What writes into a folder while another waits for it."""

    @outputs.exclusive(request.param)
    def work(out: Path, during: Callable[[], object] = lambda: None) -> None:
        during()
        (replace if request.param else stage)(out, "new")

    return work


def test_a_second_command_is_told_which_folder_is_taken(tmp_path, monkeypatch, work):
    monkeypatch.chdir(tmp_path)
    begun, end = threading.Event(), threading.Event()
    first = threading.Thread(target=work, args=(Path("out"), lambda: begun.set() or end.wait(60)))
    first.start()
    assert begun.wait(60)
    with pytest.raises(
        UserError, match=r"writing into out\n(.|\n)*fix: +wait until it has ended, or give another --out"
    ):
        work(Path("out"))
    work(Path("other"))
    end.set()
    first.join()
    assert content(Path("out")) == content(Path("other")) == dict.fromkeys(NAMES, "new")
    assert sorted(path.name for path in Path().iterdir()) == ["other", "out"] and not [*Path().rglob(".*")]
    work(Path("out"))


def test_many_at_once_leave_whole_results_and_no_lock(tmp_path, work):
    out, context = tmp_path / "out", multiprocessing.get_context("fork")

    def enter() -> None:
        """Fails where another is in here."""
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
    assert content(out) == dict.fromkeys(NAMES, "new") and [path.name for path in tmp_path.rglob(".*")] == []


def test_a_folder_is_free_when_who_wrote_into_it_was_killed(tmp_path, work):
    out = tmp_path / "out"
    killed = multiprocessing.get_context("fork").Process(
        target=work, args=(out, lambda: os.kill(os.getpid(), signal.SIGKILL))
    )
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL and list(tmp_path.rglob(".*lock"))
    work(out)
    assert content(out) == dict.fromkeys(NAMES, "new") and [path.name for path in tmp_path.rglob(".*")] == []


def test_folders_that_stay_empty_are_removed(tmp_path, work):
    with pytest.raises(ZeroDivisionError):
        work(tmp_path / "a/b/out", lambda: 1 / 0)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("other", outputs.RESULTS)
@pytest.mark.parametrize("command", outputs.RESULTS)
def test_each_command_keeps_out_of_the_folders_of_the_others(tmp_path, command, other):
    write(tmp_path, "", outputs.RESULTS[other])
    if command == other:
        outputs.check(tmp_path, command)
        return
    named = rf"holds results of another command\n  found:(.|\n)*, of {other}(.|\n)*fix: +give another --out"
    with pytest.raises(UserError, match=named):
        outputs.check(tmp_path, command)
