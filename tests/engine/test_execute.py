"""A job's result is whole and current, or as it was; and nothing is made twice."""

from __future__ import annotations

import json
import os
import platform
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from damaged import written_into

from pipeline_src.engine import cache, explain
from pipeline_src.engine import execute as engine
from pipeline_src.engine.execute import execute
from pipeline_src.engine.explain import differences, made_with, other_versions
from pipeline_src.engine.job import Job
from pipeline_src.engine.run_job import perform
from pipeline_src.engine.stamp import Stamp
from pipeline_src.errors import UserError
from pipeline_src.files import atomic, write_text
from pipeline_src.versions import LIBRARIES

KNOWN = {"python", *LIBRARIES.values()}
RUNS: list[str] = []  # names of the jobs that worked


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    RUNS.clear()
    return tmp_path


def work(job: Job, folder: Path) -> None:
    RUNS.append(job.name)
    time.sleep(job.options.get("seconds", 0))
    for name in job.files:
        (folder / name).write_text(job.options.get("text", "text"))
        if job.options.get("fails"):
            raise RuntimeError
    for name in job.options.get("extra", ()):
        (folder / name).write_text("")
    for name in job.options.get("without", ()):
        (folder / name).unlink()


def job(
    a: int = 1,
    place: str = "results/one/x",
    files: tuple[str, ...] = ("result.txt",),
    inputs: dict | None = None,
    **options,
) -> Job:
    return Job("train", f"train/{place}", Path(place), "train", files, work, {"a": a}, inputs or {}, options)


def visible(folder: str) -> set[str]:
    return {path.name for path in Path(folder).iterdir() if not path.name.startswith(".")}


def test_a_result_is_made_once():
    assert execute(job())
    assert job().current
    assert not execute(job(text="other"))
    assert Path("results/one/x/result.txt").read_text() == "text"
    assert RUNS == ["train/results/one/x"]


def test_a_stamp_says_what_it_vouches_for():
    needed = job(place="results/one/y")
    execute(needed)
    made = job(inputs={"weights": needed})
    execute(made)
    stamp = json.loads(made.stamp.read_text())
    assert stamp["ingredients"]["parameters"] == {"a": 1}
    assert stamp["ingredients"]["inputs"] == {"weights": needed.contract}
    assert stamp["details"]["inputs"] == {"weights": needed.name}
    assert stamp["files"]["result.txt"]["size"] == 4
    assert stamp["made"]["folder"] == "results/one/x" and stamp["made"]["memory"] > 1
    assert stamp["adopted"] == []


def test_a_changed_parameter_replaces_result_and_stamp():
    execute(job(files=("result.txt", "old.txt")))
    changed = job(2)
    assert not changed.current
    assert differences(changed) == ["parameters.a 1 -> 2"]
    execute(changed)
    assert visible("results/one/x") == {"result.txt", changed.stamp.name}


def test_files_of_other_jobs_in_the_folder_stay():
    other = Job("evaluate", "b", Path("results/one/x"), "b", ("b.txt",), work, {"b": 1})
    execute(other)
    execute(job(1))
    execute(job(2))
    assert other.current and job(2).current
    assert visible("results/one/x") == {"result.txt", "b.txt", job(2).stamp.name, other.stamp.name}


def test_a_failure_leaves_the_former_result():
    execute(job(1, text="one"))
    before = {path: path.read_bytes() for path in Path("results/one/x").iterdir() if not path.name.startswith(".")}
    for bad in ({"fails": True}, {"without": ("result.txt",)}):
        with pytest.raises((RuntimeError, UserError)):
            execute(job(2, **bad))
        assert all(path.read_bytes() == content for path, content in before.items())
        assert job(1).current and not job(2).current
    execute(job(2, text="two"))
    assert Path("results/one/x/result.txt").read_text() == "two"


def test_files_that_were_not_announced_are_left_out():
    execute(job(extra=("more.txt",)))
    assert visible("results/one/x") == {"result.txt", job().stamp.name}


