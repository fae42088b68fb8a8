"""The command `report`."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from project import ROOT
from typer.testing import CliRunner

from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.cli import main
from pipeline_src.cli import report as command
from pipeline_src.errors import UserError
from pipeline_src.pipeline.job import Graph, Job
from pipeline_src.pipeline.runner import run_job
from pipeline_src.publishing import published as publishing

PARTS, ECE = {"null": "id", "None": "ood"}, {"NA": (0.02, 0.03), "slp": (0.05, 0.03)}  # names of nothing in pandas
PICKED = SimpleNamespace(experiment="tiny", experiments=["demo", "tiny", "stopped"])  # params.yaml
FACTS = Facts("tiny", dict.fromkeys(ECE, MethodFacts()), PARTS, seeds=(0, 1))


def metrics() -> str:
    """The content of metrics.json."""
    rest = {"ece_floor": {"mean": 0.001}, "accuracy": {"mean": 0.9}}
    raw = {}
    for method, values in ECE.items():
        raw[method] = {part: {"ece": {"mean": ece}, **rest} for part, ece in zip(PARTS, values, strict=True)}
    del raw["slp"]["None"]["ece_floor"]  # as with a single image
    return json.dumps({"metrics": {"raw": raw, "stretched": {}}})


def claims() -> str:
    findings = {name: {"verdict": verdict} for name, verdict in (("raw", "refuted"), ("stretched", "supported"))}
    found = {"claim": "C1", "text": "One.", "protocols": findings}
    absent = {"claim": "C9", "text": "Two.", "protocols": {"any": {"verdict": "not run"}}}
    return json.dumps({"claims": [found, absent]})


def write(job, folder):
    contents = {"report": job.kind, "tables": metrics(), "claims": claims()}
    (folder / job.files[0]).write_text(contents[job.kind])


@pytest.fixture
def opened(monkeypatch, tmp_path) -> list[str]:
    """What is opened in the browser, of an experiment `tiny` that has a report."""
    monkeypatch.chdir(tmp_path)
    graph = Graph("tiny")
    graph.command, graph.facts = "snakemake --cores all --config experiment=tiny", FACTS
    files = {"report": "report.html", "tables": "metrics.json", "claims": "claims.json"}
    graph.add([Job(kind, kind, (file,), write, view=Path("results/tiny")) for kind, file in files.items()])
    seen: list[str] = []
    monkeypatch.setattr(command, "experiment_graph", lambda experiment: graph)
    monkeypatch.setattr(command, "read", lambda: PICKED)
    monkeypatch.setattr(command.webbrowser, "open", lambda address: seen.append(address) or True)
    for kind in files:
        run_job(graph.job(kind))
    return seen


def report(*options: str):
    return CliRunner().invoke(main.app, ["report", *options])


def test_the_page_opens_in_the_browser_on_request(opened):
    assert_summary(report().output)
    assert "Report: file:///" in report().output and opened == []
    assert report("--open").exit_code == 0
    assert [page.endswith("/results/tiny/report.html") for page in opened] == [True]


def test_without_a_browser_its_address_is_printed(opened, monkeypatch, caplog):
    monkeypatch.setattr(command.webbrowser, "open", lambda address: False)
    with caplog.at_level(logging.WARNING):
        done = report("--open")
    assert done.exit_code == 0 and "/results/tiny/report.html\n" in done.output and caplog.records


def test_a_damaged_page_is_named_and_not_opened(opened):
    Path("results/tiny/report.html").write_text("other")
    error = report("--open").exception
    assert isinstance(error, UserError) and opened == []
    assert "report.html is damaged" in str(error) and "rm -r results/.store/report/" in str(error)


@pytest.mark.parametrize("kind", ["report", "tables"])
def test_a_lost_file_is_named_with_its_cure(opened, kind):
    (folder,) = Path("results/.store", kind).iterdir()
    next(file for file in folder.iterdir() if file.name != "manifest.json").unlink()
    error = report("--open").exception
    assert isinstance(error, UserError) and opened == []
    assert f"rm -r {folder} && snakemake" in str(error)


def test_an_outdated_page_opens_with_a_warning(opened, monkeypatch, caplog):
    (Path("results/tiny/report.html").resolve().parent / "manifest.json").unlink()
    with caplog.at_level(logging.WARNING):
        assert report("--open").exit_code == 0 and len(opened) == 1
    assert "snakemake --cores all --config experiment=tiny" in caplog.text


@pytest.fixture
def published(opened) -> Path:
    """The same numbers and claims, published without a page."""
    folder = Path("results/published/evidence")
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(metrics())
    (folder / "claims.json").write_text(claims())
    publish(folder)
    return folder


def publish(folder: Path, **made: str) -> None:
    """Write the experiment.json of what is in a folder."""
    publishing.Publication(FACTS, {}, {}, {}, made, [], {}).write(folder)


def assert_summary(output: str) -> None:
    """Every method has a row and the lowest ECE is marked, and so are equal ones; every claim has its verdicts."""
    rows = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in output.splitlines()]
    assert ["method", "null (id)", "None (ood)"] in rows
    assert ["NA", "2.00* / 90.00", "3.00* / 90.00"] in rows and ["slp", "5.00 / 90.00", "3.00* / 90.00"] in rows
    assert "C1 One. unnormalized refuted, min-max normalized supported\n" in output and "not run here: C9" in output


def test_main_numbers_and_claims_of_a_published_experiment(published, monkeypatch):
    Path("results/evidence").mkdir()  # a run without a report
    monkeypatch.setattr(PICKED, "experiment", "evidence")
    for shown in (report(), report("--experiment", "evidence")):
        assert_summary(shown.output)
        assert shown.exit_code == 0 and "rebuild --report --experiment evidence\n" in shown.output
    assert report("--experiment", "evidence", "--open").exit_code == 2
    (published / "claims.json").write_text("{}")
    assert "claims.json" in str(report("--experiment", "evidence").exception)


def test_a_published_page_opens_without_data(published, opened):
    page = published / "report.html"
    page.touch()
    publish(published)
    assert report("--experiment", "evidence", "--open").exit_code == 0
    assert [address.endswith(f"/{page}") for address in opened] == [True]
    page.write_text("a part of the page")
    assert str(page) in str(report("--experiment", "evidence", "--open").exception) and len(opened) == 1


def test_a_page_of_an_earlier_publication_is_not_offered(published, opened):
    rebuilt = Path("results/published-rebuilt/evidence")
    rebuilt.mkdir(parents=True)
    (rebuilt / "report.html").touch()
    assert report("--experiment", "evidence", "--open").exit_code == 2
    shutil.copy(published / "experiment.json", rebuilt)
    assert report("--experiment", "evidence", "--open").exit_code == 0 and len(opened) == 1
    publish(published, written="later")
    assert report("--experiment", "evidence", "--open").exit_code == 2 and len(opened) == 1


def test_all_experiments_are_listed(published):
    Path("results/stopped/logs").mkdir(parents=True)
    rows = [line.split() for line in report("--list").output.splitlines()]
    assert rows == [["demo"], ["tiny", "run", "here"], ["stopped"], ["evidence", "published"]]


@pytest.mark.parametrize("name", [file.parent.name for file in ROOT.glob("results/published/*/experiment.json")])
def test_every_published_experiment_has_numbers_and_claims(name, tmp_path, monkeypatch):
    """In a folder where nothing was run."""
    (tmp_path / "results").mkdir()
    (tmp_path / "results/published").symlink_to(ROOT / "results/published")
    monkeypatch.chdir(tmp_path)
    shown = report("--experiment", name)
    assert shown.exit_code == 0 and "nan" not in shown.output and shown.output.startswith(f"{name}: ECE")
