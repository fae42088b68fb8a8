"""A dry look at an experiment: which jobs are to be run and why, how long that takes here, and how much disk."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline_src.data.lookup import benchmark_file
from pipeline_src.engine import cache
from pipeline_src.engine.explain import differences
from pipeline_src.engine.job import Job
from pipeline_src.inspection import precheck, sizes
from pipeline_src.steps import job_names
from pipeline_src.steps.analyse import coverage
from pipeline_src.steps.experiment import ExperimentGraph

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)
# Seconds that importing torch, mmseg, matplotlib take; else 1.
STARTUP = {"train": 8.0, "evaluate": 6.0, "figures": 3.0}
USUAL_PIXELS = 400 * 300  # a photograph of the usual data sets, where the real sizes are not known yet
UNKNOWN = 1000  # images, where their number is not known yet
FIGURE = 0.15  # seconds a file
TIMED_STEPS = 6
TIMED_SECONDS = 5.0  # after which no further step is timed
NO_MASKS = "Its masks do not count: under `ood:` all pixels are background. If they do, put the set under `shifted:`."
NAMED = 6  # differences that a reason names
MEASURED = 64  # images a step at most, whatever batch_size is


@dataclass(frozen=True)
class Plan:
    """What a run would do.

    Attributes:
        jobs: all of the experiment.
        made: those that are to be run.
        taken: those whose result was made before and is taken over.
        unknown: parts whose number of images is not known before they are prepared.
        seconds: of the run, if anything is made.
        bytes: of disk, unpacked archives not counted.
        cores: that the run has.
        warnings: what `precheck` found.
        speeds: images per second in training and inference, None where neither is to be done.
    """

    jobs: list[Job]
    made: list[Job]
    taken: list[Job]
    unknown: list[str]
    seconds: float
    bytes: float
    cores: int
    warnings: list[str]
    speeds: tuple[float, float] | None = None

    def why(self, kind: str) -> str:
        """Why the first job of a kind is to be run or else taken over, by its first differences; empty if none is."""
        if (job := next((job for job in (*self.made, *self.taken) if job.kind == kind), None)) is None:
            return ""
        reasons = differences(job)
        more = f"; and {len(reasons) - NAMED} more (contracts --explain {job.name})" if len(reasons) > NAMED else ""
        return f"{job.name}: {'; '.join(reasons[:NAMED])}{more}"


def plan(experiment: ExperimentGraph, cores: int | None = None) -> Plan:
    """What a run on so many cores (default: all) would do. Speeds are measured now, with a few steps of training."""
    warnings, jobs = precheck.check(experiment), list(experiment.jobs.values())
    made: dict[str, Job] = {}
    taken = []
    for job in (job for job in jobs if not job.current):
        if cache.find(job) or job.contract in made:
            taken.append(job)
        else:
            made[job.contract] = job
    cores = cores or os.cpu_count() or 1
    todo, counts = list(made.values()), {part: sizes.estimated(experiment, part) for part in experiment.stored_parts}
    images = {part: number or UNKNOWN for part, number in counts.items()}
    lanes = max(1, min(cores // experiment.settings.training.threads, len(experiment.runs)))
    unknown = [part for part, number in counts.items() if number is None]
    rates = speeds(experiment) if any(job.kind in ("train", "evaluate") for job in todo) else None
    seconds = _seconds(experiment, todo, images, rates or (1.0, 1.0)) / lanes if todo else 0.0
    size = _bytes(experiment, images) if todo else 0.0
    return Plan(jobs, todo, taken, unknown, seconds, size, cores, warnings, rates)


def steps(experiment: ExperimentGraph, planned: Plan) -> int:
    """How many steps Snakemake counts: jobs that are made together are one, and its last makes nothing."""
    flags = {experiment.flag(job) for job in (*planned.made, *planned.taken)}
    return len(flags) + 1 if flags else 0


def verified(experiment: ExperimentGraph) -> str:
    """Since when all current results are known to be as they were made."""
    current = [job for job in experiment.jobs.values() if job.current]
    if not current:
        return ""
    oldest = min(job.verified for job in current)
    return f"Verified on {oldest} or later: files of {len(current)} results, by SHA-256 (`verify` reads all again)."


def unchecked(experiment: ExperimentGraph) -> list[str]:
    """Why the files of data sets can't be checked here, and whether their entries changed."""
    return [text for job in experiment.of_kinds("prepare") if (text := job.options["unchecked"])]


