"""The command `plan`: what a run would do."""

from __future__ import annotations

import shutil
from collections import Counter
from typing import Annotated

import typer
from rich.table import Table

from pipeline_src.cli.options import ExperimentName, experiment_graph, plain_console


def plan(
    experiment: ExperimentName = None,
    cores: Annotated[int | None, typer.Option(min=1, help="Cores to plan with [default: all]")] = None,
) -> None:
    """List what would run and why, how long it takes on this machine, and how much disk it needs.

    Example: dense-calibration plan --experiment mini
    """
    from pipeline_src.pipeline import plan as planned

    graph, console = experiment_graph(experiment), plain_console()
    run = planned.plan(graph, cores)
    table = Table(title=f"{graph.name}: {len(run.missing)} of {len(run.jobs)} jobs to run")
    for heading in ("jobs", "to run", "why (the first)"):
        table.add_column(heading)
    missing, jobs = (Counter(job.kind for job in group) for group in (run.missing, run.jobs))
    for kind in jobs:
        table.add_row(kind, f"{missing[kind]} of {jobs[kind]}", run.why(kind))
    console.print(table, soft_wrap=False)
    if run.unknown:
        console.print(
            f"Counts of {', '.join(run.unknown)} are not known before they are prepared; they count as 1,000."
        )
    if run.missing:
        console.print(f"Time: {_duration(run.seconds)}")
        free = shutil.disk_usage(".").free
        lack = f"; only {free / 2**20:,.0f} MiB are free here" if free < run.bytes else ""
        console.print(f"Disk: about {run.bytes / 2**20:,.0f} MiB of preprocessed images{lack}.")
    for job in graph.of_kinds("prepare"):
        if text := job.options["unchecked"]:
            console.print(text)
    for line in run.warnings:
        console.print(line)
    for part, text in planned.notes(graph).items():
        console.print(f"{part}: {text}")
    (page,) = graph.job("report").links
    console.print(
        f"Run it: {graph.command}" if run.missing else f"All is current, nothing is to run. The report: {page}"
    )


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "not known: no training of this network at this image size has finished here."
    minutes = round(seconds / 60)
    text = f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{max(1, minutes)} min"
    return f"about {text}, by the finished runs here."
