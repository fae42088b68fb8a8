"""Snakemake and DVC on the real workflow: who makes what again, and when nothing is to be done.

One small experiment (`tiny`) is run from start to end; the tests clone it, change it, break it and ask both engines.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from project import ENVIRONMENT, call, copy, edit, planned, snakemake, stamps

SHOWN = {"analyse": 3, "tables": 1, "figures": 1, "claims": 1, "report": 1}  # what stands behind the statistics
NAMES = {"val", "scenes", "textures", "tables", "figures", "claims", "report"}  # of their stamps


@pytest.fixture
def clone(finished: Path, tmp_path: Path) -> Path:
    """A fresh clone with pulled results, no records of Snakemake's, and file times in no order."""
    folder = tmp_path / "clone"
    call(tmp_path, "git", "clone", "--quiet", str(finished), str(folder))
    call(folder, "dvc", "pull", "--quiet")
    files = [path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts]
    random.Random(0).shuffle(files)
    for i, path in enumerate(files):
        os.utime(path, (1_700_000_000 + i, 1_700_000_000 + i))
    return folder


def idle(folder: Path) -> bool:
    """Whether DVC knows of no change. It always writes the contracts, since it can't know what they are made of."""
    return call(folder, "dvc", "status") == "contracts@tiny:\n\talways changed\n"


def test_a_run_makes_everything_and_leaves_both_engines_idle(finished):
    results = finished / "results/tiny"
    for name in ("tables/main.csv", "tables/metrics.json", "claims.json", "claims.md", "report.html"):
        assert (results / name).stat().st_size > 0, name
    assert list((results / "figures").glob("reliability-raw-*.svg"))
    assert planned(finished) == {}
    assert idle(finished)
    assert "didn't change" in call(finished, "dvc", "repro")
    assert call(finished, "git", "status", "--short") == ""
    assert "accuracy" in call(finished, "dvc", "metrics", "show")
    assert not list((finished / "results").rglob("*.pt"))  # no checkpoint is left


def test_a_clone_with_pulled_results_has_nothing_to_do(clone):
    assert planned(clone) == {}
    assert idle(clone)
    assert "didn't change" in call(clone, "dvc", "repro")


def test_a_changed_parameter_runs_what_depends_on_it_and_nothing_else(finished, clone):
    before = stamps(clone)
    edit(clone / "params.yaml", "    bins: 10\n", "    bins: 15\n")
    assert planned(clone) == SHOWN
    assert planned(clone, "--", "results/tiny/tables/main.csv") == {"analyse": 3, "tables": 1, "tables_files": 1}
    call(clone, "dvc", "repro")
    after = stamps(clone)
    assert {Path(name).stem for name in before ^ after} == NAMES
    assert len(before) == len(after)
    for name in ("main.csv", "main.md", "main.tex"):
        assert (clone / "results/tiny/tables" / name).read_bytes() != (
            finished / "results/tiny/tables" / name
        ).read_bytes()
    assert planned(clone) == {}
    assert idle(clone)


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


def test_an_experiment_of_dvcs_own(clone):
    """`dvc exp run -S` rewrites params.yaml in its own style, which must mean the same."""
    before = stamps(clone)
    call(clone, "dvc", "exp", "run", "-S", "defaults.evaluation.bins=20")
    assert "bins: 20" in (clone / "params.yaml").read_text()
    assert {Path(name).stem for name in before ^ stamps(clone)} == NAMES
    assert planned(clone) == {}
    assert idle(clone)


def test_a_changed_method_retrains_that_method_alone(clone):
    text = (clone / "params.yaml").read_text()
    head, block = text.split("  aslp_mc:", 1)
    (clone / "params.yaml").write_text(head + "  aslp_mc:" + block.replace("beta: 1.0", "beta: 0.5", 1))
    before = stamps(clone)
    assert planned(clone) == {"train": 1, "evaluate": 3} | SHOWN
    snakemake(clone, "--", "statistics")
    assert all("/aslp_mc/" in name for name in before ^ stamps(clone))
    assert planned(clone, "--", "statistics") == {} and planned(clone) == SHOWN
    (clone / "params.yaml").write_text(text)  # the former results were kept, though pulled
    said = snakemake(clone, "--", "statistics")
    assert said.count("taken over") == 4 and stamps(clone) == before


