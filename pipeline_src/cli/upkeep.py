"""The commands on stored results: `verify`, `keep` and `clean`."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline_src.cli.options import ExperimentName, experiment_graph, plain_console, start_log
from pipeline_src.params.load import read

Patterns = Annotated[list[str] | None, typer.Argument(help="Names of jobs, or patterns as in 'train/*' [default: all]")]


def verify(jobs: Patterns = None, experiment: ExperimentName = None) -> None:
    """Read every file of the results, and list those that are missing, damaged or made from other inputs.

    Example: dense-calibration verify 'train/*' --experiment mini
    """
    from pipeline_src.pipeline.upkeep import verify as step

    graph = experiment_graph(experiment)
    chosen = graph.matching(jobs or ["*"])
    number, problems = step(chosen, graph.command)
    result = "there are problems" if problems else "all are as they were made"
    typer.echo("\n".join([*problems, f"{graph.name}: {number:,} files of {len(chosen)} jobs read, {result}"]))
    if problems:
        raise typer.Exit(1)


def keep(
    jobs: Annotated[list[str], typer.Argument(help="Names of jobs, or patterns as in 'train/*'")],
    why: Annotated[str, typer.Option(help="Why the results are still right; their manifests record it")],
    experiment: ExperimentName = None,
) -> None:
    """Reuse results of an earlier fingerprint after a change of code that does not affect them.

    Example: dense-calibration keep 'train/*' 'evaluate/*' --why 'a function was renamed'
    """
    from pipeline_src.pipeline.upkeep import keep as step

    graph = experiment_graph(experiment)
    names = step(graph.matching(jobs), why)
    for name in names:
        typer.echo(f"kept: {name}")
    if not names:
        typer.echo("Nothing to keep: these results are current.")


def clean(
    yes: Annotated[bool, typer.Option("--yes", "-y", metavar="", help="Remove without asking")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", metavar="", help="Only list")] = False,
) -> None:
    """List the results that no experiment of params.yaml needs, ask, and remove them.

    Example: dense-calibration clean
    """
    from pipeline_src.pipeline.upkeep import leftovers, remove, size

    start_log()
    console, found = plain_console(), leftovers(read())
    for path, description in found.items():
        console.print(f"{size(path) / 2**20:>10,.1f} MiB  {path}  {description}")
    if not found:
        console.print("Nothing to remove: params.yaml needs all results.")
        return
    console.print(f"Together {sum(map(size, found)) / 2**20:,.1f} MiB in {len(found)} folders")
    if not dry_run and (yes or typer.confirm("Remove them?")):
        remove(found)
        console.print("Removed.")
