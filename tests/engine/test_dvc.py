"""What DVC is told after a run: finished stages, and nothing that was altered."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline_src.cli import contracts
from pipeline_src.cli.main import app
from pipeline_src.engine import dvc
from pipeline_src.engine.execute import execute
from pipeline_src.engine.graph import Graph
from pipeline_src.engine.job import Job
from pipeline_src.inspection import precheck


def work(job: Job, folder: Path) -> None:
    (folder / job.files[0]).write_text(job.name)


@pytest.fixture
def graph(tmp_path, monkeypatch) -> Graph:
    """Two results, one made of the other."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_STAGE", raising=False)
    Path(".dvc").mkdir()
    made = Graph("mine")
    for name, inputs in (("train", ()), ("evaluate", ("train",))):
        place = Path("results/mine") / name
        made.add([Job(name, name, place, name, ("a.txt",), work, {}, {of: made.job(of) for of in inputs})])
        execute(made.job(name))
    return made


@pytest.fixture
def commands(monkeypatch) -> list[list[str]]:
    """What is run, instead of running it."""
    seen = []

    def run(command, **_):
        seen.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(dvc.shutil, "which", lambda name: name)
    return seen


def test_a_stage_with_an_altered_file_is_not_recorded(graph, commands, caplog):
    stages = {name: [graph.job(name)] for name in graph.jobs}
    dvc.record(stages, Path("contracts"), "mine", "mine")
    assert commands[-1][-3:] == ["contracts@mine", "train@mine", "evaluate@mine"]
    graph.job("train").paths[0].write_text("TRAIN")
    dvc.record(stages, Path("contracts"), "mine", "mine")
    assert commands[-1][-2:] == ["contracts@mine", "evaluate@mine"]
    assert "DVC has not recorded the stage train: results/mine/train/a.txt is not as it was made: sha256" in caplog.text


def test_nothing_is_recorded_where_no_stage_is_finished(graph, commands):
    """As in a fresh clone after `snakemake published`: its dvc.lock stays as it was."""
    for job in graph.jobs.values():
        job.paths[0].unlink()
    dvc.record({name: [graph.job(name)] for name in graph.jobs}, Path("contracts"), "mine", "mine")
    assert not Path("contracts").exists() and not any("commit" in command for command in commands)


def test_what_was_damaged_in_the_cache_is_stored_anew(graph, commands, monkeypatch, caplog):
    stages, found = {"train": [graph.job("train")]}, [["files/md5/ab/cd"], []]
    monkeypatch.setattr(dvc.dvc_cache, "discard_damaged", lambda experiment: found.pop(0))
    dvc.record(stages, Path("contracts"), "mine", "mine")
    first, second = commands[-2:]
    assert first == second and first[3:6] == ["commit", "--force", "--no-relink"]
    assert "1 damaged files" in caplog.text and "files/md5/ab/cd" in caplog.text
    dvc.record(stages, Path("contracts"), "mine", "mine")
    assert [command for command in commands if "commit" in command] == [first] * 3


def test_a_failure_of_dvc_is_a_line(graph, monkeypatch, caplog):
    said = "Traceback:\n  File a.py\nERROR: unexpected error - no config\n\nHaving any troubles?\n"
    monkeypatch.setattr(
        subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, int("dvc" in command), "", said)
    )
    dvc.record({"train": [graph.job("train")]}, Path("contracts"), "mine", "mine")
    (record,) = caplog.records
    assert record.message.endswith("The next run does, once this is mended: ERROR: unexpected error - no config")


def test_inside_of_dvc_what_is_damaged_is_named_and_dvc_looks_at_it_again(graph, monkeypatch, caplog):
    stages = {name: [graph.job(name)] for name in graph.jobs}
    (file,), (sound,) = graph.job("train").paths, graph.job("evaluate").paths
    file.write_text("TRAIN")
    for path in (file, sound, graph.job("train").stamp):
        os.utime(path, (1, 1))
    dvc.show_damage(stages)
    assert file.stat().st_mtime == 1 and not caplog.text
    monkeypatch.setenv(dvc.IN_STAGE, "contracts@mine")
    dvc.show_damage(stages)
    assert file.stat().st_mtime > 1 and graph.job("train").stamp.stat().st_mtime > 1 and sound.stat().st_mtime == 1
    assert f"{file} is not as it was made" in caplog.text


def test_redo_forgets_a_result_and_what_depends_on_it_and_lets_snakemake_work(graph, commands, monkeypatch):
    graph.command = "snakemake --cores all --config experiment=mine set='methods=[slp] seeds=[0]'"
    monkeypatch.setattr(contracts, "experiment_graph", lambda experiment: graph)
    checked = []
    monkeypatch.setattr(
        precheck, "check_again", lambda _, jobs: checked.extend((job.name, job.current) for job in jobs)
    )
    result = CliRunner().invoke(app, ["redo", "tra*", "--cores", "2"])
    assert checked == [("train", True), ("evaluate", True)]
    assert result.exit_code == 0
    assert result.output == "to be made again: train\nto be made again: evaluate\n"
    assert not any(job.current for job in graph.jobs.values())
    flags = [f".snakemake/current/mine/{name}.{job.contract}" for name, job in graph.jobs.items()]
    config = ["--config", "experiment=mine", "set=methods=[slp] seeds=[0]"]
    assert commands == [[sys.executable, "-m", "snakemake", "--cores", "all", *config, "--cores", "2", "--", *flags]]
    execute(graph.job("train"))
    CliRunner().invoke(app, ["redo", "evaluate"])
    assert graph.job("train").current