@pytest.mark.parametrize(
    ("file", "old", "new", "jobs"),
    [
        (
            "params.yaml",
            "  seeds: [0]\n",
            "  seeds: [0, 1]\n",
            {"train": 2, "evaluate": 6} | SHOWN,
        ),
        ("params.yaml", "    workers: 0\n", "    workers: 2\n", {}),
        ("params.yaml", "    device: auto\n", "    device: cpu\n", {}),
        ("params.yaml", "    alpha: 0.05\n", "    alpha: 0.06\n", {}),  # of a method that `tiny` does not run
        ("pipeline_src/training/loop.py", '"""One training run', '"""A training run', {}),
        ("pipeline_src/figures/house.mplstyle", "", "\n# restyled\n", {"figures": 1, "report": 1}),
        (
            "pipeline_src/training/augment.py",
            "cv2.INTER_LINEAR",
            "cv2.INTER_NEAREST",
            {"train": 2, "evaluate": 6} | SHOWN,
        ),
        (
            "pipeline_src/steps/store.py",
            'of["size"]',
            '2 * of["size"]',
            {"store": 4, "train": 2, "evaluate": 6} | SHOWN,
        ),
    ],
    ids=["seed", "workers", "device", "unused method", "docstring", "style", "augmentation code", "code of a step"],
)
def test_what_a_change_makes_again(clone, file, old, new, jobs):
    if old:
        edit(clone / file, old, new)
    else:
        (clone / file).write_text((clone / file).read_text() + new)
    assert planned(clone) == jobs


def test_lost_files_are_made_again_and_nothing_that_was_made_of_them(clone):
    shutil.rmtree(clone / ".git")
    before = stamps(clone)
    lost = ["tables/main.csv", "statistics/baseline/seed0/val.npz", "runs/aslp_mc/seed0/model.safetensors"]
    contents = [(clone / "results/tiny" / name).read_bytes() for name in lost]
    for name in lost:
        (clone / "results/tiny" / name).unlink()
    assert planned(clone) == {"train": 1, "evaluate": 1, "tables": 1}
    assert planned(clone, "--", "results/tiny/tables/main.csv") == {"train": 1, "tables": 1, "tables_files": 1}
    assert planned(clone, "--", "results/tiny/figures/training-loss.svg") == {}
    said = snakemake(clone)
    assert [(clone / "results/tiny" / name).read_bytes() for name in lost] == contents
    assert planned(clone) == {} and stamps(clone) == before
    assert "git init" in said  # without git it runs, and says what DVC needs


def test_a_killed_run_goes_on_and_ends_in_the_same_bits(finished, clone):
    """kill -9 of the engine and all its children in the middle of training."""
    shutil.rmtree(clone / "results")
    command = ["snakemake", "--cores", "2"]
    process = subprocess.Popen(
        command,
        cwd=clone,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while not list((clone / "results").rglob("last.pt")):
            assert process.poll() is None
    finally:
        os.killpg(process.pid, 9)
        process.wait()
    assert not list((clone / "results/tiny/runs").rglob("model.safetensors"))
    snakemake(clone, "--", "results/tiny/tables/main.csv")
    for method in ("baseline", "aslp_mc"):
        model = f"results/tiny/runs/{method}/seed0/model.safetensors"
        assert (clone / model).read_bytes() == (finished / model).read_bytes()
    for file in (finished / "results/tiny/tables").glob("main.*"):
        assert (clone / "results/tiny/tables" / file.name).read_bytes() == file.read_bytes()


def test_another_experiment_by_one_flag(clone):
    assert planned(clone, "--config", "experiment=demo")["train"] == 6
    (clone / "params.yaml").write_text(
        (clone / "params.yaml").read_text().replace("experiment: tiny", "experiment: demo")
    )
    assert planned(clone)["train"] == 6
    assert "train@demo" in call(clone, "dvc", "status")
    assert "tiny" not in call(clone, "dvc", "status")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("    bins: 10\n", "    bin: 10\n"), ["evaluation.bin", "did you mean 'bins'"]),
        (("    bins: 10\n", "    bins: 7\n"), ["evaluation.bins", "10"]),
        (("    batch_size: 4}", "    batch_size: many}"), ["batch_size", "many"]),
        (("experiment: tiny", "experiment: tinny"), ["tinny", "did you mean 'tiny'"]),
        (("{set: tiny-scenes, split: val}", "{set: tiny-scnes, split: val}"), ["tiny-scnes", "tiny-scenes"]),
        (("{set: tiny-scenes, split: val}", "{set: tiny-scenes, split: vall}"), ["vall", "val"]),
        (("    methods: [baseline, aslp_mc]", "    methods: [baseline, aslp_mcc]"), ["aslp_mcc", "aslp_mc"]),
        (("config: tiny_fpn", "config: tiny_fpm"), ["tiny_fpm", "tiny_fpn"]),
    ],
)
def test_wrong_parameters_are_told_before_anything_runs(tmp_path, change, words):
    copy(tmp_path)
    text = (tmp_path / "params.yaml").read_text()
    old, new = (part.strip() for part in change)
    assert old in text
    (tmp_path / "params.yaml").write_text(text.replace(old, new))
    said = call(tmp_path, sys.executable, "-m", "pipeline_src", "contracts", check=False)
    assert "Traceback" not in said
    assert all(word in said for word in words), said


