"""What a change of parameters, code or data makes again, and what it leaves."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
from project import BLANK, NAMES, SHOWN, call, copy, counted, edit, idle, make, outdated, planned, snakemake, stamps
from typer.testing import CliRunner

from pipeline_src.cli.main import app
from pipeline_src.errors import UserError
from pipeline_src.params.load import read
from pipeline_src.steps.build import build


@pytest.mark.slow
def test_a_changed_parameter_runs_what_depends_on_it_and_nothing_else(finished, clone):
    """Changed by hand, then by `dvc exp run -S`, which rewrites params.yaml in its own style."""
    drawn, files = (
        "    with style.house():\n        for picture",
        "for picture in pictures(results.facts)[share] for name in picture.files",
    )
    blank = f"    return [Path(out / name).write_bytes({BLANK!r}) {files}]\n"
    edit(clone / "pipeline_src/figures/write.py", drawn, blank + drawn)
    before = stamps(clone)
    edit(clone / "params.yaml", "    bins: 10\n", "    bins: 15\n")
    assert planned(clone, "--", "results/tiny/tables/main.csv") == {"analyse": 3, "tables": 1, "tables_files": 1}
    call(clone, "dvc", "exp", "run", "-S", "defaults.evaluation.bins=20")
    assert "bins: 20" in (clone / "params.yaml").read_text()
    after = stamps(clone)
    assert {Path(name).stem for name in before ^ after} == NAMES
    assert len(before) == len(after)
    for name in ("main.csv", "main.md", "main.tex"):
        assert (clone / "results/tiny/tables" / name).read_bytes() != (
            finished / "results/tiny/tables" / name
        ).read_bytes()
    assert planned(clone) == {}
    assert idle(clone)


@pytest.mark.slow
def test_a_changed_method_retrains_that_method_alone(clone, caplog):
    text = (clone / "params.yaml").read_text()
    head, block = text.split("  aslp_mc:", 1)
    (clone / "params.yaml").write_text(head + "  aslp_mc:" + block.replace("beta: 1.0", "beta: 0.5", 1))
    before = stamps(clone)
    assert outdated(clone) == {"train": 1, "evaluate": 3} | SHOWN
    assert planned(clone, "--", "statistics") == {"train": 1, "evaluate": 1, "statistics": 1}
    make(clone, "train", "evaluate")
    assert all("/aslp_mc/" in name for name in before ^ stamps(clone))
    assert outdated(clone) == SHOWN
    (clone / "params.yaml").write_text(text)  # the former results were kept, though pulled
    caplog.set_level("INFO")
    make(clone, "train", "evaluate")
    assert caplog.text.count("taken over") == 4 and stamps(clone) == before


def test_what_concerns_no_result_makes_nothing_again(clone):
    edit(clone / "params.yaml", "    workers: 0\n", "    workers: 2\n")
    edit(clone / "params.yaml", "    device: auto\n", "    device: cpu\n")
    edit(clone / "params.yaml", "    alpha: 0.05\n", "    alpha: 0.06\n")  # of a method that `tiny` does not run
    edit(clone / "pipeline_src/training/loop.py", '"""One training run', '"""A training run')
    assert outdated(clone) == {}


@pytest.mark.parametrize(
    ("file", "old", "new", "jobs"),
    [
        (
            "params.yaml",
            "  seeds: [0]\n",
            "  seeds: [0, 1]\n",
            {"train": 2, "evaluate": 6} | SHOWN,
        ),
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
    ids=["seed", "style", "augmentation code", "code of a step"],
)
def test_what_a_change_makes_again(clone, file, old, new, jobs):
    if old:
        edit(clone / file, old, new)
    else:
        (clone / file).write_text((clone / file).read_text() + new)
    assert outdated(clone) == jobs


@pytest.mark.slow
def test_another_experiment_by_one_flag(clone):
    assert planned(clone, "--config", "experiment=demo")["train"] == 6
    edit(clone / "params.yaml", "experiment: tiny", "experiment: demo")
    assert outdated(clone)["train"] == 6
    said = call(clone, "dvc", "status")
    assert "train@demo" in said and "tiny" not in said


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("    bins: 10\n", "    bins: 7\n"), ["evaluation.bins", "10"]),
        (("{set: tiny-scenes, split: val}", "{set: tiny-scnes, split: val}"), ["tiny-scnes", "tiny-scenes"]),
        (("config: tiny_fpn", "config: tiny_fpm"), ["tiny_fpm", "tiny_fpn"]),
    ],
)
def test_wrong_parameters_are_told_before_anything_runs(finished, tmp_path, monkeypatch, change, words):
    monkeypatch.chdir(tmp_path)
    text = (finished / "params.yaml").read_text()
    old, new = (part.strip() for part in change)
    assert old in text
    (tmp_path / "params.yaml").write_text(text.replace(old, new))
    with pytest.raises(UserError) as told:
        build(read())
    assert all(word in str(told.value) for word in words), told.value


@pytest.mark.slow
def test_a_command_line_changes_one_key_for_the_commands_of_steps_too(clone, caplog):
    """The stores are made at another size, and DVC, which follows params.yaml, is left out."""
    said = snakemake(clone, "--config", "set=image_size=40", "--", "data")
    assert counted(said) == {"store": 4, "data": 1}
    assert "storing 6 samples at 40 px" in said and "without set=image_size=40" in said
    caplog.set_level("INFO")
    make(clone, "store")  # at the former size again
    assert "store/val taken over" in caplog.text


def test_a_command_tells_wrong_parameters_in_words(tmp_path):
    copy(tmp_path)
    edit(tmp_path / "params.yaml", "experiment: tiny", "experiment: tinny")
    said = call(tmp_path, sys.executable, "-m", "pipeline_src", "contracts", check=False)
    assert "did you mean 'tiny'" in said and "Traceback" not in said


@pytest.mark.slow
def test_snakemake_tells_wrong_parameters_and_missing_data_in_words(tmp_path):
    copy(tmp_path)
    said = snakemake(tmp_path, "--dry-run", "--config", "experimnt=demo", check=False)
    assert "did you mean 'experiment'" in said
    said = snakemake(tmp_path, "--dry-run", "--config", "experiment=mini", check=False, ASLP_DOWNLOADS=str(tmp_path))
    assert "DUTS-TR" in said
    assert "data_root" in said
    assert "Traceback" not in said


def test_a_dry_look_says_what_how_long_and_how_much(finished, monkeypatch):
    monkeypatch.chdir(finished)
    said = CliRunner().invoke(app, ["plan"]).output
    assert "0 of 21 jobs" in said
    said = CliRunner().invoke(app, ["plan", "--experiment", "demo"]).output
    assert re.search(r"Time: about (\d+ h )?\d+ min", said)
    assert re.search(r"Disk: about [\d,]+ MiB", said)
    assert "not made yet" in said


COMMANDS = """
import shlex, sys
from pipeline_src.cli.main import app
for line in sys.argv[1:]:
    app(shlex.split(line), standalone_mode=False)
    print("end of a command", flush=True)
