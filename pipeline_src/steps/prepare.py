"""Data sets unpacked, paired, verified and listed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_src.data import catalog, groups, sources
from pipeline_src.data.identity import identify
from pipeline_src.engine.contract import file_digest
from pipeline_src.engine.job import Job
from pipeline_src.errors import UserError
from pipeline_src.files import write_text
from pipeline_src.steps import job_names

if TYPE_CHECKING:
    from pipeline_src.steps.experiment import ExperimentGraph

UNPACKED = Path("data/unpacked")  # archives, once for all experiments
FILES = ("manifest.csv", "problems.csv", "summary.json")
FAILED = "problems.failed.csv"  # next to the last good result


def jobs(experiment: ExperimentGraph) -> Iterator[Job]:
    """A job per data set; UserError names all that are not here."""
    absent = []
    for name in dict.fromkeys(part.set for part, _ in experiment.used_parts.values()):
        entry, folder = catalog.find(experiment.entries, name), experiment.data / "manifests" / name
        grouped = groups.find(entry.groups, experiment.data_root) if entry.draws_groups else None
        try:
            identity = identify(entry, experiment.data_root, UNPACKED, folder)
        except sources.MissingSourceError as error:
            absent.append(str(error))
            continue
        yield Job(
            kind="prepare",
            name=job_names.preparation(name),
            folder=folder,
            stem="prepare",
            files=FILES,
            work=work,
            parameters={
                "data": identity.parameters,
                "on_problem": (on_problem := experiment.settings.data.on_problem),
                # What is too large is left out then, and an error else.
                **({"pixels": experiment.limits.pixels} if on_problem == "skip" else {}),
                "classes": entry.classes,
                "void": entry.void if entry.classes else None,
                "skip_unmasked": entry.skip_unmasked,
                **({"groups": file_digest(grouped) if grouped else entry.groups} if entry.draws_groups else {}),
            },
            options={
                "entry": entry,
                "data_root": experiment.data_root,
                "limits": experiment.limits,
                "unchecked": identity.unchecked,
            },
            modules=(sources.GENERATOR,) if entry.generated else (),
        )
    if absent:
        raise UserError("\n".join(absent))


def work(job: Job, folder: Path) -> None:
    """Prepare a set; where that fails, the list of problems outlives it."""
    from pipeline_src.data.prepare import prepare

    failed = job.folder / FAILED
    try:
        places = (job.options["data_root"], UNPACKED, folder)
        prepare(job.options["entry"], *places, job.parameters["on_problem"], job.options["limits"])
    except UserError as error:
        problems = folder / "problems.csv"
        if not problems.is_file():
            raise
        write_text(failed, problems.read_text(encoding="utf-8"))
        raise UserError(f"{error}\n  all problems: {failed}") from None
    failed.unlink(missing_ok=True)