def notes(experiment: ExperimentGraph) -> dict[str, str]:
    """Test set -> what the reader of its numbers has to know; those of which there is nothing to say are left out."""
    texts = {}
    for part in experiment.facts.tests:
        chosen, entry = experiment.used_parts[part][0], experiment.entry(part)
        prepared, names = experiment.job(job_names.preparation(chosen.set)), benchmark_file(entry, experiment.data_root)
        unused = "" if experiment.label(part) is None or entry.ood else NO_MASKS
        covered = coverage(chosen, prepared.folder, names, entry.benchmark_list) if prepared.current else ""
        texts[part] = " ".join(filter(None, (entry.caption, covered, unused)))
    return {part: text for part, text in texts.items() if text}


def speeds(experiment: ExperimentGraph) -> tuple[float, float]:
    """Images per second of a training step and of inference, measured now on the experiment's device."""
    import torch

    from pipeline_src.training.classifier import DenseClassifier
    from pipeline_src.training.device import prepare_device
    from pipeline_src.training.models.build import build_segmentor, normalisation

    e, classes = experiment.settings, experiment.facts.classes
    device = prepare_device(e.training)
    segmentor = build_segmentor(e.model.network, False, e.image_size, classes)
    model = DenseClassifier(segmentor, normalisation(e.model.network), amp=e.training.amp, classes=classes)
    model.to(device)
    images = torch.zeros(
        min(e.training.batch_size, MEASURED), 3, e.image_size, e.image_size, dtype=torch.uint8, device=device
    )

    log.info("measuring the speed of %s on %s with a few steps", e.model.network, device)

    def infer(batch: torch.Tensor) -> object:
        with torch.inference_mode():
            return model(batch)

    training = measured(lambda batch: model(batch).float().mean().backward(), images)
    model.eval()
    return training, measured(infer, images)


def measured(step: Callable[[torch.Tensor], object], images: torch.Tensor) -> float:
    """Images per second of a step, measured on two of them where all would take long."""
    few = images[:2]
    if (seconds := _seconds_of(step, few)) > 4 * TIMED_SECONDS:  # the first one loads libraries, too
        return len(few) / seconds
    if len(images) / len(few) * (seconds := _seconds_of(step, few)) > TIMED_SECONDS:
        return len(few) / seconds
    _seconds_of(step, images)  # the first one allocates
    times: list[float] = []
    while len(times) < TIMED_STEPS and sum(times) < TIMED_SECONDS:
        times.append(_seconds_of(step, images))
    return len(times) * len(images) / sum(times)


def _seconds_of(step: Callable[[torch.Tensor], object], images: torch.Tensor) -> float:
    import torch

    started = time.perf_counter()
    step(images)
    if images.is_cuda:  # which goes on while Python does
        torch.cuda.synchronize(images.device)
    return time.perf_counter() - started


def _seconds(
    experiment: ExperimentGraph, todo: list[Job], images: Mapping[str, int], rates: tuple[float, float]
) -> float:
    """Seconds of work in one lane."""
    training, inference = rates
    started = {experiment.batch_of(job)[0]: job.kind for job in todo}
    total = sum(STARTUP.get(kind, 1.0) for kind in started.values())
    names = {job.name for job in todo}
    for method, seed in experiment.runs:
        if job_names.training(method, seed) in names:
            total += _of_run(experiment, method, images, training, inference)
        evaluated = [p for p in experiment.facts.parts if job_names.evaluation(method, seed, p) in names]
        passed = sum(images[experiment.stored_name(part)] for part in evaluated)
        total += passed * _passes(experiment, method) / inference
    return total + sum(FIGURE * len(job.files) for job in todo if job.kind == "figures")


def _of_run(
    experiment: ExperimentGraph, method: str, images: Mapping[str, int], training: float, inference: float
) -> float:
    if posthoc := experiment.posthoc(method):
        return images["val"] / inference if posthoc.fits else 0.0
    return experiment.settings.training.epochs * (images["train"] / training + images["val"] / inference)


def _passes(experiment: ExperimentGraph, method: str) -> int:
    """Forward passes an image: of each network, and as many as a method with `passes` says."""
    networks = experiment.networks(method, experiment.settings.seeds[0])
    return len(networks) * getattr(experiment.methods[method].method, "passes", 1)


def _bytes(experiment: ExperimentGraph, images: Mapping[str, int]) -> float:
    """Stores, networks of runs, statistics and figures; the two checkpoints of each run at work come on top."""
    from pipeline_src.training.models.build import build_segmentor

    e, facts = experiment.settings, experiment.facts
    stores = sum(n * (4 * e.image_size**2 + USUAL_PIXELS) for n in images.values())
    segmentor = build_segmentor(e.model.network, False, e.image_size, facts.classes)
    model = 4 * sum(p.numel() for p in segmentor.parameters())
    statistics = len(facts.runs) * len(facts.parts) * 2e6
    trained = sum(not experiment.posthoc(method) for method, _ in facts.runs)
    return stores + trained * model + 2 * 2 * 3 * model + statistics + 20e6
