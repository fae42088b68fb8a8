"""The data of an experiment: checked datasets (`prepare`), and preprocessed images (`store`)."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_src.data import catalog, groups, manifest, sources
from pipeline_src.data.entry import Entry
from pipeline_src.data.sources import Identity, identify
from pipeline_src.errors import UserError
from pipeline_src.files import Content, write_text
from pipeline_src.pipeline.experiment import ExperimentGraph
from pipeline_src.pipeline.fingerprint import file_digest
from pipeline_src.pipeline.job import UNPACKED, Job
from pipeline_src.pipeline.manifest import stored

if TYPE_CHECKING:
    from pipeline_src.data.store import Store

log = logging.getLogger(__name__)
# The list of problems of a preparation that failed, in the folder of its view.
FAILED = "problems.failed.csv"


# Datasets


def prepare_jobs(experiment: ExperimentGraph) -> Iterator[Job]:
    """Yield a job per dataset; a UserError names all missing datasets.

    A dataset needs no files on this machine if its preparation was pulled into the store with DVC.
    """
    absent = []
    for name in dict.fromkeys(split.set for split, _ in experiment.splits.values()):
        entry = catalog.find(experiment.entries, name)
        try:
            yield _preparation(experiment, entry, identify(entry, experiment.data_root, UNPACKED))
        except sources.MissingSourceError as error:
            pulled = _pulled_preparation(experiment, entry)
            if pulled is None:
                absent.append(str(error))
            else:
                yield pulled
    if absent:
        raise UserError("\n".join(absent))


def _pulled_preparation(experiment: ExperimentGraph, entry: Entry) -> Job | None:
    """Return the job of a preparation that was pulled into the store with DVC; None if there is
    none.

    Its dataset has no files on this machine, so the preparation's record of them identifies it. Of
    several preparations, a current one is returned, else the last.
    """
    last = None
    for folder, record in stored("prepare"):
        if record.ingredients["parameters"]["data"]["set"] != entry.name:
            continue
        try:
            identity = identify(entry, experiment.data_root, UNPACKED, prepared=folder)
            last = _preparation(experiment, entry, identity)
        except UserError:  # of another entry, or made with a file of groups that is absent
            continue
        if last.is_made:
            break
    return last


def _preparation(experiment: ExperimentGraph, entry: Entry, identity: Identity) -> Job:
    """Return the job that prepares a dataset.

    Args:
        identity: the digests of its source files, which are in the job's fingerprint, and a warning
            if they could not be checked.
    """
    job = Job(
        kind="prepare",
        name=f"prepare/{entry.name}",
        files=("manifest.csv", "problems.csv", "summary.json"),
        work=prepare_dataset,
        parameters={
            "data": identity.parameters,
            "on_problem": experiment.settings.data.on_problem,
            "classes": entry.classes,
            "void": entry.void if entry.classes else None,
            "skip_unmasked": entry.skip_unmasked,
            "max_pixels": entry.max_pixels,
        },
        options=_dataset_options(experiment, entry) | {"unchecked": identity.unchecked},
        modules=(sources.GENERATOR,) if entry.generated else (),
        view=experiment.results / "prepared" / entry.name,
    )
    if entry.draws_groups:
        return with_groups(job, entry, experiment.data_root)
    return job


def with_groups(job: Job, entry: Entry, data_root: Path) -> Job:
    """Return `job` with the groups of a dataset in its fingerprint: images that are not
    independent, such as frames of a video.

    `Entry.groups` is a file that lists the groups, whose digest counts, or a pattern that finds the
    group in the name of an image, which counts itself. In a clone without the dataset, the file may
    be absent. Then the last stored result that differs only in its groups counts as current.

    Args:
        job: its parameters lack the groups, and its options have `Identity.unchecked`.

    Raises:
        UserError: there is no such file, and no such result.
    """
    try:
        file = groups.find(entry.groups, data_root)  # None for a pattern
        return _grouped(job, file_digest(file) if file else entry.groups, file)
    except UserError:
        if job.options["unchecked"]:
            for _, record in sorted(
                stored(job.kind), key=lambda found: found[1].made["time"], reverse=True
            ):
                used = record.ingredients["parameters"].get("groups")
                pulled = _grouped(job, used, Path(entry.groups))
                if pulled.is_made:
                    return pulled
        raise


def _grouped(job: Job, value: Any, file: Path | None) -> Job:
    """Return `job` with `value` for the groups in its parameters, and their file in its options."""
    parameters = {**job.parameters, "groups": value}
    return replace(job, parameters=parameters, options={**job.options, "grouped": file})


def _dataset_options(experiment: ExperimentGraph, entry: Entry) -> Content:
    """Return the options of a job that reads a dataset's files: the dataset's entry in the catalog,
    and the folders of downloads and of unpacked archives.
    """
    return {"entry": entry, "data_root": experiment.data_root, "unpacked": UNPACKED}


def prepare_dataset(job: Job, folder: Path) -> None:
    """Unpack, pair and verify a dataset.

    After a failure, the view holds the list of problems, because the folder of an unfinished result
    is removed.
    """
    from pipeline_src.data.prepare import prepare

    assert job.view
    failed = job.view / FAILED
    try:
        prepare(
            job.options["entry"],
            job.options["data_root"],
            job.options["unpacked"],
            folder,
            job.parameters["on_problem"],
        )
    except UserError as error:
        problems = folder / "problems.csv"
        if not problems.is_file():
            raise
        write_text(failed, problems.read_text(encoding="utf-8"))
        raise UserError(f"{error}\n  all problems: {failed}") from None
    failed.unlink(missing_ok=True)


# Splits


def store_jobs(experiment: ExperimentGraph) -> Iterator[Job]:
    """Yield a job per split: its images decoded and resized, once for all networks.

    `masks.npy` are masks of the networks' size, and `truth.npy` the labels of all pixels at the
    original size of the masks. `grey.npy` are positions in these: pixels of a soft edge, whose mask
    is neither 0 nor 255.
    """
    for name, (split, _) in experiment.splits.items():
        yield Job(
            kind="store",
            name=f"store/{name}",
            files=(
                "images.npy",
                "masks.npy",
                "truth.npy",
                "grey.npy",
                "index.csv",
                "store.json",
            ),
            work=store_images,
            parameters={
                "split": split,
                "size": experiment.settings.image_size,
                "label": experiment.label(name),
            },
            inputs={"prepare": experiment.job(f"prepare/{split.set}")},
            options=_dataset_options(experiment, experiment.entry(name)),
            view=experiment.results / "stores" / name,
        )


def store_images(job: Job, folder: Path) -> None:
    """Decode and resize the images of a split, and write them as arrays into `folder`."""
    from pipeline_src.data.build import build

    build(
        job.parameters["split"],
        job.options["entry"],
        data_root=job.options["data_root"],
        unpacked=job.options["unpacked"],
        prepared=job.inputs["prepare"].folder,
        size=job.parameters["size"],
        out=folder,
        label=job.parameters["label"],
    )


def report_overlap(stores: Mapping[str, Store]) -> None:
    """Log byte-identical images of different names in two splits, which make a test too easy.

    Raises:
        UserError: two splits share a sample.
    """
    twins = manifest.check_disjoint({name: images.index for name, images in stores.items()})
    for (first, second), pairs in twins.items():
        shown = ", ".join(f"{a} = {b}" for a, b in pairs[:3])
        log.warning("%s and %s hold %d byte-identical images: %s", first, second, len(pairs), shown)
