"""The command `report`."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipeline_src.cli import main
from pipeline_src.cli import report as command
from pipeline_src.cli.options import plain_console
from pipeline_src.errors import UserError
from pipeline_src.pipeline.job import Graph, Job
from pipeline_src.pipeline.runner import run_job


def write(job, folder):
    (folder / job.files[0]).write_text(job.kind)


@pytest.fixture
def opened(monkeypatch, tmp_path) -> list[str]:
    """What is opened in the browser, of an experiment `tiny` that has a report."""
    monkeypatch.chdir(tmp_path)
    graph = Graph("tiny")
    graph.command = "snakemake --cores all --config experiment=tiny"
    graph.add([Job("report", "report", ("report.html",), write, view=Path("results/tiny"))])
    seen: list[str] = []
    monkeypatch.setattr(command, "experiment_graph", lambda experiment: graph)
    monkeypatch.setattr(command.webbrowser, "open", lambda address: seen.append(address) or True)
    monkeypatch.setattr(command, "_print_summary", lambda graph: print("numbers"))
    run_job(graph.job("report"))
    return seen


def report(*options: str):
    return CliRunner().invoke(main.app, ["report", *options])


def test_the_page_opens_in_the_browser_on_request(opened):
    assert report().output.startswith("numbers\nReport: file:///") and opened == []
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


def test_an_outdated_page_opens_with_a_warning(opened, monkeypatch, caplog):
    (Path("results/tiny/report.html").resolve().parent / "manifest.json").unlink()
    with caplog.at_level(logging.WARNING):
        assert report("--open").exit_code == 0 and len(opened) == 1
    assert "snakemake --cores all --config experiment=tiny" in caplog.text


def test_a_published_page_opens_without_data(opened):
    page = Path("results/published/evidence/report.html")
    page.parent.mkdir(parents=True)
    assert "--report --experiment evidence" in str(report("--experiment", "evidence").exception)
    page.touch()
    assert report("--experiment", "evidence", "--open").exit_code == 0
    assert [address.endswith(f"/{page}") for address in opened] == [True]


def test_every_method_has_a_row_and_the_lowest_ece_is_marked(tmp_path, monkeypatch, capsys):
    """Names may be those of missing values in pandas; equal numbers are all marked."""
    parts, rows = {"null": "id", "None": "ood"}, {"NA": (0.02, 0.03), "slp": (0.05, 0.03)}
    table = [
        ("raw", name, part, value, 0.9) for name, row in rows.items() for part, value in zip(parts, row, strict=True)
    ]
    columns = ["protocol", "method", "part", "ece", "accuracy"]
    pd.DataFrame(table, columns=columns).to_csv(tmp_path / "main.csv", index=False)
    monkeypatch.setenv("COLUMNS", "120")
    facts = SimpleNamespace(bins=10, parts=parts)
    tables = SimpleNamespace(name="mine", facts=facts, methods=rows, job=lambda name: SimpleNamespace(folder=tmp_path))
    plain_console().print(command._metrics(tables))
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in capsys.readouterr().out.splitlines()]
    assert ["NA", "2.00* / 90.00", "3.00* / 90.00"] in cells and ["slp", "5.00 / 90.00", "3.00* / 90.00"] in cells