def test_inputs_must_be_current():
    needed = job(96, place="results/one/y")
    with pytest.raises(UserError, match="train/results/one/y: not made yet"):
        execute(job(inputs={"store": needed}))
    execute(needed)
    execute(job(inputs={"store": needed}))
    with pytest.raises(UserError, match=r"parameters\.a 96 -> 192"):
        execute(job(inputs={"store": job(192, place="results/one/y")}))


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_text("another length")])
def test_a_result_with_a_lost_or_changed_file_is_not_current(damage):
    execute(job(files=("a.txt", "b.txt")))
    file = Path("results/one/x/a.txt")
    assert file.samefile(f"results/.cache/{job().contract}/a.txt")
    write_text(file, file.read_text())  # a file of its own, as an editor leaves it
    damage(file)
    made = job(files=("a.txt", "b.txt"))
    assert not made.current
    assert differences(made) in (["a.txt is missing"], ["a.txt was changed"])
    assert execute(made) and made.current
    assert len(RUNS) == 1  # from the cache


def test_another_job_never_works_under_a_contract(monkeypatch):
    """Whatever the code between plan and work does."""
    monkeypatch.setattr(engine, "perform", lambda job, folder: perform(replace(job, parameters={"a": 2}), folder))
    with pytest.raises(ValueError, match="what worked was another job"):
        execute(job())
    assert not job().current and not cache.find(job()) and not cache.find(job(2))


def test_a_stamp_says_with_which_versions(monkeypatch):
    execute(job())
    used = job().valid_stamp.made["versions"]
    assert used["python"] == platform.python_version() and used["numpy"] == np.__version__ and used.keys() <= KNOWN
    assert other_versions([job()]) == {}
    monkeypatch.setattr(explain, "installed", lambda name: "0.1" if name == "numpy" else used[name])
    assert job().current  # an upgrade makes nothing again
    assert other_versions([job()]) == {f"numpy {np.__version__} (here 0.1)": [job().name]}
    assert f"numpy {np.__version__} (here 0.1)" in next(iter(made_with([job()])))


