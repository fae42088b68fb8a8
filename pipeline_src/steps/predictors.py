"""What predicts in an evaluation: the networks of a run, and what was fitted to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_src.engine.job import Job
from pipeline_src.files import reading
from pipeline_src.steps import networks

if TYPE_CHECKING:
    from pipeline_src.prediction.predict import Predictor
    from pipeline_src.steps.experiment import ExperimentGraph


def parameters(experiment: ExperimentGraph, method: str, seed: int) -> dict:
    """What predictions depend on besides weights; of a method that trains there is nothing else."""
    own = {"method": experiment.posthoc(method), "seed": seed} if experiment.posthoc(method) else {}
    return networks.parameters(experiment) | {"batch_size": experiment.settings.evaluation.batch_size} | own


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
