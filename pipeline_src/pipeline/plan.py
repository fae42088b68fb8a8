"""The plan of a run: which jobs would run and why, and warnings."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline_src.data import manifest, sources
from pipeline_src.errors import UserError
from pipeline_src.files import Content
from pipeline_src.pipeline.experiment import ExperimentGraph
from pipeline_src.pipeline.job import Job, other_versions
from pipeline_src.pipeline.manifest import STORE, Manifest, processor, stored
from pipeline_src.training.perturbation import AdaptivePerturbation

USUAL_PIXELS = 400 * 300  # of an image at its original size, as most datasets have
MOST_REASONS = 4  # for which a job runs; `differences` shows no more
ASSUMED_SIZE = 10**7  # number of images of a dataset whose size is not known
# Mean of (2 y - 1) z over the pixels of a training image, logits z and labels y, once the network
# has learned the image. It is estimated from published runs: alphas grow by eta * margin / beta in
# each epoch after `start_epoch`.
USUAL_MARGIN = 4.5
# Perturbed labels per image in a whole run, below which a run is too short for its method. At 0.25,
# a run with twelve training images perturbs no label with probability exp(-12 * 0.25) = 5 %.
FEW_PERTURBED = 0.25


def missing_jobs(experiment: ExperimentGraph) -> list[Job]:
    """Return the jobs that would run; of jobs that share a result, only the first."""
    missing: dict[str, Job] = {}
    for job in experiment.jobs.values():
        if not job.is_made:
            missing.setdefault(job.key, job)
    return list(missing.values())


def warnings(experiment: ExperimentGraph) -> list[str]:
    """Return warnings, a line each: facts that the user has to know before the run."""
    return [
        *unchecked_datasets(experiment),
        *_late_starts(experiment),
        *_full_disk(experiment),
        *_absent_device(experiment),
        *other_versions(experiment.jobs.values()),
    ]


def unchecked_datasets(experiment: ExperimentGraph) -> list[str]:
    """Return a line for each dataset whose files are absent, so they cannot be compared with those
    that its results were made from.
    """
    reasons = [job.options["unchecked"] for job in experiment.of_kinds("prepare")]
    return list(filter(None, reasons))


def check_splits(experiment: ExperimentGraph) -> dict[str, int | None]:
    """Return the number of images of each split after checks; None where it is not known.

    It is the most that the split can have, as long as its dataset is not prepared.

    No split may name more images than its dataset has, and train, val and tests must be disjoint.

    Prepared datasets have a list of samples. For another dataset, the positions of a split's images
    in the dataset replace it, up to the dataset's size or, if that is not known, `ASSUMED_SIZE`.
    Too large a size can hide an overlap of splits, which the jobs find later, but cannot report
    one that does not exist.

    Raises:
        UserError: names the splits.
    """
    samples = {}
    unknown = []  # splits
    for name, (split, _role) in experiment.splits.items():
        prepared = experiment.job(f"prepare/{split.set}")
        if prepared.is_made:
            samples[name] = manifest.select(split, prepared.folder)
            continue
        size = sources.count_images(experiment.entry(name), experiment.data_root)
        if not size:
            size = ASSUMED_SIZE
            if not (split.first or split.last):  # else these two say how many images it has
                unknown.append(name)
        manifest.check_size(split, size, f"correct `data:` of experiment {experiment.name}")
        samples[name] = []
        for position in manifest.positions(split, size):
            place = f"{split.set}/{split.split}/{position}"
            row = manifest.Row(id=place, stem="", image="", mask="", sha256_image=place)
            samples[name].append(row)
    manifest.check_disjoint(samples)
    return {name: None if name in unknown else len(rows) for name, rows in samples.items()}


def requirements(experiment: ExperimentGraph, sizes: Mapping[str, int | None]) -> list[str]:
    """Return lines on the images, disk space, memory and hours that an experiment needs.

    Args:
        sizes: the number of images of each split, as `check_splits` returns it.
    """
    known = {name: size for name, size in sizes.items() if size is not None}
    images = [f"{name} {known.get(name, 'unknown')}" for name in sizes]
    disk = sum(known.values()) * _stored_bytes(experiment) / 2**20
    # Of a split of a dataset that is not prepared yet, only the size of the dataset is known.
    exact = all(job.is_made for job in experiment.of_kinds("prepare"))
    note = "" if exact else " (at most, until the datasets are prepared)"
    lines = [
        f"Images: {', '.join(images)}{note}",
        f"Disk: {disk:,.0f} MiB for preprocessed images",
    ]
    trainings = experiment.of_kinds("train")
    finished = _finished_run(trainings[0], on_gpu=experiment.settings.training.gpus > 0)
    if finished is None:
        lines.append("Memory and hours: unknown before a run of this network on this machine")
        return lines
    folder, record = finished
    # The experiment's own trainings will process as many images a second as the finished one.
    number = json.loads((folder / "run.json").read_bytes())["images"]
    lines.append(f"Memory: {record.made['memory']:,} MiB for a training")
    epochs = record.ingredients["parameters"]["training"]["epochs"]
    images_a_second = number * epochs / record.made["seconds"]
    missing = sum(not job.is_made for job in trainings)
    hours = "unknown"
    if "train" in known:
        visits = missing * known["train"] * experiment.settings.training.epochs
        hours = f"{visits / images_a_second / 3600:.1f}"
    lines.append(
        f"Hours: {hours} for {missing} networks in turn, at {images_a_second:.1f} images a second"
    )
    return lines


def _finished_run(job: Job, on_gpu: bool) -> tuple[Path, Manifest] | None:
    """Return folder and manifest of a finished training that predicts the speed of `job`.

    It ran on this machine without an interruption, and equals `job` in all facts on which the speed
    depends.

    Args:
        on_gpu: whether the training used a GPU.

    Returns:
        None if there is no such training.
    """
    for folder, record in stored("train"):
        origin = record.made
        if (
            origin["machine"] == processor()
            and bool(origin.get("gpu")) == on_gpu
            and not origin.get("resumed")
            and _speed_facts(record.ingredients) == _speed_facts(job.ingredients)
            and not record.faults(folder, ["run.json"])
        ):
            return folder, record
    return None


def _speed_facts(ingredients: Content) -> list[Any]:
    """Return the facts of a training on which its speed depends: the model's config, the size of
    images, and the settings of training except the number of epochs.

    Args:
        ingredients: of its job (`Job.ingredients`).
    """
    parameters = ingredients["parameters"]
    configs = [name for name in ingredients["code"] if "/models/configs/" in name]
    training = parameters["training"] | {"epochs": 0}  # equal for all numbers of epochs
    return [configs, parameters["image_size"], training]


def _stored_bytes(experiment: ExperimentGraph) -> int:
    """Return about how many bytes a preprocessed image takes, with its masks of both sizes.

    Image and mask of the network's size have four bytes a pixel, red, green, blue and label. The
    mask of the original size has one.
    """
    return 4 * experiment.settings.image_size**2 + USUAL_PIXELS


def differences(job: Job) -> list[str]:
    """Return why a job would run, a line each: the ingredients (parameters, inputs, code, files)
    that differ from those of the result in the view.
    """
    if job.former is None:
        return ["not made yet"]
    former = dict(flat(job.former[1].ingredients))
    today = dict(flat(job.ingredients))
    found = []
    for name in former | today:
        if former.get(name) != today.get(name):
            found.append(_difference(name, former.get(name), today.get(name)))
    if not found:
        return ["its result was removed"]
    if len(found) > MOST_REASONS:
        return [*found[:MOST_REASONS], f"and {len(found) - MOST_REASONS} more"]
    return found


def _difference(name: str, former: str | None, today: str | None) -> str:
    """Return a line on an ingredient that changed.

    Args:
        name: as `flat` yields it, such as "parameters.bins" or "code pipeline_src/files.py".
        former, today: its value as text; None where it is absent.
    """
    if name.startswith("parameters."):
        parameter = name.removeprefix("parameters.")
        return f"{parameter} {former or 'absent'} -> {today or 'absent'}"
    if former is None:
        return f"{name} is new"
    if today is None:
        return f"{name} is gone"
    return f"{name} changed"


def flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield the names and texts of all values in nested mappings, to be compared one by one.

    Args:
        value: ingredients of a job, or a value in them.
        name: of the value, from the outermost mapping; empty for the ingredients themselves.
    """
    if isinstance(value, Mapping):
        for key, item in value.items():
            separator = "." if name.startswith("parameters") else " "
            yield from flat(item, f"{name}{separator}{key}" if name else key)
    else:
        yield name, json.dumps(value)


