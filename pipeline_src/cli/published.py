"""The commands about published results: `publish` and `rebuild`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from pipeline_src.cli.options import Cores, ExperimentName, Log, experiment_graph, flag, start_log
from pipeline_src.errors import UserError


def publish(experiment: ExperimentName = None, cores: Cores = None) -> None:
    """Write the results of a finished experiment to results/published/, for the repository.

    Example: dense-calibration publish --experiment mini
    """
    from pipeline_src.pipeline.upkeep import size
    from pipeline_src.publishing import publish as step

    folder = step.publish(experiment_graph(experiment), cores or os.cpu_count() or 1)
    typer.echo(f"{folder}: {size(folder) / 1e6:.1f} MB. Commit it.")


def rebuild(
    experiment: Annotated[
        str | None, typer.Option("--experiment", "-e", help="A published one (default: all)")
    ] = None,
    write: Annotated[
        bool,
        flag("--write", help="Replace the published tables, claims and metrics"),
    ] = False,
    report: Annotated[
        bool,
        flag("--report", help="Also write report.html to results/published-rebuilt/"),
    ] = False,
    cores: Cores = None,
    log: Log = None,
) -> None:
    """Recompute tables and claims of published experiments from their counts; compare the numbers.

    Example: dense-calibration rebuild --experiment mini_seeds
    """
    from pipeline_src.publishing import published
    from pipeline_src.publishing import rebuild as step

    start_log(log)
    names = [experiment] if experiment else published.names()
    if not names:
        raise UserError(
            f"there is no published experiment in {published.FOLDER.absolute()}",
            expected=f"NAME/{published.EXPERIMENT} there, as in a clone of the repository",
            fix="run the command in a clone, or: dense-calibration publish --experiment NAME",
        )
    step.rebuild_all(names, cores or os.cpu_count() or 1, write, report)
