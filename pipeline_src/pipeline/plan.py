"""A dry look at an experiment: which jobs would run and why, how long that takes here, and how much disk it needs."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline_src.data.lookup import benchmark_file
from pipeline_src.pipeline import job_names, precheck, sizes
from pipeline_src.pipeline.experiment import ExperimentGraph
from pipeline_src.pipeline.job import Job
from pipeline_src.pipeline.manifest import Manifest, stored
from pipeline_src.pipeline.work import coverage

USUAL_PIXELS = 400 * 300  # an image of the usual data sets, where the real sizes are not known yet
UNKNOWN = 1000  # images, where their number is not known yet
NO_MASKS = "Its masks do not count: under `ood:` all pixels are background. If they do, put the set under `shifted:`."


@dataclass(frozen=True)
class Plan:
    """The jobs of an experiment that are missing, with their expected time and disk space.

    Attributes:
        jobs: all jobs of the experiment.
        missing: those that are to run.
        unknown: parts whose number of images is not known before they are prepared; they count as `UNKNOWN`.
        seconds: of the run, by the times of finished runs here; None where there are none of this network.
        bytes: of the preprocessed images.
        warnings: what `precheck` found.
    """

    jobs: list[Job]
    missing: list[Job]
    unknown: list[str]
    seconds: float | None
    bytes: float
    warnings: list[str]

    def why(self, kind: str) -> str:
        """Why the first job of a kind is to run; empty if none is."""
        job = next((job for job in self.missing if job.kind == kind), None)
        return f"{job.name}: {'; '.join(differences(job))}" if job else ""


def plan(experiment: ExperimentGraph, cores: int | None = None) -> Plan:
    """Return the plan of a run on this number of cores (default: all)."""
    warnings = precheck.check(experiment)
    jobs = [job for job in experiment.jobs.values() if not job.is_batch]
    missing = list({job.key: job for job in reversed(jobs) if not job.is_made}.values())[::-1]
    counts = {part: sizes.estimated(experiment, part) for part in experiment.stored_parts}
    images = {part: number or UNKNOWN for part, number in counts.items()}
    unknown = [part for part, number in counts.items() if number is None]
    lanes = max(1, (cores or os.cpu_count() or 1) // experiment.settings.training.threads)
    seconds = _seconds(experiment, missing, images)
    pixels = 4 * experiment.settings.image_size**2 + USUAL_PIXELS
    stores = [job.name.removeprefix("store/") for job in missing if job.kind == "store"]
    lanes = min(lanes, max(1, sum(job.kind == "train" for job in missing)))
    return Plan(
        jobs=jobs,
        missing=missing,
        unknown=unknown,
        seconds=seconds / lanes if seconds is not None else None,
        bytes=sum(images[part] * pixels for part in stores),
        warnings=warnings,
    )


def differences(job: Job, most: int = 4) -> list[str]:
    """Why a job is to run: what differs from the result that the view shows, or that there is none."""
    if job.former is None:
        return ["not made yet"]
    old, new = (dict(_flat(it, "")) for it in (job.former[1].ingredients, job.ingredients))
    found = [
        _difference(name, old.get(name), new.get(name)) for name in {**old, **new} if old.get(name) != new.get(name)
    ]
    return [*found[:most], *([f"and {len(found) - most} more"] if found[most:] else [])] or ["its result was removed"]


def _difference(name: str, old: str | None, new: str | None) -> str:
    if name.startswith("parameters."):
        return f"{name.removeprefix('parameters.')} {old or 'absent'} -> {new or 'absent'}"
    return f"{name} " + ("is new" if old is None else "is gone" if new is None else "changed")


def _flat(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Names and texts of all values in a mapping of mappings."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            separator = "." if name.startswith("parameters") else " "
            yield from _flat(item, f"{name}{separator}{key}" if name else key)
    else:
        yield name, json.dumps(value)


def notes(experiment: ExperimentGraph) -> dict[str, str]:
    """Test set -> what the reader of its numbers has to know; those of which nothing is known are left out."""
    texts = {}
    for part in experiment.facts.tests:
        chosen, entry = experiment.used_parts[part][0], experiment.entry(part)
        prepared, names = experiment.job(job_names.preparation(chosen.set)), benchmark_file(entry, experiment.data_root)
        unused = "" if experiment.label(part) is None or entry.ood else NO_MASKS
        covered = coverage(chosen, prepared.folder, names, entry.benchmark_list) if prepared.is_made else ""
        texts[part] = " ".join(filter(None, (entry.caption, covered, unused)))
    return {part: text for part, text in texts.items() if text}


# Time


def _seconds(experiment: ExperimentGraph, missing: list[Job], images: Mapping[str, int]) -> float | None:
    """Processor time of the missing jobs, from the times of finished ones of the same network and image size."""
    epochs, total = experiment.settings.training.epochs, 0.0
    names = {job.name for job in missing}
    networks = next((job for job in experiment.of_kinds("train") if "model.safetensors" in job.files), None)
    kinds = {job.kind for job in missing}
    speed = _training_speed(networks) if networks and "train" in kinds else 0.0
    if speed is None:
        return None
    for method, seed in experiment.runs:
        if job_names.training(method, seed) in names and not experiment.posthoc(method):
            total += epochs * images["train"] * speed
    for kind, number in ((kind, sum(job.kind == kind for job in missing)) for kind in kinds):
        if kind != "train":
            total += number * (_usual_seconds(kind) or 0.0)
    return total


def _training_speed(job: Job) -> float | None:
    """Seconds of an image and epoch in finished runs of a network; None where there are none."""
    speeds = []
    for folder, manifest in stored("train"):
        if _network(manifest.ingredients) == _network(job.ingredients) and (folder / "timing.csv").is_file():
            with (folder / "timing.csv").open(encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            images = _images(manifest)
            if rows and images:
                speeds.append(sum(float(row["seconds"]) for row in rows) / len(rows) / images)
    return sum(speeds) / len(speeds) if speeds else None


def _images(run: Manifest) -> int:
    """The number of training images of a run, from the preprocessed images that it read."""
    for folder, manifest in stored("store"):
        if manifest.fingerprint == run.ingredients["inputs"].get("train"):
            return _lines(folder / "index.csv") - 1
    return 0


def _lines(file: Path) -> int:
    return len(file.read_text(encoding="utf-8").splitlines()) if file.is_file() else 0


def _network(ingredients: Mapping[str, Any]) -> list[Any]:
    """Return the settings that the speed of training depends on most."""
    own = sorted((name, value) for name, value in ingredients["code"].items() if name.startswith("own:"))
    return [ingredients["parameters"].get("image_size"), own]


def _usual_seconds(kind: str) -> float | None:
    """The mean time of the finished jobs of a kind."""
    seconds = [manifest.made["seconds"] for _, manifest in stored(kind)]
    return sum(seconds) / len(seconds) if seconds else None