def _late_starts(experiment: ExperimentGraph) -> Iterator[str]:
    """Yield a line for each method that perturbs almost no label because the run is short.

    Alpha is the probability that an image's label is perturbed. It is 0 until `start_epoch` and
    grows by a step of eta * margin / beta after each later epoch. Of v visits of an image with an
    alpha above 0, the k-th perturbs its label with probability k * step: in all, step v (v + 1) / 2
    labels are perturbed.
    """
    epochs = experiment.settings.training.epochs
    for name, chosen in experiment.methods.items():
        method = chosen.method
        if not isinstance(method, AdaptivePerturbation):
            continue
        step = method.eta * USUAL_MARGIN / method.beta
        # Visits of an image whose alpha can be above 0: one in each epoch, after the first step.
        visits = max(0, epochs - method.start_epoch - 1)
        perturbed = step * visits * (visits + 1) / 2
        # The form "expected" perturbs every label a little, instead of few labels by draws.
        if visits == 0 or (method.form == "drawn" and perturbed < FEW_PERTURBED):
            yield (
                f"methods.{name}: about {perturbed:.2f} labels per image are perturbed in all "
                f"epochs: start_epoch is {method.start_epoch}, and training.epochs is {epochs}."
            )


def _full_disk(experiment: ExperimentGraph) -> Iterator[str]:
    """Yield a line if the preprocessed images that have to be written do not fit on the disk.

    Only prepared datasets have a known number of images; others are left out.
    """
    images = 0
    for job in experiment.of_kinds("store"):
        prepared = job.inputs["prepare"]
        if prepared.is_made and not job.is_made:
            images += len(manifest.select(job.parameters["split"], prepared.folder))
    needed = images * _stored_bytes(experiment)
    # The store can be on another disk.
    free = shutil.disk_usage(STORE if STORE.exists() else Path()).free
    if free < needed:
        yield (
            f"Disk: the preprocessed images need {needed / 2**20:,.0f} MiB, "
            f"and {free / 2**20:,.0f} MiB are free."
        )


def _absent_device(experiment: ExperimentGraph) -> Iterator[str]:
    """Yield a line if the device of the settings is absent here; a cluster's node may have it."""
    training = experiment.settings.training
    if training.device in ("auto", "cpu"):
        return
    from pipeline_src.training.classifier import prepare_device  # imports torch

    try:
        prepare_device(training)
    except UserError as error:
        yield f"Device: {str(error).splitlines()[0]}. Jobs need a machine that has it."
