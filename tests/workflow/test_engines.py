"""Snakemake and DVC on the real workflow: who makes what again, and when nothing is to be done.

One small experiment (`tiny`) is run from start to end; the tests clone it, change it, break it and ask both engines.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from project import ENVIRONMENT, call, counted, edit, outdated, planned, results, snakemake

from pipeline_src.params.load import read
from pipeline_src.pipeline.graph import build
from pipeline_src.pipeline.manifest import NAME

TABLES = "results/tiny/tables/main.csv"


def job(folder: Path, name: str):
    """A job of `tiny` in a folder."""
    with contextlib.chdir(folder):
        return build(read()).job(name)


def test_a_run_makes_everything_and_leaves_both_engines_idle(finished):
    shown = finished / "results/tiny"
    for name in ("tables/main.csv", "tables/metrics.json", "claims.json", "claims.md", "report.html"):
        assert (shown / name).stat().st_size > 0, name
    assert list((shown / "figures").glob("reliability-raw-*.svg"))
    drawn = pd.read_csv(shown / "figures/gallery-scenes.csv")
    assert {name.partition(":")[0] for name in drawn["layer"]} == {"mask", "baseline", "aslp_mc"}
    assert {*drawn["rank"]} == {"worst", "median", "best"} and drawn["id"].nunique() == 6
    runs = [shown / f"runs/{method}/seed0/model.safetensors" for method in ("baseline", "aslp_mc")]
    assert runs[0].read_bytes() != runs[1].read_bytes(), "no label was perturbed"
    assert planned(finished) == {}
    assert call(finished, "dvc", "status").count("always changed") == 3
    assert call(finished, "git", "status", "--short") == ""
    assert not list((finished / "results").rglob("*.pt"))  # no checkpoint is left
    assert call(finished, "python", "-m", "pipeline_src", "verify").endswith("all are as they were made\n")


def test_a_clone_with_pulled_results_has_nothing_to_do_and_shows_them(clone):
    assert not (clone / "results/tiny").exists()
    assert planned(clone) == {}
    assert (clone / TABLES).is_file()


@pytest.mark.slow
@pytest.mark.parametrize("target", ["tables", "figures", "claims", "report"])
def test_a_target_makes_its_files_only(clone, target):
    for name in ("tables", "figures", "claims", "report"):
        shutil.rmtree(clone / job(clone, name).folder)
    needed = {"report": {"figures", "claims", "report"}}.get(target, {target})
    assert planned(clone, "--", target).keys() == needed


@pytest.mark.slow
def test_dvc_repro_records_and_runs_nothing(clone):
    said = call(clone, "dvc", "repro")
    assert "Nothing to be done" in said
    assert call(clone, "git", "status", "--short") == ""


@pytest.mark.slow
def test_removed_results_are_made_again_and_nothing_that_was_made_of_them(clone):
    before, content = results(clone), (clone / "results/.store")
    removed = [job(clone, name) for name in ("evaluate/baseline/seed0", "tables")]
    bits = {path: (clone / path).read_bytes() for it in removed for path in it.paths if path.suffix == ".npz"}
    for it in removed:
        shutil.rmtree(clone / it.folder)
    assert planned(clone) == {"evaluate": 1, "tables": 1}
    said = snakemake(clone)
    assert counted(said) == {"evaluate": 1, "tables": 1}
    assert results(clone) == before and outdated(clone) == {}
    assert {path: (clone / path).read_bytes() for path in bits} == bits and content.is_dir()


@pytest.mark.slow
@pytest.mark.parametrize(("lost", "target"), [("report/report.html", "report"), ("tables/T1.csv", "all")])
def test_a_result_that_lost_a_file_is_made_again(clone, lost, target):
    name, file = lost.split("/")
    (clone / job(clone, name).folder / file).unlink()
    assert planned(clone, "--", target) == {name: 1}


@pytest.mark.slow
def test_a_training_is_kept_though_its_inputs_have_times_in_the_future(clone):
    inputs = [clone / job(clone, f"store/{part}").folder / NAME for part in ("train", "val")]
    call(clone, "touch", "-d", "+1 hour", *map(str, inputs))
    trained = clone / job(clone, "train/baseline/seed0").folder
    shutil.rmtree(trained)
    snakemake(clone, "--", "models")
    assert (trained / NAME).is_file() and outdated(clone) == {}


@pytest.mark.slow
def test_what_spans_experiments_is_a_target_of_its_own(clone):
    planned(clone)  # which shows the results
    assert counted(snakemake(clone, "overview")) == {"overview": 1}
    assert "tiny" not in (clone / "results/overview/T5.md").read_text()  # its task is the main one
    assert planned(clone, "overview") == {}


@pytest.mark.slow
def test_a_damaged_result_is_named_and_the_command_of_the_error_makes_it_again(clone):
    model = job(clone, "train/baseline/seed0").folder / "model.safetensors"
    content = bytearray((clone / model).read_bytes())
    before = bytes(content)
    content[-1] ^= 1
    (clone / model).write_bytes(content)
    shutil.rmtree(clone / job(clone, "evaluate/baseline/seed0").folder)
    said = snakemake(clone, check=False)
    command = f"rm -r {model.parent} && snakemake --cores all --config experiment=tiny"
    assert f"{model} is damaged" in said and command in said
    assert "Failed: evaluate/baseline/seed0\n" in said
    (log,) = [line.removeprefix("  log: ") for line in said.splitlines() if line.startswith("  log: ")]
    assert f"{model} is damaged" in (clone / log).read_text()
    call(clone, "bash", "-c", command)
    assert (clone / model).read_bytes() == before and outdated(clone) == {}


@pytest.mark.slow
def test_a_damaged_table_is_named_though_all_results_exist(clone):
    planned(clone)  # which shows the results
    table = clone / job(clone, "tables").folder / "T1.csv"
    table.write_bytes(table.read_bytes()[:-1] + b" ")
    assert "T1.csv is damaged" in snakemake(clone, check=False)


@pytest.mark.slow
def test_ctrl_c_ends_in_one_line(clone):
    """A terminal sends the signal to Snakemake and all its jobs."""
    shutil.rmtree(clone / job(clone, "train/baseline/seed0").folder)
    with subprocess.Popen(
        ["snakemake", "--cores", "2", "--", "models"],
        cwd=clone,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stdout
        while "baseline seed 0" not in process.stdout.readline():
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        said = process.stdout.read().strip().splitlines()
    assert process.returncode != 0 and said[-1].startswith("Stopped")
    assert all(line.startswith("baseline seed 0") for line in said[:-1] if line)


@pytest.mark.slow
def test_two_starts_in_one_folder_end_in_one_message(clone):
    held = "import time, filelock; lock = filelock.FileLock('.snakemake/dense-calibration.lock'); lock.acquire(); "
    shutil.rmtree(clone / job(clone, "claims").folder)
    code = held + "print('held', flush=True); time.sleep(300)"
    with subprocess.Popen(["python", "-c", code], cwd=clone, env=ENVIRONMENT, stdout=subprocess.PIPE) as other:
        assert other.stdout and other.stdout.readline()
        said = snakemake(clone, check=False)
        other.kill()
    assert "another snakemake runs in" in said and "Traceback" not in said
    assert counted(snakemake(clone)) == {"claims": 1}
    made = job(clone, "claims").folder
    inode = (clone / made).rename(clone / "made").stat().st_ino
    locked = "acquire(timeout=0)\n"  # the result appears between the plan and the lock
    edit(clone / "workflow/rules/common.smk", locked, f"{locked}        os.rename('made', '{made}')\n")
    snakemake(clone, check=False)
    assert (clone / made).stat().st_ino == inode
