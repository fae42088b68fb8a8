"""What an experiment needs: images, disk, and memory and hours of training where a finished run gives them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline_src.data import manifest
from pipeline_src.data.sources import count_images
from pipeline_src.pipeline.experiment import ExperimentGraph
from pipeline_src.pipeline.job import Job
from pipeline_src.pipeline.manifest import Manifest, stored
from pipeline_src.python_source import processor

USUAL_PIXELS = 400 * 300  # of an image of the usual datasets


def needs(experiment: ExperimentGraph) -> list[str]:
    """Return lines on the images of each split, disk, memory and hours of an experiment."""
    sizes = {name: number_of_images(experiment, name) for name in experiment.parts}
    disk = sum(sizes.values()) * stored_bytes(experiment)
    listed = ", ".join(f"{size:,} {name}" for name, size in sizes.items())
    lines = [f"Images: {listed}", f"Disk: {disk / 2**20:,.0f} MiB for preprocessed images"]
    trainings = [job for job in experiment.of_kinds("train") if "networks/0" not in job.inputs]
    known = finished_run(trainings[0])
    if known is None:
        return [*lines, "Memory and hours: unknown before a run of this network on this machine"]
    folder, record = known
    epochs = record.ingredients["parameters"]["training"]["epochs"]
    trained = json.loads((folder / "run.json").read_bytes())["images"] * epochs
    rate = trained / record.made["seconds"]
    missing = [job for job in trainings if not job.is_made]
    images = len(missing) * sizes["train"] * experiment.settings.training.epochs
    return [
        *lines,
        f"Memory: {record.made['memory']:,} MiB for a training",
        f"Hours: {images / rate / 3600:.1f} for {len(missing)} trainings in turn, at {rate:.1f} images a second",
    ]


def number_of_images(experiment: ExperimentGraph, name: str) -> int:
    """Return the number of images of a split; that of the whole dataset if it is not prepared."""
    part = experiment.parts[name][0]
    prepared = experiment.job(f"prepare/{part.set}")
    if prepared.is_made:
        return len(manifest.select(part, prepared.folder))
    size = count_images(experiment.entry(name), experiment.data_root) or 0
    return len(part.positions(size))


def stored_bytes(experiment: ExperimentGraph) -> int:
    """Return the bytes of a preprocessed image with its mask, as resized and of original size."""
    return 4 * experiment.settings.image_size**2 + USUAL_PIXELS


def finished_run(job: Job) -> tuple[Path, Manifest] | None:
    """Return folder and manifest of a training on this machine that is as fast as that of `job`; None without one."""
    for folder, record in stored("train"):
        made = record.made
        whole = made["machine"] == processor() and made.get("resumed") is False
        if whole and speed_facts(record.ingredients) == speed_facts(job.ingredients):
            return folder, record
    return None


def speed_facts(ingredients: Mapping[str, Any]) -> list[Any]:
    """Return the facts of a training on which its speed depends; those of a fit differ."""
    parameters = ingredients["parameters"]
    configs = [name for name in ingredients["code"] if "/models/configs/" in name]
    fit = "networks/0" in ingredients["inputs"]
    return [fit, configs, parameters["image_size"], parameters["training"] | {"epochs": 0}]
