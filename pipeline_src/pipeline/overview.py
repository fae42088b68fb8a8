"""Tables and a claim that span experiments: other tasks, other networks, and other models, from `results/`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline_src.analysis.facts import ExperimentSummary
from pipeline_src.claims import CLAIM_FILES
from pipeline_src.data import catalog
from pipeline_src.errors import UserError
from pipeline_src.params.load import resolve
from pipeline_src.params.schema import Params
from pipeline_src.pipeline.job import Job
from pipeline_src.pipeline.manifest import Manifest
from pipeline_src.tables.several_experiments import OVERVIEW_TABLES, judged_files
from pipeline_src.tables.several_experiments import READ as TABLES_READ

READ = (*(f"tables/{name}.csv" for name in TABLES_READ), "claims.json")  # of each experiment


def job(params: Params) -> Job:
    """Return the job. Results of other experiments count by their content."""
    experiments, judged = list(_experiments(params)), Path(params.judged)
    files = {f"{e.name}/{name}": e.folder / name for e in experiments if not e.unread for name in READ}
    files |= {file.relative_to(judged).as_posix(): file for file in judged_files(judged)}
    return Job(
        kind="overview",
        name="overview",
        files=(*OVERVIEW_TABLES, *CLAIM_FILES),
        work=write,
        parameters={"experiments": experiments, "tasks": catalog.tasks()},
        options={"judged": judged},
        other_files={role: file for role, file in files.items() if file.is_file()},
        view=Path("results/overview"),
    )


def write(job: Job, folder: Path) -> None:
    """Write the tables T5, T7 and T8, and claim C8."""
    from pipeline_src.claims.write import write_overview_claims
    from pipeline_src.tables.several_experiments import write_overview_tables

    experiments, tasks = job.parameters["experiments"], job.parameters["tasks"]
    write_overview_tables(experiments, job.options["judged"], tasks, folder)
    write_overview_claims(experiments, tasks, folder)


def _damage(folder: Path) -> str:
    """Return why the tables and claims of an experiment are not read: a manifest is missing or a file is damaged; empty
    if they are intact or do not exist."""
    for file in (folder / name for name in READ):
        if not file.is_file():
            continue
        result = file.resolve().parent
        if (manifest := Manifest.read(result)) is None:
            return f"no manifest vouches for {file}"
        if faults := manifest.faults(result):
            return str(faults[0])
    return ""


def _experiments(params: Params) -> Iterator[ExperimentSummary]:
    entries = catalog.load(params.datasets)
    for name in params.experiments:
        try:
            _, settings = resolve(params, name)
            task = catalog.find(entries, settings.data.train.set).task
            tests = settings.data.id | settings.data.shifted
            captions = {part: catalog.find(entries, chosen.set).caption for part, chosen in tests.items()}
        except UserError:  # a run of that experiment reports the fault
            continue
        captions = {part: caption for part, caption in captions.items() if caption}
        network, data = settings.model.network, settings.data.model_dump(mode="json")
        folder = Path("results") / name
        yield ExperimentSummary(name, task, network, data, folder, captions, _damage(folder))
