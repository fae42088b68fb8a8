"""Tables of an experiment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_src.engine.job import Job
from pipeline_src.steps import job_names
from pipeline_src.steps.job_results import analyses, costs, results
from pipeline_src.tables import table_files

if TYPE_CHECKING:
    from pipeline_src.steps.experiment import ExperimentGraph

MEASURED = ("T9.csv", "T9.md", "T9.tex", "printed.json")  # hold what runs took, here and this time


def jobs(experiment: ExperimentGraph) -> Iterator[Job]:
    """The one job."""
    runs = [job_names.training(*run) for run in experiment.facts.runs]
    yield Job(
        kind="tables",
        name="tables",
        folder=experiment.results / "tables",
        stem="tables",
        files=tuple(table_files()),
        work=work,
        parameters={"facts": experiment.facts},
        inputs=analyses(experiment) | {name: experiment.job(name) for name in runs},
        stamps_in=experiment.stamps,
        varying=MEASURED,
    )


def work(job: Job, folder: Path) -> None:
    """Write the tables."""
    from pipeline_src.tables.write import write_tables

    write_tables(replace(results(job), costs=costs(job)), folder)
