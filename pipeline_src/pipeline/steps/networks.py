"""The networks of an experiment: trained (`train`), and what post-hoc methods fit (`fit`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_src.files import Content, write_text
from pipeline_src.params.schema import Evaluation, Experiment
from pipeline_src.pipeline.experiment import ExperimentGraph
from pipeline_src.pipeline.job import Job
from pipeline_src.pipeline.steps.data import report_overlap
from pipeline_src.pipeline.training_faults import warn_of_accuracy

if TYPE_CHECKING:
    from pipeline_src.prediction.predict import Predictor
    from pipeline_src.training.classifier import DenseClassifier

# What a training writes: weights after the last epoch and averaged over epochs, losses and
# accuracies by epoch, facts of the run.
RUN_FILES = ("model.safetensors", "averaged.safetensors", "history.csv", "run.json")
# Written by methods that learn a perturbation level (alpha) for each training image.
LEVELS_FILE = "alpha.csv"
# Settings of a training on which results do not depend, with their defaults.
MACHINE: Content = {"device": "auto", "gpus": 0, "workers": 0, "trackers": []}


# Parameters and inputs that several kinds of jobs share


def network_parameters(experiment: ExperimentGraph) -> Content:
    """Return the parameters on which the networks of an experiment depend, besides method and seed.

    `experiment.network_parameters` has the values of the model's config only if these come from
    outside the package; else it is empty, because the file counts as code. `MACHINE` overrides the
    user's settings of the machine, so they cannot change a fingerprint.
    """
    settings = experiment.settings
    return experiment.network_parameters | {
        "image_size": settings.image_size,
        "pretrained": settings.model.pretrained,
        "augmentation": settings.augmentation,
        "training": settings.training.model_copy(update=MACHINE),
        "classes": experiment.facts.classes,
    }


def predictor_parameters(experiment: ExperimentGraph, method: str, seed: int) -> Content:
    """Return the parameters on which the predictions of a run depend, besides its weights: method
    and seed only if the method is post-hoc, because trained weights depend on them already.
    """
    parameters = network_parameters(experiment)
    parameters["batch_size"] = experiment.settings.evaluation.batch_size
    posthoc = experiment.posthoc(method)
    if posthoc:
        parameters["method"] = posthoc
        parameters["seed"] = seed
    return parameters


def network_job(
    experiment: ExperimentGraph, kind: str, method: str, seed: int, **fields: Any
) -> Job:
    """Return a job that trains, fits or evaluates a run.

    No fingerprint includes its options: `machine` cannot change a result, the config file of
    `model` counts as code, and `title` names the run in messages.

    Args:
        fields: further fields of the job.
    """
    return Job(
        kind=kind,
        name=f"{kind}/{method}/seed{seed}",
        options={
            "machine": experiment.settings.training.model_dump(include=set(MACHINE)),
            "model": experiment.settings.model,
            "title": f"{method} seed {seed}",
        },
        modules=experiment.network_modules,
        **fields,
    )


def network_inputs(experiment: ExperimentGraph, method: str, seed: int) -> dict[str, Job]:
    """Return the training jobs whose networks predict for a run, by role: networks/0,
    networks/1, ...

    A run that trains has its own network only. A post-hoc method uses networks of other runs.
    """
    return {
        f"networks/{number}": experiment.run(*run)
        for number, run in enumerate(experiment.networks(method, seed))
    }


def run_view(experiment: ExperimentGraph, method: str, seed: int) -> Path:
    """Return the folder below `results/<experiment>` in which people find the files of a run."""
    return experiment.results / "runs" / method / f"seed{seed}"


# Trainings


def train_jobs(experiment: ExperimentGraph) -> Iterator[Job]:
    """Yield a job per run of a method that trains."""
    for name, seed in experiment.runs:
        if experiment.posthoc(name):
            continue
        method = experiment.methods[name].method  # its fields are its parameters
        # The preprocessed images of both splits, and the runs with which the method compares its
        # own validation accuracy.
        inputs = {split: experiment.job(f"store/{split}") for split in ("train", "val")}
        for needed in method.references():
            inputs[f"references/{needed}"] = experiment.run(needed, seed)
        yield network_job(
            experiment,
            "train",
            name,
            seed,
            files=(*RUN_FILES, LEVELS_FILE) if method.learns_alphas else RUN_FILES,
            work=train_network,
            parameters=network_parameters(experiment) | {"method": method, "seed": seed},
            inputs=inputs,
            view=run_view(experiment, name, seed),
        )


def train_network(job: Job, folder: Path) -> None:
    """Train a network, or resume its training from the job's `scratch` folder, and write its files
    into `folder`.
    """
    import pandas as pd

    from pipeline_src.data.store import Store
    from pipeline_src.training.loop import train

    stores = {split: Store(job.inputs[split].folder) for split in ("train", "val")}
    report_overlap(stores)
    method = job.parameters["method"]
    accuracies = {}  # reference method -> its validation accuracy after each epoch
    for name in method.references():
        history = pd.read_csv(job.inputs[f"references/{name}"].folder / "history.csv")
        accuracies[name] = history["val_accuracy"].tolist()
    assert job.view
    run = train(
        stores["train"],
        stores["val"],
        settings(job),
        method,
        seed=job.parameters["seed"],
        work=job.scratch,
        name=job.options["title"],
        references=accuracies,
        trackers=job.view / "trackers" / job.fingerprint,
    )
    run.write(folder)
    warn_of_accuracy(job, folder)


# Fits


def fit_jobs(experiment: ExperimentGraph) -> Iterator[Job]:
    """Yield a job per run of a post-hoc method, with validation images if it fits to them."""
    for method, seed in experiment.runs:
        posthoc = experiment.posthoc(method)
        if posthoc is None:
            continue
        inputs = network_inputs(experiment, method, seed)
        if posthoc.fits:
            inputs["val"] = experiment.job("store/val")
        yield network_job(
            experiment,
            "fit",
            method,
            seed,
            files=("run.json",),
            work=fit_method,
            parameters=predictor_parameters(experiment, method, seed),
            inputs=inputs,
            view=run_view(experiment, method, seed),
        )


def fit_method(job: Job, folder: Path) -> None:
    """Fit a post-hoc method to the networks of its inputs, and write the fitted values."""
    from pipeline_src.data.store import Store

    images = Store(job.inputs["val"].folder) if "val" in job.inputs else None
    fitted = job.parameters["method"].fit(load_networks(job), images, settings(job))
    write_text(folder / "run.json", json.dumps({"fitted": fitted}, indent=2) + "\n")


# Networks of finished jobs


def settings(job: Job) -> Experiment:
    """Return the settings of a job that trains, fits or evaluates, in the form that functions of
    training and prediction take: an `Experiment` that lacks `data`, because a job sees no images
    but its inputs.
    """
    values: dict[str, Any] = {
        "image_size": job.parameters["image_size"],
        "augmentation": job.parameters["augmentation"],
        "model": job.options["model"],
        "training": job.parameters["training"].model_copy(update=job.options["machine"]),
    }
    if "batch_size" in job.parameters:  # that of predictions, which a training does not have
        values["evaluation"] = Evaluation(batch_size=job.parameters["batch_size"])
    return Experiment.model_construct(**values)


def load_networks(job: Job) -> list[DenseClassifier]:
    """Return the networks of a job's inputs `networks/0`, `networks/1`..., with their weights.

    These are the weights after the last epoch, or those averaged over the training where the
    setting `weights` of a post-hoc method is "averaged".
    """
    from pipeline_src.prediction.predict import load

    weights = getattr(job.parameters.get("method"), "weights", "last")
    name = "averaged.safetensors" if weights == "averaged" else "model.safetensors"
    networks = []
    for role, run in job.inputs.items():
        if role.startswith("networks/"):
            networks.append(load(run.folder / name, settings(job), job.parameters["classes"]))
    return networks


def load_predictor(job: Job) -> Predictor:
    """Return the predictor of an evaluation job: its networks, and the values fitted to them."""
    from pipeline_src.prediction.predict import Predictor

    plain = Predictor(load_networks(job))
    if "fit" not in job.inputs:  # the method is not post-hoc
        return plain
    fitted = json.loads((job.inputs["fit"].folder / "run.json").read_bytes())["fitted"]
    return replace(
        plain, method=job.parameters["method"], seed=job.parameters["seed"], fitted=fitted
    )
