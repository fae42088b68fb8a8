"""The command `run-job`, which the rules of Snakemake call: it makes one result."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from pipeline_src import processes
from pipeline_src.cli.options import ExperimentName, Log, experiment_graph, start_log


def run_job(
    key: Annotated[str, typer.Argument(help="KIND-FINGERPRINT, as in train-3f2a91c05d6e7f80, or a job's name")],
    experiment: ExperimentName = None,
    log: Log = None,
    count: Annotated[int, typer.Option("--processes", min=1, max=1024, help="Processes that draw")] = 1,
    into: Annotated[Path | None, typer.Option(help="Be one rank of a training that writes here")] = None,
) -> None:
    """Make the result of one job; Snakemake calls it.

    Example: dense-calibration run-job train/baseline/seed0
    """
    from pipeline_src.pipeline.runner import run_job as run

    processes.end_with_owner()
    if key == "overview":
        from pipeline_src.params.load import read
        from pipeline_src.pipeline.overview import job as overview

        start_log(log)
        run(overview(read()), "snakemake --cores all overview")
        return
    graph = experiment_graph(experiment, log)
    job = graph.find(key) if re.fullmatch(r"\w+-[0-9a-f]{16}", key) else graph.job(key)
    if into:
        from pipeline_src.pipeline.work import train_into
        from pipeline_src.training import machine

        machine.keep_freed_memory()
        machine.run_rank(lambda: train_into(job, into), into)
    elif job.is_made or job.kind not in ("train", "evaluate", "evaluations"):
        run(replace(job, options={**job.options, "processes": count}), graph.command)
    else:
        from pipeline_src.training import machine

        machine.keep_freed_memory()
        training = graph.settings.training
        with machine.reserved_gpus(training, training.gpus if job.kind == "train" else min(1, training.gpus)):
            run(job, graph.command)
