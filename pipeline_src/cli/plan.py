"""The command `plan`: what is to be done."""

from __future__ import annotations

import shutil
from collections import Counter
from typing import Annotated

import typer
from rich.table import Table

from pipeline_src.cli.options import ExperimentName, experiment_graph, plain_console
from pipeline_src.engine.adopt import adoptions
from pipeline_src.engine.dvc_cache import absent
from pipeline_src.engine.explain import other_versions
from pipeline_src.errors import few

NAMES = 5  # of jobs or files in a line


def plan(
    experiment: ExperimentName = None,
    cores: Annotated[int | None, typer.Option(min=1, help="Cores to plan with [default: all]")] = None,
) -> None:
    """A dry look: what is to be run and why, how long it takes here, how much disk it needs.

    Example: dense-calibration plan --experiment mini
    """
    from pipeline_src.inspection import plan as planned

    graph, console = experiment_graph(experiment), plain_console()
    whole = planned.plan(graph, cores)
    table = Table(title=f"{graph.name}: {len(whole.made)} of {len(whole.jobs)} jobs to run")
    for heading in ("jobs", "to run", "taken over", "why (the first)"):
        table.add_column(heading)
    made, taken, every = (Counter(job.kind for job in jobs) for jobs in (whole.made, whole.taken, whole.jobs))
    for kind in every:
        table.add_row(kind, f"{made[kind]} of {every[kind]}", str(taken[kind] or ""), whole.why(kind))
    console.print(table, soft_wrap=False)
    if steps := planned.steps(graph, whole):
        console.print(f"Snakemake counts {steps} steps: it evaluates a run on all data sets in one, and ends with one.")
    if whole.unknown:
        console.print(
            f"Counts of {', '.join(whole.unknown)} are not known before they are prepared; they count as 1,000."
        )
    if whole.made:
        console.print(f"Time: about {_duration(whole.seconds)} on {whole.cores} cores{_rates(whole.speeds)}.")
        free = shutil.disk_usage(".").free
        lack = f"; only {free / 2**20:,.0f} MiB are free here" if free < whole.bytes else ""
        console.print(f"Disk: about {whole.bytes / 2**20:,.0f} MiB, unpacked archives not counted{lack}.")
    if text := planned.verified(graph):
        console.print(text)
    for version, names in other_versions(graph.jobs.values()).items():
        console.print(f"made with {version}: {few(names, NAMES)}")
    for name, why in adoptions(graph.jobs.values()).items():
        console.print(f"adopted: {name}: {'; '.join(why)}")
    for text in planned.unchecked(graph):
        console.print(text)
    if whole.made and (gone := absent(graph.name)):
        console.print(f"dvc.lock lists what is not here: {few(gone, NAMES)}.")
        console.print("`dvc pull` brings it. Where the remote lacks files of it, `dvc checkout` then brings the rest.")
    for line in whole.warnings:
        console.print(line)
    for part, text in planned.notes(graph).items():
        console.print(f"{part}: {text}")
    if whole.made or whole.taken:
        last = f"Run it: {graph.command}"
    else:
        last = f"All is current, nothing is to be run. The report: {graph.job('report').paths[0]}"
    console.print(last)


def _rates(speeds: tuple[float, float] | None) -> str:
    """What the estimate rests on, as the end of a sentence."""
    return ", by {:.3g} images a second in training and {:.3g} in inference".format(*speeds) if speeds else ""


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{max(1, minutes)} min"
