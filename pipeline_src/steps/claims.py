"""The paper's claims, judged on an experiment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_src.claims import CLAIM_FILES
from pipeline_src.engine.job import Job
from pipeline_src.steps import job_names
from pipeline_src.steps.job_results import analyses, results

if TYPE_CHECKING:
    from pipeline_src.steps.experiment import ExperimentGraph


def jobs(experiment: ExperimentGraph) -> Iterator[Job]:
    """The one job."""
    facts = experiment.facts
    learned = [job_names.training(*run) for run in facts.runs if run[0] in facts.learned]
    yield Job(
        kind="claims",
        name="claims",
        folder=experiment.results,
        stem="claims",
        files=tuple(CLAIM_FILES),
        work=work,
        parameters={"facts": facts},
        inputs=analyses(experiment) | {name: experiment.job(name) for name in learned},
        stamps_in=experiment.stamps,
    )


def work(job: Job, folder: Path) -> None:
    """Judge the claims."""
    from pipeline_src.claims.write import write_claims

    runs = {run: job_names.training(*run) for run in job.parameters["facts"].runs}
    alphas = {run: job.inputs[name].folder / "alpha.csv" for run, name in runs.items() if name in job.inputs}
    write_claims(results(job), alphas, folder)
