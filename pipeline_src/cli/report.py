"""The command `report`: the main numbers of an experiment, and its page."""

from __future__ import annotations

import csv
import json
import logging
import shutil
import webbrowser
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zipfile import ZipFile

import numpy as np
import typer

from pipeline_src.analysis.facts import PROTOCOL_NAMES, Facts
from pipeline_src.cli.options import ExperimentName, experiment_graph
from pipeline_src.errors import UserError
from pipeline_src.files import atomic_folder, write_json
from pipeline_src.metrics.registry import METRICS
from pipeline_src.params.load import read
from pipeline_src.publishing import published
from pipeline_src.text_tables import aligned

if TYPE_CHECKING:
    from pipeline_src.pipeline.experiment import ExperimentGraph

logger = logging.getLogger(__name__)
SUMMARY = Path("summary")
SUMMARIZED = ("ece", "accuracy", "brier")
MAIN, CLAIMS = "main.csv", "claims.json"


def report(
    experiment: ExperimentName = None,
    show: Annotated[
        bool, typer.Option("--open", metavar="", help="Open the page in the browser")
    ] = False,
    names: Annotated[
        bool, typer.Option("--list", metavar="", help="List all experiments instead")
    ] = False,
) -> None:
    """Print the main numbers of an experiment, and where its report is. A published experiment that
    was not run here has numbers and a report too.

    Example: dense-calibration report --open
    Example: dense-calibration report --experiment evidence --open
    """
    if names:
        typer.echo("\n".join(aligned(experiments())))
        return
    if experiment in published.names() and not Path("results", experiment).exists():
        page = _published_page(experiment)
    else:
        page = _own_page(experiment_graph(experiment))
    if page is None:
        typer.echo(
            f"No report was written yet: dense-calibration rebuild --report --experiment {experiment}"
        )
        raise typer.Exit(2 if show else 0)
    address = page.absolute().as_uri()
    typer.echo(f"Report: {address}")
    if show and not webbrowser.open(address):
        logger.warning("No browser was found here to open it in.")


def experiments() -> list[list[str]]:
    """Return a row for each experiment of params.yaml or published: its name, and where it has results."""
    rows = []
    for name in dict.fromkeys([*read().experiments, *published.names()]):
        local = "run here" * Path("results", name).is_dir()
        rows.append([name, local, "published" * (name in published.names())])
    return rows


def _published_page(experiment: str) -> Path | None:
    """Print the main numbers of a published experiment, and return its page if it is published or rebuilt."""
    folder = published.FOLDER / experiment
    facts = published.checked(folder, (published.TABLES, CLAIMS)).facts
    with ZipFile(folder / published.TABLES) as tables:
        main = tables.read(MAIN).decode()
    _print_summary(facts, main, folder / CLAIMS)
    rebuilt = Path("results/published-rebuilt", experiment)
    return next(
        (page for place in (folder, rebuilt) if (page := place / "report.html").is_file()), None
    )


def _own_page(graph: ExperimentGraph) -> Path:
    """Print the main numbers of an experiment that was run here, and return its page."""
    from pipeline_src.pipeline.runner import check_results

    job = graph.job("report")
    (page,) = job.links
    if not page.is_file():
        raise UserError(
            f"experiment {graph.name} has no report",
            found=f"no file {page}",
            fix=f"run it first: {graph.command}",
        )
    if job.is_made:
        check_results(graph.of_kinds("tables", "claims", "report"), "report", graph.command)
        main = (graph.job("tables").folder / MAIN).read_text(encoding="utf-8")
        _print_summary(graph.facts, main, graph.job("claims").paths[0])
    else:
        logger.warning(
            "%s was made from other parameters, data or code than today's. Now: %s",
            page,
            graph.command,
        )
    return page


def _print_summary(facts: Facts, main: str, claims_file: Path) -> None:
    """Print ECE and accuracy (unnormalized maps) of all methods by dataset, and the verdicts on the
    claims.

    Args:
        main: the content of the table of all numbers.
        claims_file: claims.json.
    """
    from pipeline_src.claims.write import not_run

    claims = json.loads(claims_file.read_bytes())
    absent = not_run(claims)
    title = f"{facts.experiment}: ECE / accuracy in %, unnormalized, {facts.bins} bins; *: the lowest ECE"
    lines = [title, *aligned(main_rows(facts, main))]
    for claim in claims["claims"]:
        findings = claim["protocols"].items()
        verdicts = ", ".join(
            f"{PROTOCOL_NAMES.get(name, '')} {found['verdict']}".strip() for name, found in findings
        )
        if claim not in absent:
            lines.append(f"{claim['claim']} {claim['text']} {verdicts}")
    if absent:
        lines.append(
            f"Claims not run here: {', '.join(claim['claim'] for claim in absent)} (the report says why)"
        )
    typer.echo("\n".join(lines))


def summarize(experiment: ExperimentName = None) -> None:
    """Write the main metrics and the reliability of an experiment into summary/, for Git; dvc.yaml
    calls it.

    Example: dense-calibration summarize
    """
    from pipeline_src.pipeline.runner import check_results

    graph = experiment_graph(experiment)
    check_results(graph.of_kinds("tables", "figures"), "summarize", graph.command)
    tables = graph.job("tables").folder
    metrics = json.loads((tables / "metrics.json").read_text(encoding="utf-8"))["metrics"]["raw"]
    with atomic_folder(SUMMARY) as folder:
        for method, datasets in metrics.items():
            means = {}
            for dataset, values in datasets.items():
                means[dataset] = {name: values[name]["mean"] for name in SUMMARIZED}
            write_json(folder / "metrics" / f"{method}.json", means)
        (folder / "reliability").mkdir()
        for file in sorted(graph.job("figures").folder.glob("reliability-raw-*.csv")):
            shutil.copyfile(
                file, folder / "reliability" / file.name.removeprefix("reliability-raw-")
            )


def main_rows(facts: Facts, main: str) -> list[list[str]]:
    """Return means over seeds of ECE and accuracy by method and dataset, from the table of all numbers."""
    values = defaultdict(list)
    for row in csv.DictReader(main.splitlines()):
        if row["protocol"] == "raw":
            values[row["part"], row["method"]].append([row["ece"], row["accuracy"]])
    number = METRICS["ece"].number
    columns = [["method", *facts.methods]]
    for part, role in facts.parts.items():
        means = [np.array(values[part, method], float).mean(axis=0) for method in facts.methods]
        lowest = number(min(ece for ece, _ in means))
        cells = (
            f"{number(ece)}{'*' * (number(ece) == lowest)} / {number(accuracy)}"
            for ece, accuracy in means
        )
        columns.append([part if role == "val" else f"{part} ({role})", *cells])
    return [list(row) for row in zip(*columns, strict=True)]
