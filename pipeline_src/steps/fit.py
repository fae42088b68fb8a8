"""Post-hoc methods fitted on the validation images, in the place of training."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_src.engine.job import Job
from pipeline_src.files import reading, write_text
from pipeline_src.steps import job_names, networks

if TYPE_CHECKING:
    from pipeline_src.prediction.predict import Predictor
    from pipeline_src.steps.experiment import ExperimentGraph

log = logging.getLogger(__name__)


def job(experiment: ExperimentGraph, method: str, seed: int) -> Job:
    """The job of a run."""
    posthoc = experiment.posthoc(method)
    runs = [experiment.job(job_names.training(*run)) for run in experiment.networks(method, seed)]
    return Job(
        **networks.place(experiment, method, seed),
        files=("run.json",),
        work=work,
        parameters=parameters(experiment, method, seed),
        inputs={f"networks/{number}": run for number, run in enumerate(runs)}
        | ({"val": experiment.job("store/val")} if posthoc and posthoc.fits else {}),
        options=networks.options(experiment) | {"title": f"{method} seed {seed}"},
        **networks.code(experiment, method),
    )


def parameters(experiment: ExperimentGraph, method: str, seed: int) -> dict:
    """What predictions depend on besides weights; of a method that trains there is nothing else."""
    own = {"method": experiment.posthoc(method), "seed": seed} if experiment.posthoc(method) else {}
    return networks.parameters(experiment) | {"batch_size": experiment.settings.evaluation.batch_size} | own


def work(job: Job, folder: Path) -> None:
    """Fit; run.json in `folder` holds what was fitted."""
    from pipeline_src.data.store import Store
    from pipeline_src.training import callbacks

    for line in networks.notes(job):
        log.warning(line)
    store = Store(job.inputs["val"].folder) if "val" in job.inputs else None
    fitted = callbacks.fit(job.parameters["method"], networks.load(job), store, networks.settings(job))
    shown = ", ".join(f"{name} {value:.6g}" for name, value in numbers(fitted).items()) or "nothing to fit"
    log.info("%s: %s", job.options["title"], shown)
    write_text(folder / "run.json", json.dumps({"fitted": fitted}, indent=2) + "\n")


def read(file: Path) -> dict[str, Any]:
    """What was fitted, from run.json."""
    with reading(
        f"{file} does not say what was fitted",
        expected='{"fitted": {name: value}}',
        do=f"remove {file}, then start the command again",
        named=True,
    ):
        fitted = json.loads(file.read_bytes())["fitted"]
        if not isinstance(fitted, dict):
            raise TypeError(f"{type(fitted).__name__} in the place of a dict")
    return fitted


def predictor(job: Job) -> Predictor:
    """What predicts in a job of evaluation: its networks, and what was fitted to them."""
    from pipeline_src.prediction.predict import Predictor

    plain = Predictor(networks.load(job))
    if "fit" not in job.inputs:
        return plain
    fitted = read(job.inputs["fit"].folder / "run.json")
    return replace(plain, method=job.parameters["method"], seed=job.parameters["seed"], fitted=fitted)


def numbers(fitted: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of what was fitted, by name, down through dicts and lists of one element; longer lists and the
    version of a record are left out."""
    by_name: dict[str, float] = {}
    for name, value in fitted.items():
        while isinstance(value, list) and len(value) == 1:
            (value,) = value
        if isinstance(value, Mapping):
            by_name |= numbers(value)
        elif isinstance(value, int | float) and name != "version":
            by_name[name] = float(value)
    return by_name
