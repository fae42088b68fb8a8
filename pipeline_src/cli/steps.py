"""The commands of the steps: each makes the result of one job."""

from __future__ import annotations

import logging
import webbrowser
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from pipeline_src.cli.options import Contract, ExperimentName, Log, Method, experiment_graph, start_log
from pipeline_src.engine.execute import check_planned, execute
from pipeline_src.errors import UserError
from pipeline_src.params.load import read
from pipeline_src.steps import job_names
from pipeline_src.steps.train import train_into
from pipeline_src.training import distributed, gpus, memory

logger = logging.getLogger(__name__)
Seed = Annotated[int, typer.Option("--seed", "-s", help="One of the experiment's seeds")]


def prepare(
    set_name: Annotated[str, typer.Option("--set", help="A data set")],
    experiment: ExperimentName = None,
    contract: Contract = None,
    log: Log = None,
) -> None:
    """Unpack, pair and verify a data set.

    Example: dense-calibration prepare --set scenes
    """
    _make(job_names.preparation(set_name), experiment, contract, log)


def store(
    part: Annotated[str, typer.Option(help="train, val or a test set's name")],
    experiment: ExperimentName = None,
    contract: Contract = None,
    log: Log = None,
) -> None:
    """Decode and resize a part of a data set, once.

    Example: dense-calibration store --part train
    """
    _make(job_names.store(part), experiment, contract, log)


def train(
    method: Method,
    seed: Seed = 0,
    experiment: ExperimentName = None,
    contract: Contract = None,
    log: Log = None,
    into: Annotated[Path | None, typer.Option(help="Be one rank of a training that writes here", hidden=True)] = None,
) -> None:
    """Train one run, or go on where it was stopped; fit a post-hoc method.

    Example: dense-calibration train --method aslp_cl --seed 0
    """
    graph = experiment_graph(experiment, log)
    job = graph.job(job_names.training(method, seed))
    if not (job.current or graph.posthoc(method)):
        from pipeline_src.training.models import pretrained

        memory.keep_freed()
        pretrained.leave_out_noise()
        pretrained.check(graph.settings.model)
    if into:
        check_planned([job], contract)
        distributed.run_rank(lambda: train_into(job, into), into)
    else:
        with gpus.reserved(graph.settings.training, graph.settings.training.gpus):
            execute(job, contract, graph.command)


def evaluate(
    method: Method,
    part: Annotated[str | None, typer.Option(help="val or a test set's name [default: all of them]")] = None,
    seed: Seed = 0,
    experiment: ExperimentName = None,
    contract: Contract = None,
    log: Log = None,
) -> None:
    """Run a trained model over the test sets, or one of them, and count.

    Example: dense-calibration evaluate --method aslp_cl --seed 0
    """
    graph = experiment_graph(experiment, log)
    names = [part] if part else graph.facts.parts
    jobs = [graph.job(job_names.evaluation(method, seed, name)) for name in names]
    check_planned(jobs, contract)
    memory.keep_freed()
    with gpus.reserved(graph.settings.training, min(1, graph.settings.training.gpus)):
        for job in jobs:
            execute(job, maker=graph.command)


def analyse(
    part: Annotated[str, typer.Option(help="val or a test set's name")],
    experiment: ExperimentName = None,
    contract: Contract = None,
    log: Log = None,
) -> None:
    """Compute metrics and intervals of all runs on a test set.

    Example: dense-calibration analyse --part scenes
    """
    _make(job_names.analysis(part), experiment, contract, log)


def tables(experiment: ExperimentName = None, contract: Contract = None, log: Log = None) -> None:
    """Write the tables.

    Example: dense-calibration tables --experiment mini
    """
    _make("tables", experiment, contract, log)


def figures(
    experiment: ExperimentName = None,
    contract: Contract = None,
    log: Log = None,
    processes: Annotated[int, typer.Option(min=1, max=1024, help="Processes that draw")] = 1,
) -> None:
    """Draw the figures.

    Example: dense-calibration figures --experiment mini --processes 2
    """
    graph = experiment_graph(experiment, log)
    execute(replace(graph.job("figures"), options={"processes": processes}), contract, graph.command)


def claims(experiment: ExperimentName = None, contract: Contract = None, log: Log = None) -> None:
    """Judge the paper's claims.

    Example: dense-calibration claims --experiment mini
    """
    _make("claims", experiment, contract, log)


def report(
    experiment: ExperimentName = None,
    contract: Contract = None,
    log: Log = None,
    show: Annotated[
        bool,
        typer.Option(
            "--open", metavar="", help="Open the page in the browser; the one that is there, if it cannot be made"
        ),
    ] = False,
) -> None:
    """Write the report page, results/EXPERIMENT/report.html, and say where it is.

    Example: dense-calibration report --open
    """
    graph = experiment_graph(experiment, log)
    page = graph.job("report").paths[0]
    try:
        execute(graph.job("report"), contract, graph.command)
    except UserError as error:
        if not (show and page.is_file()):
            raise
        if not graph.job("report").current:
            logger.warning("%s is shown as it was made before. It is not current:\n%s", page, error)
    if show or not contract:  # of a workflow, `finish` says it
        typer.echo(f"Report: {page.absolute().as_uri()}")
    if show and not webbrowser.open(page.absolute().as_uri()):
        logger.warning("No browser was found here to open it in.")


def overview(contract: Contract = None, log: Log = None) -> None:
    """Write the tables and the claim that span experiments, from what lies in results/.

    Example: dense-calibration overview
    """
    from pipeline_src.steps.overview import job, remarks

    start_log(log)
    params = read()
    for text in remarks(params):
        logger.warning("%s", text)
    execute(job(params), contract)


def _make(name: str, experiment: str | None, contract: str | None, log: Path | None) -> None:
    """Make the result of a job."""
    graph = experiment_graph(experiment, log)
    execute(graph.job(name), contract, graph.command)
