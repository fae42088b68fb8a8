"""Commands about contracts: `contracts`, `verify`, `redo`, `adopt`, `clean`, and what Snakemake calls at the end."""

from __future__ import annotations

import logging
import os
import shlex
import subprocess
import sys
from typing import Annotated

import typer

from pipeline_src.cli.options import ExperimentName, experiment_graph, plain_console, start_log
from pipeline_src.engine import dvc
from pipeline_src.engine.adopt import adopt as adopt_results
from pipeline_src.engine.cache import Leftover, size
from pipeline_src.engine.execute import forget
from pipeline_src.engine.explain import ingredients, latest_stamp, made_with
from pipeline_src.params import changes
from pipeline_src.params.load import read
from pipeline_src.steps.build import stages
from pipeline_src.verified import now

logger = logging.getLogger(__name__)


def contracts(
    experiment: ExperimentName = None,
    explain: Annotated[str | None, typer.Option(metavar="JOB", help="Show what a job's contract is made of")] = None,
) -> None:
    """Write the contracts that DVC's stages depend on, or explain one.

    Example: dense-calibration contracts --explain train/baseline/seed0
    """
    graph = experiment_graph(experiment)
    if explain is None:
        dvc.write_contracts(stages(graph), graph.results / "contracts")
        dvc.show_damage(stages(graph))
        return
    job, there = graph.job(explain), latest_stamp(graph.job(explain))
    typer.echo(f"{job.name}: contract {job.contract}, made of")
    for each in ingredients(job):
        before = f"  (was {each.before or 'absent'})" if there and each.differs else ""
        typer.echo(f"{'*' if before else ' '} {each.name}: {each.now or 'absent'}{before}")
    typer.echo(f"The result that lies there (* differs): {there[0]}" if there else "No result lies there.")


def verify(
    jobs: Annotated[
        list[str] | None, typer.Argument(help="Names of jobs, or patterns as in 'train/*' [default: all]")
    ] = None,
    experiment: ExperimentName = None,
    versions: Annotated[
        bool, typer.Option("--versions", metavar="", help="List the libraries of results instead")
    ] = False,
) -> None:
    """Read every file again, from raw data to the last table, and say what is stale, missing or altered.

    Example: dense-calibration verify 'train/*' --experiment mini
    """
    from pipeline_src.inspection import verify as step
    from pipeline_src.steps import overview

    graph = experiment_graph(experiment)
    chosen = graph.matching(jobs or ["*"])
    if versions:
        for version, names in made_with(chosen).items():
            typer.echo(f"{version}: {', '.join(names)}")
        return
    verification = step.verify(chosen)
    if not jobs and step.verify_files(overview.job(read()), verification):  # any experiment makes it stale
        verification.advice.append("snakemake --cores all overview makes the overview again")
    for name, fault in verification.faults:
        compared = "" if fault.missing else f": sha256 {fault.actual}, it was {fault.expected}"
        typer.echo(f"{'missing' if fault.missing else 'altered'}: {fault.file} ({name}){compared}")
    for name, why in verification.stale.items():
        typer.echo(f"stale: {name}: {why}")
    for name, why in verification.absent.items():
        typer.echo(f"can't be checked here: {name}: {why}")
    total = f"{graph.name}: {verification.files:,} files of {len(chosen)} jobs read"
    if verification.is_sound:
        typer.echo(f"{total}, all are as they were made; verified on {now()}")
        if dvc.IN_STAGE in os.environ:
            dvc.discard_damaged(graph.name)  # before DVC stores what was verified
        return
    for do in (*verification.advice, f"{graph.command} makes results again"):
        typer.echo(f"  do:       {do}")
    typer.echo(f"{total}: {len(verification.faults)} missing or altered, {len(verification.stale)} results stale")
    raise typer.Exit(1)


def redo(
    jobs: Annotated[list[str], typer.Argument(help="Names of jobs, or patterns as in 'train/*'")],
    experiment: ExperimentName = None,
    cores: Annotated[str, typer.Option(help="Cores for Snakemake")] = "all",
) -> None:
    """Make results again though they are current, with all that depends on them; what differs then is named.

    Example: dense-calibration redo train/aslp_cl/seed0
    """
    from pipeline_src.inspection import precheck

    graph = experiment_graph(experiment)
    named = [job.name for job in graph.matching(jobs)]
    again = [graph.job(name) for name in named] + graph.dependants(named)
    precheck.check_again(graph, again)
    for job in again:
        typer.echo(f"to be made again: {job.name}")
        forget(job)
    command = [sys.executable, "-m", *shlex.split(graph.command), "--cores", cores, "--", *map(graph.flag, again)]
    raise typer.Exit(subprocess.run(command, check=False).returncode)


def adopt(
    jobs: Annotated[list[str], typer.Argument(help="Names of jobs, or patterns as in 'train/*'")],
    why: Annotated[str, typer.Option(help="Why the results are still right; kept in their stamps")],
    experiment: ExperimentName = None,
) -> None:
    """Vouch for results after a change that does not concern them: they are stamped anew instead of made again.

    Example: dense-calibration adopt 'train/*' --why 'a message was reworded'
    """
    graph = experiment_graph(experiment)
    names = [job.name for job in graph.matching(jobs)]
    adopted, left = adopt_results(graph, names, why, remade=("report",))  # which shows what was adopted
    for name in adopted:
        typer.echo(f"adopted: {name}")
    for name, differences in left.items():
        typer.echo(f"left to be made again: {name}: {'; '.join(differences)}")
    if not adopted:
        typer.echo("Nothing was to be adopted: these results are current.")


def clean(remove: Annotated[bool, typer.Option("--remove", metavar="", help="Remove what is listed")] = False) -> None:
    """List what no experiment of params.yaml wants any more, with sizes.

    Example: dense-calibration clean --remove
    """
    from pipeline_src.inspection.clean import leftovers

    start_log()
    (results, entries), console = leftovers(read()), plain_console()
    for title, group in (("In folders of results", results), ("In the cache", entries)):
        console.print(f"{title}: {len(group)} that nothing in params.yaml asks for")
        for leftover in group:
            console.print(f"  {_megabytes([leftover]):>12}  {leftover.paths[0]}  {leftover.what}")
    everything = [*results, *entries]
    console.print(
        f"Together {_megabytes(everything)}; a file that is linked to another place is counted with the last."
    )
    if remove:
        for leftover in everything:
            leftover.remove()
        console.print("Removed.")
    elif everything:
        console.print("Remove it: dense-calibration clean --remove")


def _megabytes(leftovers: list[Leftover]) -> str:
    return f"{size(leftovers) / 2**20:,.1f} MiB"


def finish(experiment: ExperimentName = None) -> None:
    """After a run: let DVC record it, print the main numbers and where the report is."""
    from pipeline_src.cli.summary import show

    graph = experiment_graph(experiment)
    if changes.options():
        logger.info(
            "DVC has not recorded this run: it follows params.yaml as it is, without %s.", " ".join(changes.options())
        )
    else:
        dvc.record(stages(graph), graph.results / "contracts", graph.name, read().experiment)
    show(graph)
