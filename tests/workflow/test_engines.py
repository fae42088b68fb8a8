"""Snakemake and DVC on the real workflow: who makes what again, and when nothing is to be done.

One small experiment (`tiny`) is run from start to end; the tests clone it, change it, break it and ask both engines.
"""

from __future__ import annotations

import base64
import shutil

import pytest
from project import call, copy, counted, edit, idle, make, outdated, planned, snakemake, stamps


def test_a_run_makes_everything_and_leaves_both_engines_idle(finished):
    results = finished / "results/tiny"
    for name in ("tables/main.csv", "tables/metrics.json", "claims.json", "claims.md", "report.html"):
        assert (results / name).stat().st_size > 0, name
    assert list((results / "figures").glob("reliability-raw-*.svg"))
    assert planned(finished) == {}
    assert idle(finished)
    assert call(finished, "git", "status", "--short") == ""
    assert "accuracy" in call(finished, "dvc", "metrics", "show")
    assert not list((finished / "results").rglob("*.pt"))  # no checkpoint is left


def test_a_clone_with_pulled_results_has_nothing_to_do(clone):
    assert planned(clone) == {}
    assert "didn't change" in call(clone, "dvc", "repro")


@pytest.mark.slow
def test_dvc_sees_an_edit_of_a_users_own_file(clone):
    (clone / "my_helper.py").write_text("WEIGHT = 1\n")
    code = "import my_helper\nfrom pipeline_src.training.method import Method\n\n\nclass Mine(Method):\n    pass\n"
    (clone / "my_method.py").write_text(code)
    edit(clone / "params.yaml", "    methods: [baseline, aslp_mc]", "    methods: [baseline, mine]")
    edit(clone / "params.yaml", "  baseline: {}\n", "  baseline: {}\n  mine: {file: my_method.py}\n")
    seen = []
    for weight in (1, 2):
        (clone / "my_helper.py").write_text(f"WEIGHT = {weight}\n")
        call(clone, "dvc", "repro", "contracts")
        seen.append((clone / "results/tiny/contracts/train.json").read_text())
    assert seen[0] != seen[1]


@pytest.mark.slow
def test_lost_files_are_made_again_and_nothing_that_was_made_of_them(clone):
    shutil.rmtree(clone / ".git")
    before = stamps(clone)
    lost = ["tables/main.csv", "statistics/baseline/seed0/val.npz", "runs/aslp_mc/seed0/model.safetensors"]
    contents = [(clone / "results/tiny" / name).read_bytes() for name in lost]
    for name in lost:
        (clone / "results/tiny" / name).unlink()
    assert planned(clone) == {"train": 1, "evaluate": 1, "tables": 1}
    assert planned(clone, "--", "results/tiny/tables/main.csv") == {"train": 1, "tables": 1, "tables_files": 1}
    lost_run = "results/tiny/runs/aslp_mc/seed0/model.safetensors"
    history = lost_run.replace("model.safetensors", "history.csv")  # there, but of the run that was lost
    assert planned(clone, "--", lost_run, history) == {"train": 1, "train_files": 2}
    there = "results/tiny/runs/baseline/seed0/model.safetensors", "results/tiny/figures/training-loss.svg"
    assert planned(clone, "--", *there) == {}
    make(clone, "train", "evaluate")
    said = snakemake(clone)
    assert counted(said) == {"tables": 1}
    assert [(clone / "results/tiny" / name).read_bytes() for name in lost] == contents
    assert outdated(clone) == {} and stamps(clone) == before
    assert "git init" in said  # without git it runs, and says what DVC needs


@pytest.mark.slow
def test_a_file_that_is_a_target_is_made_without_a_warning(clone):
    """Snakemake warns of files that came after it looked, which is always so here."""
    (clone / "results/tiny/tables/main.csv").unlink()
    said = snakemake(clone, "--", "results/tiny/tables/main.csv")
    assert counted(said) == {"tables": 1, "tables_files": 1} and "not present when" not in said
    logs = [file.read_text() for file in (clone / ".snakemake/log").glob("*.log")]
    assert any("not present when the DAG was created" in log for log in logs)  # which the filter waits for


@pytest.mark.slow
def test_what_spans_experiments_is_a_target_of_its_own(clone):
    said = snakemake(clone, "overview")
    assert counted(said) == {"overview": 1}
    assert "1 of 1 steps (100%) done" in said and "wildcards" not in said
    assert len(said.split("tiny: ECE")[0].splitlines()) < 30  # what Snakemake says
    assert "tiny" not in (clone / "results/overview/T5.md").read_text()  # its task is the main one
    assert planned(clone, "--", "overview", "results/overview/T8.csv") == {}
    table = clone / "results/tiny/tables/T1.csv"
    text = table.read_text()
    table.write_text(text + "\n")
    assert planned(clone, "overview") == {"overview": 1}
    table.write_text(text)
    (clone / "results/overview/claims.md").unlink()
    assert planned(clone, "--", "results/overview/claims.md") == {"overview": 1, "overview_files": 1}


@pytest.mark.slow
def test_snakemakes_own_report_lists_tables_figures_and_verdicts(clone):
    snakemake(clone, "--report", "own.html", "--", "files", COLUMNS="200")
    page = (clone / "own.html").read_text()
    files = ("main.csv", "T1.csv", "claims.md", "report.html", "reliability-raw-baseline-scenes.svg")
    for words in ("Tables", "Figures", "Claims", "Report", "Reliability", "comparison-raw-scenes.svg", *files):
        assert words in page, words
    assert "reliability-raw-baseline-scenes.png" not in page


def test_a_brace_in_the_path_of_the_program_is_named(tmp_path):
    """Snakemake takes it for a wildcard, and ended in a traceback."""
    (folder := tmp_path / "a{b}").mkdir()
    copy(folder)
    said = snakemake(folder, "--dry-run", check=False)
    assert "has a brace in its path" in said and "without { and }" in said and "Traceback" not in said


@pytest.mark.slow
def test_a_kill_just_after_a_flag_was_touched_hides_nothing(tmp_path):
    """Snakemake has marked the flag as incomplete still. It would force that job alone, and plan nothing behind it."""
    copy(tmp_path)
    snakemake(tmp_path, "--until", "prepare")
    before = planned(tmp_path)
    assert before["train"] and "prepare" not in before
    for flag in (tmp_path / ".snakemake/current/tiny/prepare").iterdir():
        name = base64.urlsafe_b64encode(str(flag.relative_to(tmp_path)).encode()).decode()
        (tmp_path / ".snakemake/incomplete" / name).touch()
        assert planned(tmp_path) == before