"""


def commands(folder: Path, *lines: str) -> list[str]:
    """What commands say that are called one after the other, by one process of the package in `folder`."""
    return call(folder, "python", "-c", COMMANDS, *lines).split("end of a command\n")[:-1]


@pytest.mark.slow
def test_results_are_adopted_after_a_change_that_does_not_concern_them(clone):
    """The report is made again, and names what was adopted."""
    edit(clone / "pipeline_src/training/augment.py", "cv2.INTER_LINEAR", "cv2.INTER_AREA")
    assert outdated(clone) == {"train": 2, "evaluate": 6} | SHOWN
    train, why = "train/baseline/seed0", "images are not resized here"
    adopting = shlex.join(["adopt", "train/*", "--why", why])
    explained, adopted, plan, _ = commands(clone, f"contracts --explain {train}", adopting, "plan", "report")
    assert re.search(r"\* code pipeline_src/training/augment.py: \w{16}  \(was \w{16}\)", explained)
    assert f"adopted: {train}\n" in adopted and "adopted: tables\n" in adopted and "report" not in adopted
    assert "1 of 21 jobs" in plan and f"adopted: {train}: {why}" in plan
    assert why in (clone / "results/tiny/report.html").read_text()
    assert outdated(clone) == {}


@pytest.mark.slow
def test_what_no_experiment_wants_is_listed_and_removed(clone, monkeypatch):
    monkeypatch.chdir(clone)
    edit(clone / "params.yaml", "  tiny:", "  small:")
    edit(clone / "params.yaml", "experiment: tiny", "experiment: small")
    for options in ((), ("--remove",)):
        said = CliRunner().invoke(app, ["clean", *options]).output
        assert re.search(r"\d+\.\d MiB  results/tiny", said) and re.search(r"\d+\.\d MiB  data/tiny", said)
    assert not (clone / "results/tiny").exists() and not (clone / "data/tiny").exists()