def test_snakemake_tells_wrong_parameters_and_missing_data_in_words(tmp_path):
    copy(tmp_path)
    said = snakemake(tmp_path, "--dry-run", "--config", "experimnt=demo", check=False)
    assert "did you mean 'experiment'" in said
    said = snakemake(tmp_path, "--dry-run", "--config", "experiment=mini", check=False, ASLP_DOWNLOADS=str(tmp_path))
    assert "DUTS-TR" in said
    assert "data_root" in said
    assert "Traceback" not in said


def test_a_dry_look_says_what_how_long_and_how_much(finished):
    said = call(finished, sys.executable, "-m", "pipeline_src", "plan")
    assert "0 of 21 jobs" in said
    said = call(finished, sys.executable, "-m", "pipeline_src", "plan", "--experiment", "demo")
    assert re.search(r"Time: about (\d+ h )?\d+ min", said)
    assert re.search(r"Disk: about [\d,]+ MiB", said)
    assert "not made yet" in said


def test_results_are_adopted_after_a_change_that_does_not_concern_them(clone):
    """The report is made again, and names what was adopted."""
    edit(clone / "pipeline_src/training/augment.py", "cv2.INTER_LINEAR", "cv2.INTER_AREA")
    train = "train/baseline/seed0"
    said = call(clone, sys.executable, "-m", "pipeline_src", "contracts", "--explain", train)
    assert re.search(r"\* code pipeline_src/training/augment.py: \w{16}  \(was \w{16}\)", said)
    assert planned(clone) == {"train": 2, "evaluate": 6} | SHOWN
    said = call(clone, sys.executable, "-m", "pipeline_src", "adopt", "train/*", "--why", "images are not resized here")
    assert f"adopted: {train}\n" in said and "adopted: tables\n" in said and "report" not in said
    assert planned(clone) == {"report": 1}
    said = call(clone, sys.executable, "-m", "pipeline_src", "plan")
    assert f"adopted: {train}: images are not resized here" in said
    snakemake(clone)
    assert "images are not resized here" in (clone / "results/tiny/report.html").read_text()


def test_what_spans_experiments_is_a_target_of_its_own(clone):
    assert planned(clone, "overview") == {"overview": 1}
    snakemake(clone, "overview")
    assert "tiny" not in (clone / "results/overview/T5.md").read_text()  # its task is the main one
    assert planned(clone, "overview") == {} == planned(clone, "--", "results/overview/T8.csv")
    (clone / "results/overview/claims.md").unlink()
    assert planned(clone, "--", "results/overview/claims.md") == {"overview": 1, "overview_files": 1}
    table = clone / "results/tiny/tables/T1.csv"
    table.write_text(table.read_text() + "\n")
    assert planned(clone, "overview") == {"overview": 1}


def test_snakemakes_own_report_lists_tables_figures_and_verdicts(clone):
    snakemake(clone, "--report", "own.html", "--", "files")
    page = (clone / "own.html").read_text()
    for words in ("main.csv", "claims.md", "reliability-raw-baseline-scenes.svg", "report.html", "Reliability"):
        assert words in page, words
    assert "reliability-raw-baseline-scenes.png" not in page


def test_what_no_experiment_wants_is_listed_and_removed(clone):
    edit(clone / "params.yaml", "  tiny:", "  small:")
    edit(clone / "params.yaml", "experiment: tiny", "experiment: small")
    for options in ((), ("--remove",)):
        said = call(clone, sys.executable, "-m", "pipeline_src", "clean", *options)
        assert re.search(r"\d+\.\d MiB  results/tiny", said) and re.search(r"\d+\.\d MiB  data/tiny", said)
    assert not (clone / "results/tiny").exists() and not (clone / "data/tiny").exists()
