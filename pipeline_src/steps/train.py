"""Networks trained, and post-hoc methods fitted in the place of that."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_src.engine.job import Job
from pipeline_src.steps import fit, networks

if TYPE_CHECKING:
    from pipeline_src.steps.experiment import ExperimentGraph

FILES = ("model.safetensors", "history.csv", "timing.csv", "run.json")


def jobs(experiment: ExperimentGraph) -> Iterator[Job]:
    """A job per run."""
    for method, seed in experiment.runs:
        yield (fit.job if experiment.posthoc(method) else _job)(experiment, method, seed)


def _job(experiment: ExperimentGraph, method: str, seed: int) -> Job:
    from pipeline_src.training.models.source import own_weights

    model, chosen = experiment.settings.model, experiment.methods[method].method
    references = {f"references/{name}": experiment.job(f"train/{name}/seed{seed}") for name in chosen.references()}
    weights = own_weights(model.network) if model.pretrained else ()
    return Job(
        *networks.place(experiment, method, seed),
        (*FILES, "alpha.csv") if chosen.learns else FILES,
        work,
        parameters=networks.parameters(experiment) | {"method": chosen, "seed": seed},
        inputs={part: experiment.job(f"store/{part}") for part in ("train", "val")} | references,
        options=networks.options(experiment)
        | {
            "title": f"{method} seed {seed}",
            "verb": ["train", "--method", method, "--seed", str(seed), "--experiment", experiment.name],
        },
        **networks.code(experiment, method),
        other_files={f"weights/{number}": file for number, file in enumerate(weights)},
    )


def work(job: Job, folder: Path) -> None:
    """Train, or go on where it was stopped; on several devices in a process each."""
    from pipeline_src.training.distributed import launch

    if job.parameters["ranks"] > 1:
        launch(job.options["verb"], job.parameters["ranks"], folder)
    else:
        train_into(job, folder)


def train_into(job: Job, folder: Path) -> None:
    """The training itself, in this process (one rank of several); files go into `folder`."""
    import pandas as pd

    from pipeline_src.data.store import Store
    from pipeline_src.training.loop import train

    of, stores = job.parameters, {part: job.inputs[part].folder for part in ("train", "val")}
    networks.report_overlap(**stores)
    accuracies = {
        name: pd.read_csv(job.inputs[f"references/{name}"].folder / "history.csv")["val_accuracy"].tolist()
        for name in of["method"].references()
    }
    one, two = (Store.open(folder) for folder in stores.values())
    settings, name, facts = networks.settings(job), job.options["title"], networks.facts(job)
    run = train(one, two, settings, of["method"], of["seed"], job.scratch, name, accuracies, facts)
    if int(os.environ.get("RANK", 0)) == 0:
        run.write(folder)