def test_two_that_want_the_same_job_wait_for_each_other():
    threads = [threading.Thread(target=execute, args=(job(seconds=0.3),)) for _ in range(2)]
    threads.append(threading.Thread(target=execute, args=(job(place="results/two/z", seconds=0.3),)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(RUNS) == 1
    assert job().current and job(place="results/two/z").current


# Never twice


def test_a_result_of_another_experiment_is_taken_over(caplog):
    caplog.set_level("INFO")
    execute(job(text="one"))
    other = job(place="results/two/y", files=("other name.txt",), fails=True)
    assert cache.find(other)
    assert execute(other) and other.current
    file = Path("results/two/y/other name.txt")
    assert file.read_text() == "one" and file.samefile("results/one/x/result.txt")
    assert "taken over: same contract as train/results/one/x made in results/one/x on 2" in caplog.text
    stamps = [Stamp.read(each.stamp) for each in (job(), other)]
    assert stamps[0].made == stamps[1].made
    assert list(stamps[1].files) == ["other name.txt"]


def test_a_parameter_that_is_changed_back_makes_nothing_again():
    for a in (1, 2, 1, 2):
        execute(job(a, text=str(a)))
        assert Path("results/one/x/result.txt").read_text() == str(a)
    assert len(RUNS) == 2


def test_what_was_there_before_the_cache_goes_into_it():
    """A clone with pulled results has no cache."""
    execute(job(1, text="one"))
    shutil.rmtree("results/.cache")
    execute(job(2, text="two"))
    execute(job(1, fails=True))
    assert Path("results/one/x/result.txt").read_text() == "one"


def test_the_same_file_may_be_there_already():
    """Replacing a file by a link to itself does nothing and says nothing."""
    execute(job(text="one"))
    job().stamp.unlink()
    assert execute(job(fails=True))
    assert visible("results/one/x") == {"result.txt", job().stamp.name}


@pytest.mark.parametrize("damage", ["size", "content", "gone", "stamp"])
def test_a_damaged_entry_is_not_taken(damage):
    execute(job(text="good"))
    entry = Path("results/.cache") / job().contract
    if damage == "gone":
        (entry / "result.txt").unlink()
    else:
        name, text = {
            "size": ("result.txt", "longer"),
            "content": ("result.txt", "evil"),
            "stamp": ("stamp.json", "{"),
        }[damage]
        write_text(entry / name, text)
    other = job(place="results/two/y", text="good")
    assert execute(other)
    assert Path("results/two/y/result.txt").read_text() == "good"
    assert len(RUNS) == 2
    third = job(place="results/three/z", fails=True)
    assert execute(third) and third.current  # the entry was replaced by a good one


def test_what_was_written_into_a_result_and_so_into_its_entry_is_not_taken():
    """As `plan` has to know: size and mtime are as before."""
    execute(job())
    assert cache.find(job())
    written_into(Path("results/one/x/result.txt"))
    assert not job().current and not cache.find(job())


def test_lost_files_are_told_in_one_line(caplog):
    files = tuple(f"{i}.txt" for i in range(9))
    execute(job(files=files))
    for name in files[1:]:
        (job().folder / name).unlink()
    write_text(job().folder / "0.txt", "evil")
    execute(job(files=files))
    told = [each.message for each in caplog.records if each.levelname == "WARNING"]
    assert len(told) == 2 and "0.txt is not as it was made" in told[0]
    assert told[1] == (
        "missing of train/results/one/x, 8 of 9 files: results/one/x/1.txt, results/one/x/2.txt and 6 more"
    )


def test_files_are_copied_where_there_are_no_links(monkeypatch):
    def refuses(*_):
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuses)
    execute(job(text="one"))
    other = job(place="results/two/y", fails=True)
    execute(other)
    assert other.current and not Path("results/two/y/result.txt").samefile("results/one/x/result.txt")


def test_what_is_put_in_place_never_writes_into_what_is_linked():
    execute(job(1, text="one"))
    execute(job(1, place="results/two/y"))
    execute(job(2, text="two"))
    assert Path("results/two/y/result.txt").read_text() == "one"
    assert job(1, place="results/two/y").current


def scratching(job: Job, folder: Path) -> None:
    job.scratch.mkdir(parents=True, exist_ok=True)
    file = job.scratch / "checkpoint"
    steps = int(file.read_text()) if file.exists() else 0
    file.write_text(str(steps + 1))
    if steps == 0:
        raise KeyboardInterrupt
    (folder / "result.txt").write_text(str(steps))


def test_unfinished_work_is_kept_by_contract_until_the_result_is_whole():
    jobs = [Job("train", p, Path(f"results/{p}/x"), "train", ("result.txt",), scratching) for p in ("one", "two")]
    with pytest.raises(KeyboardInterrupt):
        execute(jobs[0])
    execute(jobs[1])  # another experiment goes on
    assert Path("results/two/x/result.txt").read_text() == "1"
    assert not jobs[0].scratch.exists()


# Leftovers


def test_what_nobody_wants_is_found_and_removed():
    wanted, same, gone = job(1), job(1, place="results/two/x"), job(2, place="results/two/y", text="12345678")
    for each in (wanted, same, gone):
        execute(each)
    stopped = Path("results/.cache/unfinished/0123456789abcdef/checkpoint")
    write_text(stopped, "123")
    entries = cache.unwanted_entries(Path("results"), {wanted.contract})
    assert [entry.paths[0] for entry in entries] == [Path("results/.cache") / gone.contract, stopped.parent]
    assert "train/results/two/y, made 2" in entries[0].what
    results = cache.unwanted_results(Path("results/two"), [same])
    assert [{path.name for path in each.files()} for each in results] == [
        {"result.txt", gone.stamp.name, ".train.lock"}
    ]
    assert cache.unwanted_results(Path("results/one"), [wanted]) == []
    stamps = 2 * gone.stamp.stat().st_size  # in its folder and in the cache
    assert cache.size(results) == gone.stamp.stat().st_size  # the file itself is linked from the cache
    assert cache.size(entries) == gone.stamp.stat().st_size + 3
    assert cache.size([*entries, *results]) == stamps + 8 + 3
    for each in [*entries, *results]:
        each.remove()
    assert not gone.folder.exists() and not stopped.parent.exists()
    assert wanted.current and same.current and cache.find(wanted)


# Files


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
