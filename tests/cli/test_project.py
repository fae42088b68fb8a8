"""A project of one's own: made by `init`, used from elsewhere by `--params`, changed by `--set`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from project import ROOT, call, counted, snakemake
from typer.testing import CliRunner

from pipeline_src import __main__
from pipeline_src.cli import init
from pipeline_src.cli.main import app
from pipeline_src.params import changes

PACKAGE = {"PYTHONPATH": str(ROOT)}  # as if it were installed: nothing of it lies in the project


@pytest.fixture(autouse=True)
def environment(tmp_path, monkeypatch):
    """What a command line changes of the environment and the working folder ends with the test."""
    for name in changes.VARIABLES.values():
        monkeypatch.setenv(name, "")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])  # as the command starts


def run(*words: str) -> str:
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.slow
def test_a_project_is_planned_and_run_in_an_empty_folder(tmp_path, monkeypatch):
    said = run("init", "mine")
    assert "cd mine" in said
    said = " ".join(run("--params", "mine/params.yaml", "plan").split())
    assert "of 29 jobs to run" in said
    assert Path.cwd() == tmp_path / "mine" and sys.path[sys.path.index(str(tmp_path)) - 1] == str(tmp_path / "mine")
    said = snakemake(Path.cwd(), "--dry-run", "--config", "method=slp", "set=seeds=[0,1]", **PACKAGE)
    assert counted(said) == {
        **{"prepare": 2, "store": 4, "train": 2, "evaluations": 2, "analyse": 3},
        **{"tables": 1, "figures": 1, "claims": 1, "report": 1},
    }


def test_an_init_overwrites_nothing(tmp_path):
    run("init", "mine")
    Path("mine/workflow/Snakefile").unlink()
    Path("mine/params.yaml").write_text("mine")
    assert CliRunner().invoke(app, ["init", "mine"]).exit_code
    assert Path("mine/params.yaml").read_text() == "mine" and not Path("mine/workflow/Snakefile").exists()


def test_git_ignores_what_a_project_makes_and_a_gitignore_that_is_there_stays(tmp_path):
    call(tmp_path, "git", "init", "--quiet")
    run("init", ".")
    Path("results/mine").mkdir(parents=True)
    Path("results/mine/T1.csv").touch()
    assert "results" not in (said := call(tmp_path, "git", "status", "--short")) and "params.yaml" in said
    Path("other").mkdir()
    Path("other/.gitignore").write_text("mine\n")
    run("init", "other")
    assert Path("other/.gitignore").read_text() == "mine\n" and Path("other/params.yaml").exists()


def test_the_repository_is_a_project_like_any_other():
    own = {file.relative_to(init.TEMPLATE): file for file in (init.TEMPLATE / "workflow").rglob("*") if file.is_file()}
    assert len(own) == 5
    for name, file in own.items():
        assert (ROOT / name).read_text() == file.read_text(), name


def test_one_key_and_one_method_of_a_plan(tmp_path):
    run("init", ".")
    said = run("--set", "methods=[baseline,slp]", "--set", "training.epochs=3", "plan").replace("\n", " ")
    assert "of 21 jobs to run" in said
    assert (
        "Run it: snakemake --cores all --config experiment=first set='methods=[baseline,slp] training.epochs=3'" in said
    )


def test_options_of_all_commands_may_stand_behind_the_command(tmp_path, monkeypatch, capsys):
    run("init", "mine")
    words = ["dense-calibration", "plan", "--set", "methods=[baseline]", "--params=mine/params.yaml"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as stop:
        __main__.main()
    assert stop.value.code == 0 and "methods=[baseline]" in capsys.readouterr().out
