"""What tables, figures, claims and the report read of the analyses and runs among their inputs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pipeline_src.engine.job import Job
from pipeline_src.engine.stamp import Stamp
from pipeline_src.steps import job_names

if TYPE_CHECKING:
    from pipeline_src.analysis.results import Results
    from pipeline_src.analysis.run_cost import RunCost
    from pipeline_src.steps.experiment import ExperimentGraph


def analyses(experiment: ExperimentGraph) -> dict[str, Job]:
    """The analyses of an experiment, as inputs by name."""
    return {job.name: job for job in experiment.of_kinds("analyse")}


def results(job: Job) -> Results:
    """What the analyses among a job's inputs hold."""
    from pipeline_src.analysis.results import Results

    facts = job.parameters["facts"]
    return Results(facts, {part: job.inputs[job_names.analysis(part)].paths[0] for part in facts.parts})


def costs(job: Job) -> dict[tuple[str, int], RunCost]:
    """What the runs among a job's inputs cost, (method, seed) -> cost. It is of the machines that made them."""
    return {run: _cost(job, *run) for run in job.parameters["facts"].runs}


def _cost(job: Job, method: str, seed: int) -> RunCost:
    from pipeline_src.analysis.run_cost import RunCost

    trained, facts = job.inputs[job_names.training(method, seed)], job.parameters["facts"]
    evaluated = [job.inputs[job_names.analysis(part)].inputs[f"{method}/seed{seed}"] for part in facts.tests]
    return RunCost.read(trained.folder, _made(trained, "memory"), sum(_made(each, "seconds") for each in evaluated))


def _made(job: Job, what: str) -> float:
    """What making a result took; NaN where that is not known."""
    stamp = Stamp.read(job.stamp)
    return stamp.made[what] if stamp else math.nan
