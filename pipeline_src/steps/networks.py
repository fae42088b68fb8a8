"""What training, fitting and evaluating need of an experiment's networks."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_src.params.parts import Part
from pipeline_src.params.schema import Evaluation, Experiment
from pipeline_src.steps import job_names

if TYPE_CHECKING:
    from pipeline_src.data.store import Store
    from pipeline_src.engine.job import Job
    from pipeline_src.steps.experiment import ExperimentGraph
    from pipeline_src.training.classifier import DenseClassifier

log = logging.getLogger(__name__)

# Of the machine: results are meant to survive a move to another one.
MACHINE = {"device": "auto", "gpus": 0, "workers": 0}


def place(experiment: ExperimentGraph, method: str, seed: int) -> dict[str, Any]:
    """What a run's job is called and where it lies; that of a post-hoc method too, which is fitted instead of
    trained."""
    folder = experiment.results / "runs" / method / f"seed{seed}"
    return {"kind": "train", "name": job_names.training(method, seed), "folder": folder, "stem": "train"}


def parameters(experiment: ExperimentGraph) -> dict[str, Any]:
    """What the networks of an experiment depend on. A model's config counts as code."""
    settings = experiment.settings
    return {
        "image_size": settings.image_size,
        "pretrained": settings.model.pretrained,
        "factory": settings.model.factory,
        "augmentation": settings.augmentation,
        "training": settings.training.model_copy(update=MACHINE),
        "ranks": max(1, settings.training.gpus),
        "classes": experiment.facts.classes,
    }


def options(experiment: ExperimentGraph) -> dict[str, Any]:
    """The machine, and the name of the model."""
    settings = experiment.settings
    return {key: getattr(settings.training, key) for key in MACHINE} | {"model": settings.model}


def code(experiment: ExperimentGraph, method: str) -> dict[str, Any]:
    """Files and modules that a method's networks consist of, as arguments of `Job`."""
    files, modules = experiment.network_sources
    chosen = experiment.methods[method]
    return {
        "code_files": (*([chosen.file] if chosen.file else []), *files),
        "modules": modules,
        "other_files": {f"files/{number}": file for number, file in enumerate(chosen.files)},
    }


def settings(job: Job) -> Experiment:
    """The settings that a job knows. There are no `data`: a job sees its inputs and no others."""
    parameters, machine = job.parameters, {key: job.options[key] for key in MACHINE}
    values: dict[str, Any] = {key: parameters[key] for key in ("image_size", "augmentation")}
    values |= {"model": job.options["model"], "training": parameters["training"].model_copy(update=machine)}
    values["evaluation"] = Evaluation(batch_size=parameters["batch_size"])
    return Experiment.model_construct(**values)


def facts(run: Job) -> dict[str, Any]:
    """What the network of a training job is, for its checkpoints and its model.safetensors. No name of an experiment,
    block or part is among it: those may share the run."""
    from pipeline_src.training.models.build import description

    of = run.parameters
    return {
        **description(run.options["model"].network, of["image_size"], of["classes"]),
        "method": type(of["method"]).__name__,
        "parameters": run.ingredients["parameters"]["method"],
        "seed": of["seed"],
        "contract": run.contract,
    }


def load(job: Job) -> list[DenseClassifier]:
    """The networks of a job's inputs `networks/0`, `networks/1`...

    Raises:
        UserError: a file can't be read, or holds another network than its run's. Of adopted results the owner has said
            that they fit.
    """
    from pipeline_src.prediction.predict import load

    weights = getattr(job.parameters.get("method"), "weights", "last")
    name, networks = "averaged.safetensors" if weights == "averaged" else "model.safetensors", []
    for run in (of for role, of in job.inputs.items() if role.startswith("networks/")):
        file, expected = run.folder / name, {} if run.adopted else facts(run)
        networks.append(load(file, settings(job), job.parameters["classes"], expected))
    return networks


def tests(experiment: ExperimentGraph) -> dict[str, tuple[dict[str, Any], Path, Path]]:
    """Part, folder of the manifest and stamp of each test part, as options of a training job: what it is tested on
    changes no network."""
    prepared = {
        name: experiment.job(job_names.preparation(part.set)) for name, (part, _) in experiment.stored_parts.items()
    }
    return {
        name: (experiment.stored_parts[name][0].model_dump(), job.folder, job.stamp)
        for name, job in prepared.items()
        if name not in ("train", "val")
    }


def report_overlap(stores: Mapping[str, Store], tests: Mapping[str, tuple[dict[str, Any], Path, Path]]) -> None:
    """Stop where parts share a sample; log where they share a photograph under two names (some sets do), and of which
    of the `tests` that is not known yet."""
    from pipeline_src.data import manifest
    from pipeline_src.data.part_checks import check_disjoint

    prepared = {name: (Part(**part), folder) for name, (part, folder, stamp) in tests.items() if stamp.is_file()}
    rows = {name: store.index for name, store in stores.items()}
    twins = check_disjoint(rows | {name: manifest.select(*of) for name, of in prepared.items()})
    for line in shared_images(twins):
        log.warning(line)
    if unknown := [name for name in tests if name not in prepared]:
        log.info("%s: not prepared yet, so images that they share with training are told later", ", ".join(unknown))


def shared_images(twins: Mapping[tuple[str, str], list[tuple[str, str]]]) -> list[str]:
    """A line for each pair of parts with byte-identical images under different names (`part_checks.check_disjoint`)."""
    lines = []
    for (one, two), pairs in twins.items():
        shown = ", ".join(f"{a} = {b}" for a, b in pairs[:3])
        lines.append(f"{one} and {two} hold {len(pairs)} byte-identical images under different names: {shown}")
    return lines
