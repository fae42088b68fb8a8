"""The jobs that run again after a change of parameters, code or data."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from project import SHOWN, call, copy, edit, make, outdated, planned, results, snakemake


@pytest.mark.slow
def test_a_changed_method_retrains_that_method_and_the_former_results_stay(clone):
    text = (clone / "params.yaml").read_text()
    head, block = text.split("  aslp_mc:", 1)
    (clone / "params.yaml").write_text(head + "  aslp_mc:" + block.replace("beta: 1.0", "beta: 0.5", 1))
    before = results(clone)
    assert outdated(clone) == {"train": 1, "evaluate": 1} | SHOWN
    assert planned(clone, "--", "statistics") == {"train": 1, "evaluate": 1, "statistics": 1}
    make(clone, "train", "evaluate")
    assert len(results(clone) - before) == 2 and before < results(clone)
    assert outdated(clone) == SHOWN
    (clone / "params.yaml").write_text(text)
    assert outdated(clone) == {}


def test_a_change_that_concerns_no_result_outdates_nothing(clone):
    edit(clone / "params.yaml", "    workers: 0\n", "    workers: 2\n")
    edit(clone / "params.yaml", "    device: auto\n", "    device: cpu\n")
    edit(clone / "params.yaml", "    alpha: 0.05\n", "    alpha: 0.06\n")  # of a method that `tiny` does not run
    edit(clone / "pipeline_src/training/loop.py", '"""One training run', '"""A training run')
    assert outdated(clone) == {}


@pytest.mark.parametrize(
    ("file", "old", "new", "jobs"),
    [
        ("params.yaml", "  seeds: [0]\n", "  seeds: [0, 1]\n", {"train": 2, "evaluate": 2} | SHOWN),
        ("pipeline_src/figures/house.mplstyle", "", "\n# restyled\n", {"figures": 1, "gallery": 1, "report": 1}),
    ],
    ids=["seed", "style"],
)
def test_a_change_outdates_these_jobs(clone, file, old, new, jobs):
    if old:
        edit(clone / file, old, new)
    else:
        (clone / file).write_text((clone / file).read_text() + new)
    assert outdated(clone) == jobs


@pytest.mark.slow
def test_an_edit_that_keeps_size_and_time_of_a_compiled_file_changes_the_numbers(clone):
    planned(clone)  # which shows the results
    file = clone / "pipeline_src/metrics/estimators.py"
    before = file.stat()
    call(clone, sys.executable, "-m", "compileall", "-q", str(file))
    edit(file, "_share(bins, np.abs(bins.excess))", "_share(bins, np.max(bins.excess))")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    shown = (clone / "results/tiny/tables/T1.csv").read_text()
    snakemake(clone, "--", "tables")
    assert file.stat().st_size == before.st_size and (clone / "results/tiny/tables/T1.csv").read_text() != shown


@pytest.mark.slow
def test_another_experiment_by_one_flag(clone):
    jobs = planned(clone, "--config", "experiment=demo")
    assert (jobs["train"], jobs["fit"]) == (5, 1)


@pytest.mark.slow
def test_snakemake_tells_wrong_parameters_and_missing_data_in_words(tmp_path):
    copy(tmp_path)
    said = snakemake(tmp_path, "--dry-run", "--config", "experimnt=demo", check=False)
    assert "did you mean 'experiment'" in said and "common.smk" not in said
    said = snakemake(tmp_path, "--dry-run", "--config", "experiment=mini", check=False, ASLP_DOWNLOADS=str(tmp_path))
    assert "DUTS-TR" in said and "data_root" in said and "Traceback" not in said


@pytest.mark.slow
def test_results_are_kept_after_a_change_that_does_not_concern_them(clone, monkeypatch):
    planned(clone)  # which shows the results
    edit(clone / "pipeline_src/training/batches.py", "cv2.INTER_LINEAR", "cv2.INTER_AREA")
    assert outdated(clone) == {"train": 2, "evaluate": 2} | SHOWN
    why = "images are not resized here"
    said = call(clone, "python", "-m", "pipeline_src", "keep", "train/*", "evaluate/*", "--why", why)
    assert said.count("kept: ") == 4 and outdated(clone) == SHOWN


@pytest.mark.slow
def test_clean_asks_and_removes_what_no_experiment_needs(clone):
    def clean(*options: str) -> str:
        return call(clone, "python", "-m", "pipeline_src", "clean", *options, check=False)

    before = results(clone)
    assert "Nothing to remove" in clean()
    edit(clone / "params.yaml", "{epochs: 16, batch_size: 4,", "{epochs: 17, batch_size: 4,")
    assert clean("--dry-run").count("results/.store/train/") == 2 and results(clone) == before
    clean()  # without a terminal nobody agrees
    assert results(clone) == before
    assert "Removed" in clean("--yes")
    assert {name.split("/")[0] for name in results(clone)} == {"prepare", "store"}
    assert not list(Path(clone, "results/tiny").rglob("*.safetensors"))
