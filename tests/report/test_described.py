"""What the report's job tells of methods, fits and evaluated maps."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from project import ROOT

from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.pipeline.jobs import chosen
from pipeline_src.pipeline.report import described, fitted


@pytest.mark.parametrize(("start", "never"), [(2, False), (3, True), (100_000, True)])
def test_a_block_that_perturbs_in_no_epoch_is_described_so(start, never):
    methods = {"control": MethodFacts("aslp_groups", {"start_epoch": start})}
    of = described(Facts("x", methods, {}, epochs=3))["control"]  # of three epochs
    assert ("no label is perturbed" in of["idea"]) == ("without perturbation" in of["title"]) == never


def test_the_job_knows_fits_and_judged_models(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    plain = chosen().job("report")
    assert not any(role.startswith("judged/") for role in plain.other_files)
    file = Path("results/judged/SET/MODEL/metrics.json")
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    job = chosen().job("report")
    assert job.other_files["judged/SET/MODEL/metrics.json"] == file and job.fingerprint != plain.fingerprint
    run = job.inputs["train/temperature/seed0"].paths[0]
    run.parent.mkdir(parents=True)
    run.write_text(json.dumps({"fitted": {"temperature": 1.5}}))
    assert fitted(job) == {("temperature", 0): {"temperature": 1.5}}
