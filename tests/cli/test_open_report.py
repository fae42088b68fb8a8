"""The option `--open` of `report`."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from pipeline_src.engine.graph import Graph
from pipeline_src.engine.job import Job
from typer.testing import CliRunner

from pipeline_src.cli import main, steps
from pipeline_src.errors import UserError


@pytest.fixture
def opened(monkeypatch, tmp_path) -> list[str]:
    """What is opened in the browser, of an experiment `tiny` whose report is one job on another."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(steps, "experiment_graph", lambda experiment, log: graph)
    seen: list[str] = []
    monkeypatch.setattr(steps.webbrowser, "open", lambda address: seen.append(address) or True)
    tables = Job("tables", "tables", Path("results/t"), "tables", ("a.csv",), write)
    page = Job("report", "report", tables.folder, "report", ("report.html",), write, inputs={"tables": tables})
    graph = Graph("tiny")
    graph.command = "snakemake --cores all --config experiment=tiny"
    graph.add([tables, page])
    return seen


def write(job, folder):
    (folder / job.files[0]).write_text(job.kind)


def report(*options: str):
    return CliRunner().invoke(main.app, ["report", *options])


def test_the_page_opens_in_the_browser_on_request(opened, monkeypatch):
    monkeypatch.setattr(steps, "execute", lambda job, *more: True)
    assert report().exit_code == 0 and opened == []
    assert report().output.startswith("Report: file:///") and report().output.endswith("/results/t/report.html\n")
    assert report("--open").exit_code == 0 and [page.endswith("/results/t/report.html") for page in opened] == [True]


def test_without_a_browser_its_address_is_printed(opened, monkeypatch, caplog):
    monkeypatch.setattr(steps, "execute", lambda job, *more: True)
    monkeypatch.setattr(steps.webbrowser, "open", lambda address: False)
    with caplog.at_level(logging.WARNING):
        done = report("--open")
    assert done.exit_code == 0 and "/results/t/report.html\n" in done.output and "No browser was found" in caplog.text


@pytest.mark.slow
def test_a_page_that_is_there_opens_though_it_is_not_current(opened, tmp_path, caplog):
    missing = report("--open")
    assert isinstance(missing.exception, UserError) and opened == []
    assert "snakemake --cores all --config experiment=tiny" in str(missing.exception)
    (tmp_path / "results/t").mkdir(parents=True)
    (tmp_path / "results/t/report.html").write_text("old")
    with caplog.at_level(logging.WARNING):
        assert report("--open").exit_code == 0 and len(opened) == 1
    assert "as it was made before" in caplog.text and "tables: not made yet" in caplog.text
    assert isinstance(report().exception, UserError)
