"""What the report's job tells of methods, fits and evaluated maps."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.cli.main import app
from pipeline_src.pipeline.jobs import chosen
from pipeline_src.pipeline.report import _own_ideas as own_ideas
from pipeline_src.pipeline.report import described, fitted
from pipeline_src.training.registry import choose


@pytest.mark.parametrize(("start", "never"), [(2, False), (3, True), (100_000, True)])
def test_a_block_that_perturbs_in_no_epoch_is_described_so(start, never):
    methods = {"control": MethodFacts("aslp_groups", {"start_epoch": start})}
    of = described(Facts("x", methods, {}, epochs=3))["control"]  # of three epochs
    assert ("no label is perturbed" in of["idea"]) == ("without perturbation" in of["title"]) == never


@pytest.mark.parametrize(
    ("docstring", "idea"),
    [
        ('"""Less sure\n    of edges.\n\n    More."""', "Less sure of edges."),
        ('"""M.\n\n    Idea: Surer."""', "Surer."),
        ("", ""),
    ],
)
def test_a_method_of_the_users_is_described_by_its_docstring(tmp_path, docstring, idea):
    text = f"from pipeline_src.training.method import Method\n\nclass Mine(Method):\n    {docstring}\n    pass\n"
    (tmp_path / "mine.py").write_text(text)
    methods = {"mine": choose("mine", {"file": str(tmp_path / "mine.py")}), "baseline": choose("baseline", {})}
    ideas = own_ideas(SimpleNamespace(methods=methods))
    of = described(Facts("x", {"mine": MethodFacts(), "baseline": MethodFacts("baseline")}, {}), ideas)
    assert of.get("mine", {}).get("idea", "") == idea and of["baseline"]["idea"]


def test_the_job_knows_fits_and_judged_models(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    CliRunner().invoke(app, ["init", "."])
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
