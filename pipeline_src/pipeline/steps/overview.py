"""The overview: tables and a claim that span experiments.

It reads the tables and claims that experiments wrote, whichever of them were run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pipeline_src.analysis.facts import ExperimentSummary, run_command
from pipeline_src.claims import other_tasks
from pipeline_src.claims.registry import CLAIM_FILES
from pipeline_src.claims.write import write_files
from pipeline_src.data import catalog
from pipeline_src.errors import UserError
from pipeline_src.params.load import resolve
from pipeline_src.params.schema import Params
from pipeline_src.pipeline.graph import build
from pipeline_src.pipeline.job import Job, linked
from pipeline_src.pipeline.manifest import Manifest
from pipeline_src.tables.several_experiments import (
    OVERVIEW_TABLES,
    READ,
    judged_files,
    write_overview_tables,
)

# The files of each experiment that the overview reads, below results/<experiment>/.
SOURCES = [f"tables/{name}.csv" for name in READ] + ["claims.json"]


def overview_job(params: Params) -> Job:
    """Return the job of the overview.

    Files of experiments count by their content (`other_files`). As inputs of the job, they would
    make Snakemake run the experiments, but the overview shows only what was run.
    """
    experiments = list(_experiments(params))
    judged = Path(params.judged)  # results of `judge`, the evaluation of other models' maps
    files = {file.relative_to(judged).as_posix(): file for file in judged_files(judged)}
    for experiment in experiments:
        for name in SOURCES:
            file = experiment.folder / name
            if file.is_file():
                files[f"{experiment.name}/{name}"] = file
    return Job(
        kind="overview",
        name="overview",
        files=(*OVERVIEW_TABLES, *CLAIM_FILES),
        work=write_overview,
        parameters={"experiments": experiments, "tasks": catalog.tasks()},
        options={"judged": judged},  # no parameter: only the files count, not where they are
        other_files=files,
        view=Path("results/overview"),
    )


def _experiments(params: Params) -> Iterator[ExperimentSummary]:
    """Yield the experiments of params.yaml, run or not, that are valid."""
    entries = catalog.load(params.datasets)
    for name in params.experiments:
        try:
            _, settings = resolve(params, name)
            task = catalog.find(entries, settings.data.train.set).task
            splits = settings.data.id | settings.data.shifted
            captions = {
                split: catalog.find(entries, chosen.set).caption for split, chosen in splits.items()
            }
        except UserError:  # a run of that experiment reports the fault
            continue
        yield ExperimentSummary(
            name=name,
            task=task,
            network=settings.model.config,
            data=settings.data.model_dump(mode="json"),
            folder=_folder(params, name),
            captions=captions,
        )


def _folder(params: Params, name: str) -> Path:
    """Return the folder of an experiment's results, or one that does not exist if its tables or
    claims were made from other parameters, data or code than today's: they are not shown.
    """
    folder = Path("results") / name
    if folder.is_dir():
        with suppress(UserError):  # today's jobs are not known, as without the datasets
            for job in build(params, name).of_kinds("tables", "claims"):
                if job.former and job.former[0] != job.folder:
                    return folder / "outdated"
    return folder


def write_overview(job: Job, folder: Path) -> None:
    """Write the tables T5, T7 and T8 on several experiments, and the verdict on claim C8."""
    experiments = job.parameters["experiments"]
    tasks = job.parameters["tasks"]
    for experiment in experiments:
        _check_intact(experiment)
    write_overview_tables(experiments, job.options["judged"], tasks, folder)
    write_files(other_tasks.judged(experiments, tasks), folder)


def _check_intact(experiment: ExperimentSummary) -> None:
    """Raise a UserError if a table or the claims of an experiment differ from their manifest.

    They are no inputs of the job, so the runner does not check them.
    """
    for name in SOURCES:
        file = experiment.folder / name
        if not file.is_file():
            continue
        result = linked(file).parent
        manifest = Manifest.read(result)
        if manifest is None or manifest.faults(result):
            raise UserError(
                f"{file} is damaged",
                fix=f"rm -r {result} && {run_command(experiment.name)}",
            )
