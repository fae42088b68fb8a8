"""A job's result is whole and current, or as it was."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from pipeline_src.engine.execute import execute, explained
from pipeline_src.errors import UserError
from pipeline_src.files import atomic, write_text
from pipeline_src.steps.graph import Job


def job(folder: Path, **parameters) -> Job:
    return Job("train", "train/x", folder / "x", "train", parameters)


def writes(text: str):
    return lambda folder: write_text(folder / "result.txt", text)


def test_a_result_is_made_once(tmp_path):
    assert execute(job(tmp_path, a=1), writes("one"))
    assert job(tmp_path, a=1).current
    assert not execute(job(tmp_path, a=1), writes("other"))
    assert (tmp_path / "x/result.txt").read_text() == "one"


def test_a_changed_parameter_replaces_result_and_stamp(tmp_path):
    execute(job(tmp_path, a=1), writes("one"))
    (tmp_path / "x/of-an-older-version.txt").write_text("")
    changed = job(tmp_path, a=2)
    assert not changed.current
    assert explained(changed) == ": parameters.a 1 -> 2"
    execute(changed, writes("two"))
    assert [p.name for p in (tmp_path / "x").iterdir() if not p.name.startswith(".")] in (
        ["result.txt", changed.stamp.name],
        [changed.stamp.name, "result.txt"],
    )


def test_a_failure_leaves_the_former_result(tmp_path):
    execute(job(tmp_path, a=1), writes("one"))

    def fails(folder: Path) -> None:
        write_text(folder / "result.txt", "half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        execute(job(tmp_path, a=2), fails)
    assert (tmp_path / "x/result.txt").read_text() == "one"
    assert job(tmp_path, a=1).current
    assert not job(tmp_path, a=2).current
    execute(job(tmp_path, a=2), writes("two"))
    assert (tmp_path / "x/result.txt").read_text() == "two"


def test_inputs_must_be_current(tmp_path):
    needed = Job("store", "store/train", tmp_path / "s", "store", {"size": 96})
    wants = Job("train", "train/x", tmp_path / "x", "train", {}, (needed,))
    with pytest.raises(UserError, match="store/train: not made yet"):
        execute(wants, writes("one"))
    execute(needed, writes("data"))
    execute(wants, writes("one"))
    other = Job("store", "store/train", tmp_path / "s", "store", {"size": 192})
    with pytest.raises(UserError, match=r"parameters\.size 96 -> 192"):
        execute(Job("train", "train/x", tmp_path / "x", "train", {}, (other,)), writes("two"))


def test_a_contract_that_changed_since_the_plan_is_refused(tmp_path):
    with pytest.raises(UserError, match="changed since this run was planned"):
        execute(job(tmp_path, a=1), writes("one"), expected="0" * 16)


def test_a_lost_file_is_made_again(tmp_path):
    file = tmp_path / "x/result.txt"
    execute(job(tmp_path, a=1), writes("one"), present=[file])
    file.unlink()
    assert execute(job(tmp_path, a=1), writes("one"), present=[file])
    assert file.exists()


def test_two_that_want_the_same_job_wait_for_each_other(tmp_path):
    runs = []

    def slow(folder: Path) -> None:
        runs.append(1)
        time.sleep(0.3)
        write_text(folder / "result.txt", "one")

    threads = [threading.Thread(target=execute, args=(job(tmp_path, a=1), slow)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert runs == [1]


def test_atomic_keeps_the_old_file_when_writing_fails(tmp_path):
    file = tmp_path / "a/b.txt"
    write_text(file, "old")
    with pytest.raises(RuntimeError), atomic(file) as temporary:
        temporary.write_text("new")
        raise RuntimeError
    assert file.read_text() == "old"
    assert [p.name for p in file.parent.iterdir()] == ["b.txt"]


def test_files_of_a_result_can_be_read_by_others(tmp_path):
    write_text(tmp_path / "a.txt", "x")
    plain = tmp_path / "b.txt"
    plain.write_text("x")
    assert (tmp_path / "a.txt").stat().st_mode == plain.stat().st_mode
