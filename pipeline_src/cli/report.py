"""The command `report`: the main numbers of an experiment, and its page."""

from __future__ import annotations

import logging
import webbrowser
from typing import Annotated

import typer

from pipeline_src.cli.options import ExperimentName, experiment_graph
from pipeline_src.errors import UserError

logger = logging.getLogger(__name__)


def report(
    experiment: ExperimentName = None,
    show: Annotated[bool, typer.Option("--open", metavar="", help="Open the page in the browser")] = False,
) -> None:
    """Print the main numbers of an experiment, and where its report is.

    Example: dense-calibration report --open
    """
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
        check_results([made for made in shown if made.is_made], "report", graph.command)
        print_summary(graph)
    else:
        logger.warning("%s was made from other parameters, data or code than today's. Now: %s", page, graph.command)
    typer.echo(f"Report: {page.absolute().as_uri()}")
    if show and not webbrowser.open(page.absolute().as_uri()):
        logger.warning("No browser was found here to open it in.")
