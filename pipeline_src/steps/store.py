"""Parts of data sets decoded and resized, once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_src.engine.job import Job
from pipeline_src.steps import job_names
from pipeline_src.steps.prepare import UNPACKED

if TYPE_CHECKING:
    from pipeline_src.steps.experiment import ExperimentGraph

FILES = ("images.npy", "masks.npy", "truth.npy", "grey.npy", "index.csv", "store.json")


def jobs(experiment: ExperimentGraph) -> Iterator[Job]:
    """A job per part."""
    for name, (part, _) in experiment.stored_parts.items():
        yield Job(
            kind="store",
            name=job_names.store(name),
            folder=experiment.data / "stores" / name,
            stem="store",
            files=FILES,
            work=work,
            parameters={"part": part, "size": experiment.settings.image_size, "label": experiment.label(name)},
            inputs={"prepare": experiment.job(job_names.preparation(part.set))},
            options={"entry": experiment.entry(name), "data_root": experiment.data_root, "limits": experiment.limits},
        )


def work(job: Job, folder: Path) -> None:
    """Write the store."""
    from pipeline_src.data.build import build

    of, manifest = job.parameters, job.inputs["prepare"].folder
    places = (job.options["data_root"], UNPACKED, manifest, of["size"], folder)
    build(of["part"], job.options["entry"], *places, of["label"], job.options["limits"])
