"""The plan of a run: which jobs would run and why, and warnings."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline_src.data import manifest, sources
from pipeline_src.errors import UserError
from pipeline_src.pipeline.experiment import ExperimentGraph
from pipeline_src.pipeline.job import Job, other_versions
from pipeline_src.training.perturbation import AdaptivePerturbation

USUAL_PIXELS = 400 * 300  # of an image of the usual datasets
MOST = 4  # reasons that are shown
MANY = 10**5  # images of a dataset whose size is not known
MARGIN = 4.5  # of a label with which a network agrees, as alphas of published runs grow after `start_epoch`
FEW_DRAWS = 0.25  # perturbed labels per image in a run; of twelve images, none is perturbed in 5 % of runs


def missing_jobs(experiment: ExperimentGraph) -> list[Job]:
    """Return the jobs that would run. Of jobs that share a result, the first one runs."""
    missing = [job for job in experiment.jobs.values() if not (job.is_made or job.is_batch)]
    return list({job.key: job for job in reversed(missing)}.values())[::-1]


def warnings(experiment: ExperimentGraph) -> list[str]:
    """Return facts that the user has to know before the run."""
    unchecked = [text for job in experiment.of_kinds("prepare") if (text := job.options["unchecked"])]
    versions = other_versions(experiment.jobs.values())
    return [
        *unchecked,
        *_late_starts(experiment),
        *_full_disk(experiment),
        *_absent_device(experiment),
        *versions,
    ]


def check_parts(experiment: ExperimentGraph) -> None:
    """Check that parts of the data fit into their datasets, and that train, val and tests are disjoint.

    For datasets that are not prepared, positions in a split stand for samples, and the number of images of the dataset
    for the size of each split. A size that is too large hides overlaps and invents none; the jobs check again.

    Raises:
        UserError: names the parts.
    """
    samples = {}
    for name, (part, _) in experiment.parts.items():
        prepared = experiment.job(f"prepare/{part.set}")
        if prepared.is_made:
            samples[name] = manifest.select(part, prepared.folder)
            continue
        size = sources.count_images(experiment.entry(name), experiment.data_root) or MANY
        manifest.check_size(part, size, f"correct `data:` of experiment {experiment.name}")
        places = [f"{part.set}/{part.split}/{position}" for position in manifest.positions(part, size)]
        samples[name] = [manifest.Row(id=place, stem="", image="", mask="", sha256_image=place) for place in places]
    manifest.check_disjoint(samples)


def differences(job: Job) -> list[str]:
    """Return why a job would run: the differences from the result that the view shows."""
    if job.former is None:
        return ["not made yet"]
    old, new = (dict(_flat(it, "")) for it in (job.former[1].ingredients, job.ingredients))
    found = [
        _difference(name, old.get(name), new.get(name)) for name in {**old, **new} if old.get(name) != new.get(name)
    ]
    return [*found[:MOST], *([f"and {len(found) - MOST} more"] if found[MOST:] else [])] or ["its result was removed"]


def _difference(name: str, old: str | None, new: str | None) -> str:
    if name.startswith("parameters."):
        return f"{name.removeprefix('parameters.')} {old or 'absent'} -> {new or 'absent'}"
    return f"{name} " + ("is new" if old is None else "is gone" if new is None else "changed")


def _flat(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Yield the names and texts of all values in nested mappings."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            separator = "." if name.startswith("parameters") else " "
            yield from _flat(item, f"{name}{separator}{key}" if name else key)
    else:
        yield name, json.dumps(value)


def _late_starts(experiment: ExperimentGraph) -> Iterator[str]:
    """Yield a line for each method that perturbs hardly a label, or none, because the run is so short."""
    epochs = experiment.settings.training.epochs
    for name, chosen in experiment.methods.items():
        method = chosen.method
        if not isinstance(method, AdaptivePerturbation):
            continue
        visits = max(0, epochs - method.start_epoch - 1)  # of an image whose alpha can be above 0
        drawn = method.eta * MARGIN / method.beta * visits * (visits + 1) / 2
        if visits == 0 or (method.form == "drawn" and drawn < FEW_DRAWS):
            reason = f"start_epoch is {method.start_epoch}, and training.epochs is {epochs}"
            yield f"methods.{name}: about {drawn:.2f} labels per image are perturbed in all epochs: {reason}."


def _full_disk(experiment: ExperimentGraph) -> Iterator[str]:
    """Yield a line if the preprocessed images do not fit. Only prepared datasets have a known number of images."""
    stores = [job for job in experiment.of_kinds("store") if job.inputs["prepare"].is_made and not job.is_made]
    images = sum(len(manifest.select(job.parameters["part"], job.inputs["prepare"].folder)) for job in stores)
    needed = images * (4 * experiment.settings.image_size**2 + USUAL_PIXELS)
    if (free := shutil.disk_usage(".").free) < needed:
        yield f"Disk: the preprocessed images need {needed / 2**20:,.0f} MiB, and {free / 2**20:,.0f} MiB are free."


def _absent_device(experiment: ExperimentGraph) -> Iterator[str]:
    """Yield a line if the device that the settings name is absent here; a cluster's node may have it."""
    training = experiment.settings.training
    if training.device in ("auto", "cpu"):
        return
    from pipeline_src.training.classifier import prepare_device  # imports torch

    try:
        prepare_device(training)
    except UserError as error:
        yield f"Device: {str(error).splitlines()[0]}. Jobs need a machine that has it."
