"""The plan of a run: which jobs would run and why, and warnings."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline_src.data import manifest
from pipeline_src.pipeline.experiment import ExperimentGraph
from pipeline_src.pipeline.job import Job
from pipeline_src.pipeline.needs import stored_bytes

MOST = 4  # reasons that are shown


def missing_jobs(experiment: ExperimentGraph) -> list[Job]:
    """Return the jobs that would run. Of jobs that share a result, the first one runs."""
    missing = [job for job in experiment.jobs.values() if not (job.is_made or job.is_batch)]
    return list({job.key: job for job in reversed(missing)}.values())[::-1]


def warnings(experiment: ExperimentGraph) -> list[str]:
    """Return facts that the user has to know before the run."""
    unchecked = [text for job in experiment.of_kinds("prepare") if (text := job.options["unchecked"])]
    return [*unchecked, *_late_starts(experiment), *_full_disk(experiment)]


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
    """Yield a line for each method that starts to perturb labels after the last epoch."""
    epochs = experiment.settings.training.epochs
    for name, chosen in experiment.methods.items():
        start = getattr(chosen.method, "start_epoch", None)
        if isinstance(start, int) and start + 1 >= epochs and not experiment.posthoc(name):
            yield f"methods.{name}: no label is perturbed: start_epoch is {start}, and training.epochs is {epochs}."


def _full_disk(experiment: ExperimentGraph) -> Iterator[str]:
    """Yield a line if the preprocessed images do not fit. Only prepared datasets have a known number of images."""
    stores = [job for job in experiment.of_kinds("store") if job.inputs["prepare"].is_made and not job.is_made]
    images = sum(len(manifest.select(job.parameters["part"], job.inputs["prepare"].folder)) for job in stores)
    needed = images * stored_bytes(experiment)
    if (free := shutil.disk_usage(".").free) < needed:
        yield f"Disk: the preprocessed images need {needed / 2**20:,.0f} MiB, and {free / 2**20:,.0f} MiB are free."
