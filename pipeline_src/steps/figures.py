"""Figures of an experiment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_src.engine.job import Job
from pipeline_src.figures.catalogue import figure_files
from pipeline_src.python_source import ROOT
from pipeline_src.steps import job_names
from pipeline_src.steps.job_results import analyses, results

if TYPE_CHECKING:
    from pipeline_src.analysis.facts import Facts
    from pipeline_src.steps.experiment import ExperimentGraph


def jobs(experiment: ExperimentGraph) -> Iterator[Job]:
    """The one job."""
    runs = [experiment.job(job_names.training(*run)) for run in experiment.facts.runs]
    examples = [experiment.job(name) for name in shown(experiment.facts).values()]
    styles = sorted((ROOT / "figures").glob("*.mplstyle"))
    yield Job(
        kind="figures",
        name="figures",
        folder=experiment.results / "figures",
        stem="figures",
        files=tuple(figure_files(experiment.facts)),
        work=work,
        parameters={"facts": experiment.facts},
        inputs=analyses(experiment) | {job.name: job for job in (*runs, *examples, *experiment.of_kinds("store"))},
        other_files={f"style/{number}": file for number, file in enumerate(styles)},
        stamps_in=experiment.stamps,
    )


def shown(facts: Facts) -> dict[tuple[str, str], str]:
    """(method, part) -> the evaluation whose example maps are drawn: of the first seed."""
    return {
        (method, part): job_names.evaluation(method, facts.seeds[0], part)
        for method in facts.methods
        for part in facts.tests
    }


def work(job: Job, folder: Path) -> None:
    """Draw the figures."""
    from concurrent.futures import ProcessPoolExecutor  # a start of Snakemake that has nothing to do goes without
    from multiprocessing import get_context

    from pipeline_src.figures.types import Sources
    from pipeline_src.figures.write import draw

    facts = job.parameters["facts"]
    runs = {run: job.inputs[job_names.training(*run)].folder for run in facts.runs}
    sources = Sources(
        alphas={run: folder / "alpha.csv" for run, folder in runs.items() if run[0] in facts.learned},
        histories={run: folder / "history.csv" for run, folder in runs.items() if run[0] in facts.trained},
        examples={key: job.inputs[name].paths[1] for key, name in shown(facts).items()},
        stores={name.removeprefix("store/"): of.folder for name, of in job.inputs.items() if of.kind == "store"},
    )
    processes = job.options.get("processes", 1)
    with ProcessPoolExecutor(processes, get_context("spawn")) if processes > 1 else nullcontext() as pool:
        draw(results(job), sources, folder, pool)
