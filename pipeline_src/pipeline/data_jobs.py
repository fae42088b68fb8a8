"""The jobs on data: datasets are prepared, and the images of each part are decoded and resized."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline_src.data import catalog, groups, sources
from pipeline_src.data.entry import Entry
from pipeline_src.data.identity import Identity, identify
from pipeline_src.errors import UserError
from pipeline_src.pipeline import job_names, work
from pipeline_src.pipeline.experiment import ExperimentGraph
from pipeline_src.pipeline.fingerprint import file_digest
from pipeline_src.pipeline.job import Job
from pipeline_src.pipeline.manifest import stored

UNPACKED = Path("data/unpacked")  # archives, once for all experiments
STORE_FILES = ("images.npy", "masks.npy", "truth.npy", "grey.npy", "index.csv", "store.json")


def preparations(experiment: ExperimentGraph) -> Iterator[Job]:
    """Yield a job per dataset; a UserError names all missing datasets."""
    absent = []
    for name in dict.fromkeys(part.set for part, _ in experiment.used_parts.values()):
        entry = catalog.find(experiment.entries, name)
        try:
            job = _preparation(experiment, entry, identify(entry, experiment.data_root, UNPACKED))
        except sources.MissingSourceError as error:
            if pulled := _pulled_preparation(experiment, entry):
                job = pulled
            else:
                absent.append(str(error))
                continue
        yield job
    if absent:
        raise UserError("\n".join(absent))


def _pulled_preparation(experiment: ExperimentGraph, entry: Entry) -> Job | None:
    """Return the preparation of a dataset without files, from the results in the store: a current one if possible; None
    if the store has no result of it."""
    jobs = []
    for folder, manifest in stored("prepare"):
        if manifest.ingredients["parameters"]["data"]["set"] == entry.name:
            try:
                identity = identify(entry, experiment.data_root, UNPACKED, folder)
            except sources.MissingSourceError:
                continue
            jobs.append(_preparation(experiment, entry, identity))
    return next((job for job in jobs if job.is_made), jobs[-1] if jobs else None)


def _preparation(experiment: ExperimentGraph, entry: Entry, identity: Identity) -> Job:
    grouped = groups.find(entry.groups, experiment.data_root) if entry.draws_groups else None
    on_problem = experiment.settings.data.on_problem
    return Job(
        kind="prepare",
        name=job_names.preparation(entry.name),
        files=("manifest.csv", "problems.csv", "summary.json"),
        work=work.prepare,
        parameters={
            "data": identity.parameters,
            "on_problem": on_problem,
            # Larger images are left out then; otherwise they are errors.
            **({"pixels": experiment.limits.pixels} if on_problem == "skip" else {}),
            "classes": entry.classes,
            "void": entry.void if entry.classes else None,
            "skip_unmasked": entry.skip_unmasked,
            **({"groups": file_digest(grouped) if grouped else entry.groups} if entry.draws_groups else {}),
        },
        options={**_data_options(experiment, entry), "unchecked": identity.unchecked},
        modules=(sources.GENERATOR,) if entry.generated else (),
        view=experiment.results / "prepared" / entry.name,
    )


def _data_options(experiment: ExperimentGraph, entry: Entry) -> dict[str, Any]:
    places = {"data_root": experiment.data_root, "unpacked": UNPACKED}
    return {"entry": entry, **places, "limits": experiment.limits}


def stores(experiment: ExperimentGraph) -> Iterator[Job]:
    """Yield a job per part: its images decoded and resized."""
    for name, (part, _) in experiment.stored_parts.items():
        yield Job(
            kind="store",
            name=job_names.store(name),
            files=STORE_FILES,
            work=work.store,
            parameters={"part": part, "size": experiment.settings.image_size, "label": experiment.label(name)},
            inputs={"prepare": experiment.job(job_names.preparation(part.set))},
            options=_data_options(experiment, experiment.entry(name)),
            view=experiment.results / "stores" / name,
        )
