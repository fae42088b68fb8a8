"""The command `report`: the main numbers of an experiment, and its page."""

from __future__ import annotations

import json
import logging
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from pipeline_src.analysis.facts import PROTOCOL_NAMES
from pipeline_src.cli.options import ExperimentName, experiment_graph, plain_console
from pipeline_src.errors import UserError

if TYPE_CHECKING:
    from pipeline_src.pipeline.experiment import ExperimentGraph

logger = logging.getLogger(__name__)


def report(
    experiment: ExperimentName = None,
    show: Annotated[bool, typer.Option("--open", metavar="", help="Open the page in the browser")] = False,
) -> None:
    """Print the main numbers of an experiment, and where its report is. A published experiment that was not run here
    has a report too.

    Example: dense-calibration report --open
    Example: dense-calibration report --experiment evidence --open
    """
    page = _published_page(experiment) if experiment else None
    address = (page or _own_page(experiment)).absolute().as_uri()
    typer.echo(f"Report: {address}")
    if show and not webbrowser.open(address):
        logger.warning("No browser was found here to open it in.")


def _published_page(experiment: str) -> Path | None:
    """Return the page of an experiment that is published and was not run here; None for others.

    Raises:
        UserError: the page is not in the repository, and was not rebuilt.
    """
    folders = Path("results/published", experiment), Path("results/published-rebuilt", experiment)
    if Path("results", experiment).exists() or not folders[0].is_dir():
        return None
    for page in (folder / "report.html" for folder in folders):
        if page.is_file():
            return page
    raise UserError(
        f"the repository has the numbers of {experiment}, and not its report",
        found=f"{folders[0]}/tables.md, claims.md",
        fix=f"dense-calibration rebuild --report --experiment {experiment}",
    )


def _own_page(experiment: str | None) -> Path:
    """Print the main numbers of an experiment that was run here, and return its page."""
    from pipeline_src.pipeline.runner import check_results

    graph = experiment_graph(experiment)
    job = graph.job("report")
    (page,) = job.links
    if not page.is_file():
        raise UserError(
            f"experiment {graph.name} has no report", found=f"no file {page}", fix=f"run it first: {graph.command}"
        )
    if job.is_made:
        check_results(graph.of_kinds("tables", "claims", "report"), "report", graph.command)
        _print_summary(graph)
    else:
        logger.warning("%s was made from other parameters, data or code than today's. Now: %s", page, graph.command)
    return page


def _print_summary(graph: ExperimentGraph) -> None:
    """Print ECE and accuracy (unnormalized maps) of all methods by dataset, and the verdicts on the claims."""
    from pipeline_src.claims.write import not_run

    console = plain_console()
    console.print(_metrics(graph), soft_wrap=False)
    claims = json.loads(graph.job("claims").paths[0].read_text(encoding="utf-8"))
    absent = not_run(claims)
    for claim in (claim for claim in claims["claims"] if claim not in absent):
        protocols = claim["protocols"].items()
        verdicts = ", ".join(f"{PROTOCOL_NAMES.get(name, name)} {finding['verdict']}" for name, finding in protocols)
        console.print(f"{claim['claim']} {claim['text']} {verdicts}")
    if absent:
        console.print(f"Claims not run here: {', '.join(claim['claim'] for claim in absent)} (the report says why)")


def _metrics(graph: ExperimentGraph) -> Table:
    import pandas as pd

    from pipeline_src.metrics.registry import METRICS

    table = Table(title=f"{graph.name}: ECE / accuracy in %, unnormalized, {graph.facts.bins} bins; *: the lowest ECE")
    table.add_column("method")
    for part, role in graph.facts.parts.items():
        table.add_column(part if role == "val" else f"{part} ({role})", justify="right")
    rows = pd.read_csv(graph.job("tables").folder / "main.csv", keep_default_na=False, na_values=[""])
    means = rows[rows.protocol == "raw"].groupby(["method", "part"])[["ece", "accuracy"]].mean()
    least = means["ece"].groupby("part").min()
    for method in graph.methods:
        cells = []
        for part in graph.facts.parts:
            ece, accuracy = means.loc[(method, part)]
            printed, lowest = METRICS["ece"].number(ece), METRICS["ece"].number(least[part])
            cells.append(f"{printed}{'*' * (printed == lowest)} / {METRICS['accuracy'].number(accuracy)}")
        table.add_row(method, *cells)
    return table
