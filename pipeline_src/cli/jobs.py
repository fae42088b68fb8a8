"""The commands on the jobs of an experiment: `plan`, `run-job`, `verify`, `keep` and `clean`."""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated

import typer
from rich.table import Table

from pipeline_src import processes
from pipeline_src.cli.options import (
    ExperimentName,
    Log,
    experiment_graph,
    flag,
    plain_console,
    start_log,
)
from pipeline_src.params.load import read


def plan(experiment: ExperimentName = None) -> None:
    """List the jobs that would run, with the reasons, and warn of faults known before the run.

    Example: dense-calibration plan --experiment mini
    """
    from pipeline_src.pipeline import plan as planned

    graph = experiment_graph(experiment)
    console = plain_console()
    # The number of images of each dataset, where it is known before the run.
    sizes = planned.check_splits(graph)
    missing = planned.missing_jobs(graph)
    kinds = Counter(job.kind for job in graph.jobs.values())  # kind -> number of jobs
    title = f"{graph.name}: {len(missing)} of {len(graph.jobs)} jobs to run"
    table = Table("jobs", "to run", "why (the first)", title=title)
    for kind, number in kinds.items():
        absent = [job for job in missing if job.kind == kind]
        why = ""
        if absent:
            why = f"{absent[0].name}: {'; '.join(planned.differences(absent[0]))}"
        table.add_row(kind, f"{len(absent)} of {number}", why)
    console.print(table, soft_wrap=False)
    for line in [*planned.requirements(graph, sizes), *planned.warnings(graph)]:
        console.print(line)
    if missing:
        console.print(f"Run it: {graph.command}")
    else:
        (page,) = graph.job("report").links
        console.print(f"All is current. The report: {page}")


def run_job(
    key: Annotated[
        str, typer.Argument(help="KIND/FINGERPRINT, as in train/3f2a91c05d6e7f80, or a job's name")
    ],
    experiment: ExperimentName = None,
    log: Log = None,
) -> None:
    """Compute the result of one job; Snakemake calls it.

    Example: dense-calibration run-job train/baseline/seed0
    """
    from pipeline_src.pipeline.graph import chosen
    from pipeline_src.pipeline.runner import run_job as run
    from pipeline_src.pipeline.steps.overview import overview_job

    processes.end_with_owner()
    start_log(log)
    if key == "overview":  # the one job of all experiments together
        run(overview_job(read()), "snakemake --cores all overview")
        return
    graph = chosen(experiment)
    job = graph.find(key) if re.fullmatch(r"\w+/[0-9a-f]{16}", key) else graph.job(key)
    # Jobs of these kinds compute with networks, and reserve a GPU.
    if job.kind not in ("train", "fit", "evaluate", "gallery"):
        run(job, graph.command)
        return
    from pipeline_src.training import machine

    with machine.reserved_gpu(graph.settings.training):
        run(job, graph.command)


def verify(
    jobs: Annotated[
        list[str] | None,
        typer.Argument(help="Names of jobs, or patterns as in 'train/*' (default: all)"),
    ] = None,
    experiment: ExperimentName = None,
) -> None:
    """Read all results, and list files that are missing, damaged or made from other inputs.

    Example: dense-calibration verify 'train/*' --experiment mini
    """
    from pipeline_src.pipeline.job import other_versions
    from pipeline_src.pipeline.upkeep import verify as step

    graph = experiment_graph(experiment)
    chosen = graph.matching(jobs or ["*"])
    number, problems = step(chosen, graph.command)
    for line in other_versions(chosen) + problems:
        typer.echo(line)
    result = "there are problems" if problems else "all are as they were made"
    typer.echo(f"{graph.name}: {number:,} files of {len(chosen)} jobs read, {result}")
    if problems:
        raise typer.Exit(1)


def keep(
    jobs: Annotated[list[str], typer.Argument(help="Names of jobs, or patterns as in 'train/*'")],
    why: Annotated[
        str, typer.Option(help="Why the results are still right; their manifests record it")
    ],
    experiment: ExperimentName = None,
) -> None:
    """Reuse results of an earlier fingerprint after a change of code that does not affect them.

    Example: dense-calibration keep 'train/*' 'evaluate/*' --why 'a function was renamed'
    """
    from pipeline_src.pipeline.upkeep import keep as step

    names = step(experiment_graph(experiment).matching(jobs), why)
    for name in names:
        typer.echo(f"kept: {name}")
    if not names:
        typer.echo("Nothing to keep: these results are current.")


def clean(
    yes: Annotated[bool, flag("--yes", "-y", help="Remove without asking")] = False,
    dry_run: Annotated[bool, flag("--dry-run", "-n", help="Only list")] = False,
) -> None:
    """List the results that no experiment of params.yaml needs, ask, and remove them.

    Example: dense-calibration clean
    """
    from pipeline_src.pipeline.upkeep import leftovers, remove, size

    start_log()
    console = plain_console()
    found = leftovers(read())
    for path, description in found.items():
        console.print(f"{size(path) / 2**20:>10,.1f} MiB  {path}  {description}")
    if not found:
        console.print("Nothing to remove: params.yaml needs all results.")
        return
    console.print(f"Together {sum(map(size, found)) / 2**20:,.1f} MiB in {len(found)} folders")
    if not dry_run and (yes or typer.confirm("Remove them?")):
        remove(found)
        console.print("Removed.")
