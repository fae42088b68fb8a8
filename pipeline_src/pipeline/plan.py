"""The plan of a run: which jobs would run and why, how long they take on this machine, and how much disk they need."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import mean
from typing import Any

from pipeline_src.pipeline import precheck
from pipeline_src.pipeline.experiment import ExperimentGraph
from pipeline_src.pipeline.job import Job
from pipeline_src.pipeline.manifest import stored

USUAL_PIXELS = 400 * 300  # of an image of the usual datasets, if its size is unknown
UNKNOWN = 1000  # images of a part, if their number is unknown
NO_MASKS = "Its masks do not count: under `ood:` all pixels are background. If they do, put the set under `shifted:`."


@dataclass(frozen=True)
class Plan:
    """The jobs of an experiment that are missing, with their expected time and disk space.

    Attributes:
        jobs: all jobs of the experiment.
        missing: the jobs that would run.
        unknown: parts whose number of images is unknown before they are prepared; they count as `UNKNOWN`.
        seconds: duration of the run, from finished runs on this machine; None if none has this network.
        bytes: size of the preprocessed images.
        warnings: from `precheck.check`.
    """

    jobs: list[Job]
    missing: list[Job]
    unknown: list[str]
    seconds: float | None
    bytes: float
    warnings: list[str]

    def why(self, kind: str) -> str:
        """Return why the first job of a kind would run; empty if no job would."""
        job = next((job for job in self.missing if job.kind == kind), None)
        return f"{job.name}: {'; '.join(differences(job))}" if job else ""


def plan(experiment: ExperimentGraph, cores: int | None = None) -> Plan:
    """Return the plan of a run on this number of cores (default: all)."""
    warnings = precheck.check(experiment)
    jobs = [job for job in experiment.jobs.values() if not job.is_batch]
    missing = list({job.key: job for job in reversed(jobs) if not job.is_made}.values())[::-1]
    sizes = {part: precheck.size(experiment, part) for part in experiment.stored_parts}
    images = {part: number or UNKNOWN for part, number in sizes.items()}
    seconds = _seconds(experiment, missing, images)
    parallel = max(1, (cores or os.cpu_count() or 1) // experiment.settings.training.threads)
    parallel = min(parallel, max(1, sum(job.kind == "train" for job in missing)))
    pixels = 4 * experiment.settings.image_size**2 + USUAL_PIXELS
    stores = [job.name.removeprefix("store/") for job in missing if job.kind == "store"]
    return Plan(
        jobs=jobs,
        missing=missing,
        unknown=[part for part, number in sizes.items() if number is None],
        seconds=seconds and seconds / parallel,
        bytes=sum(images[part] * pixels for part in stores),
        warnings=warnings,
    )


def differences(job: Job, most: int = 4) -> list[str]:
    """Return why a job would run: the differences from the result that the view shows."""
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
    """Yield the names and texts of all values in nested mappings."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            separator = "." if name.startswith("parameters") else " "
            yield from _flat(item, f"{name}{separator}{key}" if name else key)
    else:
        yield name, json.dumps(value)


def notes(experiment: ExperimentGraph) -> dict[str, str]:
    """Return notes on test sets for readers of their numbers: test set -> text."""
    texts = {}
    for part in experiment.facts.tests:
        entry = experiment.entry(part)
        unused = "" if experiment.label(part) is None or entry.ood else NO_MASKS
        texts[part] = " ".join(filter(None, (entry.caption, unused)))
    return {part: text for part, text in texts.items() if text}


def _seconds(experiment: ExperimentGraph, missing: list[Job], images: Mapping[str, int]) -> float | None:
    """Return the processor time of the missing jobs, from finished jobs of the same kind and network; None if no
    training of this network has finished."""
    epochs, total = experiment.settings.training.epochs, 0.0
    for kind, number in Counter(job.kind for job in missing).items():
        trained = [job for job in missing if job.kind == kind and "model.safetensors" in job.files]
        if trained:
            if not (speeds := list(_training_speeds(trained[0]))):
                return None
            total += len(trained) * epochs * images["train"] / mean(speeds)
        elif kind != "train" and (seconds := [manifest.made["seconds"] for _, manifest in stored(kind)]):
            total += number * mean(seconds)
    return total


def _training_speeds(job: Job) -> Iterator[float]:
    """Yield the images per second in each epoch of finished runs with the network and image size of a job."""
    for folder, manifest in stored("train"):
        if _network(manifest.ingredients) == _network(job.ingredients) and (folder / "timing.csv").is_file():
            with (folder / "timing.csv").open(encoding="utf-8") as file:
                yield from (float(row["images_per_second"]) for row in csv.DictReader(file))


def _network(ingredients: Mapping[str, Any]) -> list[Any]:
    """Return the settings that the speed of training depends on most."""
    files = sorted((name, value) for name, value in ingredients["code"].items() if name.startswith("own:"))
    return [ingredients["parameters"].get("image_size"), files]
