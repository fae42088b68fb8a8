"""Networks trained, and post-hoc methods fitted in the place of that."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_src.engine.job import Job
from pipeline_src.errors import UserError
from pipeline_src.params.schema import Evaluation
from pipeline_src.steps import fit, job_names, networks

if TYPE_CHECKING:
    from pipeline_src.steps.experiment import ExperimentGraph

log = logging.getLogger(__name__)
FILES = ("model.safetensors", "averaged.safetensors", "history.csv", "timing.csv", "run.json")


def jobs(experiment: ExperimentGraph) -> Iterator[Job]:
    """A job per run."""
    for method, seed in experiment.runs:
        yield (fit.job if experiment.posthoc(method) else _job)(experiment, method, seed)


def _job(experiment: ExperimentGraph, method: str, seed: int) -> Job:
    chosen = experiment.methods[method].method
    references = {f"references/{name}": experiment.job(job_names.training(name, seed)) for name in chosen.references()}
    code = networks.code(experiment, method)
    code["other_files"] |= {f"weights/{number}": file for number, file in enumerate(experiment.own_weights)}
    return Job(
        **networks.place(experiment, method, seed),
        files=(*FILES, "alpha.csv") if chosen.learns else FILES,
        work=work,
        # Validation has a batch size of its own: that of `evaluation` may change without a new training.
        parameters=networks.parameters(experiment)
        | {"method": chosen, "seed": seed, "batch_size": Evaluation().batch_size},
        inputs={part: experiment.job(job_names.store(part)) for part in ("train", "val")} | references,
        options=networks.options(experiment)
        | {
            "title": f"{method} seed {seed}",
            "tests": networks.tests(experiment),
            "trackers": experiment.trackers,
            "tracked": {
                "folder": experiment.results / "trackers" / method / f"seed{seed}",
                "names": {"experiment": experiment.name, "method": method, "seed": seed},
            },
            "command": ["train", "--method", method, "--seed", str(seed), "--experiment", experiment.name],
        },
        **code,
        varying=("timing.csv",),
    )


def work(job: Job, folder: Path) -> None:
    """Train, or go on where it was stopped; on several devices in a process each."""
    from pipeline_src.training.distributed import launch
    from pipeline_src.training.run_checks import check_gpus

    check_gpus(networks.settings(job).training)
    if job.parameters["ranks"] > 1:
        launch([*job.options["command"], "--contract", job.contract], job.parameters["ranks"], folder)
    else:
        train_into(job, folder)


def train_into(job: Job, folder: Path) -> None:
    """The training itself, in this process (one rank of several); files go into `folder`."""
    from pipeline_src.data.store import Store
    from pipeline_src.training.loop import train
    from pipeline_src.training.trackers import trackers

    of, stores = job.parameters, [Store(job.inputs[part].folder) for part in ("train", "val")]
    if main := int(os.environ.get("RANK", 0)) == 0:
        networks.report_overlap(dict(zip(("train", "val"), stores, strict=True)), job.options["tests"])
    references = {name: job.inputs[f"references/{name}"].folder / "history.csv" for name in of["method"].references()}
    accuracies = {name: _accuracies(file) for name, file in references.items()}
    settings, name, facts = networks.settings(job), job.options["title"], networks.facts(job)
    with trackers(job.options["trackers"] if main else [], **job.options["tracked"]) as tracking:
        run = train(
            stores[0], stores[1], settings, of["method"], of["seed"], job.scratch, name, accuracies, facts, tracking.add
        )
    if main:
        run.write(folder)


def _accuracies(history: Path) -> list[float]:
    """Validation accuracies by epoch."""
    import pandas as pd

    try:
        return pd.read_csv(history)["val_accuracy"].astype(float).tolist()
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{history} does not hold validation accuracies",
            found=f"{type(error).__name__}: {error}",
            expected="a column val_accuracy, of numbers",
            do=f"remove {history}, then start the command again",
        ) from None
