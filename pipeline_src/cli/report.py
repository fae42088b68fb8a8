"""The command `report`: the main numbers of an experiment, and its page."""

from __future__ import annotations

import logging
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from pipeline_src.cli.options import ExperimentName, experiment_graph
from pipeline_src.errors import UserError

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
    from pipeline_src.cli.summary import print_summary
    from pipeline_src.pipeline.runner import check_results

    graph = experiment_graph(experiment)
    job = graph.job("report")
    (page,) = job.links
    if not page.is_file():
        raise UserError(
            f"experiment {graph.name} has no report", found=f"no file {page}", fix=f"run it first: {graph.command}"
        )
    if job.is_made:
        shown = graph.of_kinds("tables", "claims", "report")
        check_results([shown_job for shown_job in shown if shown_job.is_made], "report", graph.command)
        print_summary(graph)
    else:
        logger.warning("%s was made from other parameters, data or code than today's. Now: %s", page, graph.command)
    return page
