"""What spans experiments: other tasks, other networks, other people's models, from what lies in results/."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline_src.analysis.facts import ExperimentSummary
from pipeline_src.claims import CLAIM_FILES
from pipeline_src.data import catalog
from pipeline_src.engine.explain import differences
from pipeline_src.engine.job import Job, is_stamp
from pipeline_src.engine.stamp import Stamp
from pipeline_src.errors import UserError, few
from pipeline_src.params.load import resolve
from pipeline_src.params.schema import Params
from pipeline_src.tables.several_experiments import OVERVIEW_TABLES, judged_files
from pipeline_src.tables.several_experiments import READ as TABLES_READ
from pipeline_src.verified import READINGS

READ = (*(f"tables/{name}.csv" for name in TABLES_READ), "claims.json")  # of each experiment


def job(params: Params) -> Job:
    """The one job. Results of other experiments count by their content, as they lie there."""
    experiments, judged = list(_experiments(params)), Path(params.judged)
    files = {f"{e.name}/{name}": e.folder / name for e in experiments if not e.unread for name in READ}
    files |= {file.relative_to(judged).as_posix(): file for file in judged_files(judged)}
    return Job(
        kind="overview",
        name="overview",
        folder=Path("results/overview"),
        stem="overview",
        files=(*OVERVIEW_TABLES, *CLAIM_FILES),
        work=work,
        parameters={"experiments": experiments, "tasks": catalog.tasks()},
        options={"judged": judged},
        other_files={role: file for role, file in files.items() if file.is_file()},
    )


def work(job: Job, folder: Path) -> None:
    """Write the tables T5, T7 and T8, and claim C8."""
    from pipeline_src.claims.other_tasks import write_overview_claims
    from pipeline_src.tables.several_experiments import write_overview_tables

    experiments, tasks = job.parameters["experiments"], job.parameters["tasks"]
    write_overview_tables(experiments, job.options["judged"], tasks, folder)
    write_overview_claims(experiments, tasks, folder)


def remarks(params: Params) -> Iterator[str]:
    """Experiments that are not read, and those that are read as they were made though that is not what today's
    parameters, data and code make."""
    from pipeline_src.steps.build import build  # which takes a tenth of a second per experiment

    for of in _experiments(params):
        if of.unread:
            yield f"{of.name} is not read: {of.unread}"
        elif any((of.folder / name).is_file() for name in READ):
            try:
                graph = build(params, of.name)
                jobs = [job for job in (graph.job("tables"), graph.job("claims")) if not job.current]
                reasons = [f"{job.name}: {few(differences(job), 1)}" for job in jobs]
            except UserError as error:
                reasons = [str(error).partition("\n")[0]]
            if reasons:
                yield f"{of.name} is read as it was made, and is not current: {'; '.join(reasons)}"


def _altered(folder: Path) -> str:
    """Why the tables and claims in an experiment's folder are not read: they are not as a stamp says; empty if they
    are, or if there are none. The jobs that wrote them are not asked, since Snakemake wants to know whenever it
    starts."""
    stamps = folder / "stamps"
    for name, place, read in (("tables", folder / "tables", READ[:-1]), ("claims", folder, READ[-1:])):
        if not any((folder / file).is_file() for file in read):
            continue
        there = [stamp for path in stamps.glob(f"{name}.*") if is_stamp(path) and (stamp := Stamp.read(path))]
        faults = [stamp.faults(place, READINGS / stamps / f"{name}.json") for stamp in there]
        if not there:
            return f"no stamp vouches for its {name}"
        if all(faults):
            return f"{few(faults[0], 2)} since its {name} were made"
    return ""


def _experiments(params: Params) -> Iterator[ExperimentSummary]:
    entries = catalog.load(params.datasets)
    for name in params.experiments:
        try:
            _, settings = resolve(params, name)
            task = catalog.find(entries, settings.data.train.set).task
            tests = settings.data.id | settings.data.shifted
            captions = {part: catalog.find(entries, chosen.set).caption for part, chosen in tests.items()}
        except UserError:  # whoever runs that experiment will read what is wrong with it
            continue
        captions = {part: caption for part, caption in captions.items() if caption}
        network, data = settings.model.network, settings.data.model_dump(mode="json")
        folder = Path("results") / name
        yield ExperimentSummary(name, task, network, data, folder, captions, _altered(folder))
