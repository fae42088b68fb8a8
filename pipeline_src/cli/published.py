"""The commands about published results: `publish`, `rebuild` and `compare`."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Annotated

import typer

from pipeline_src.cli.comparison import in_words
from pipeline_src.cli.options import ExperimentName, Log, experiment_graph, start_log

logger = logging.getLogger(__name__)
Cores = Annotated[int | None, typer.Option(min=1, max=1024, help="Processes [default: one per core]")]


def publish(experiment: ExperimentName = None, cores: Cores = None) -> None:
    """Write the results of a finished experiment to results/published/, for the repository.

    Example: dense-calibration publish --experiment mini
    """
    from pipeline_src.publishing import publish as step

    folder = step.publish(experiment_graph(experiment), cores or os.cpu_count() or 1)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    typer.echo(f"{folder}: {size / 1e6:.1f} MB. Commit it.")


def rebuild(
    experiment: Annotated[str | None, typer.Option("--experiment", "-e", help="A published one [default: all]")] = None,
    write: Annotated[
        bool, typer.Option("--write", metavar="", help="Replace the published tables, claims and metrics")
    ] = False,
    report: Annotated[
        bool, typer.Option("--report", metavar="", help="Also write report.html to results/published-rebuilt/")
    ] = False,
    cores: Cores = None,
    log: Log = None,
) -> None:
    """Recompute tables and claims of published experiments from their counts, and compare the numbers.

    Example: dense-calibration rebuild --experiment mini_seeds
    """
    from pipeline_src.publishing import published
    from pipeline_src.publishing import rebuild as step

    start_log(log)
    names = [experiment] if experiment else published.names()
    if not names:
        logger.info("%s holds no experiment; `dense-calibration publish` writes a finished one there", published.FOLDER)
    step.rebuild_all(names, cores or os.cpu_count() or 1, write, report)


def compare(
    a: Annotated[str, typer.Argument(help="results/published/NAME, an experiment of params.yaml, or NAME:METHOD")],
    b: Annotated[str, typer.Argument(help="The same; differences are B - A")],
    json: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write all metrics, intervals and reasons to this file")
    ] = None,
    cores: Cores = None,
) -> None:
    """Compare the numbers of two experiments or two methods: equal, different or inconclusive, and possible reasons.

    Example: dense-calibration compare results/published/mini_seeds mini_seeds
    Example: dense-calibration compare mini_seeds:baseline mini_seeds:aslp_cl
    """
    from pipeline_src.publishing.compare import compare_experiments

    start_log()
    comparison = compare_experiments(a, b, cores or os.cpu_count() or 1)
    typer.echo(in_words(comparison))
    if json:
        comparison.write(json)
        typer.echo(f"All numbers: {json}")
