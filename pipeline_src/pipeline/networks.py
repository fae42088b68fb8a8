"""The networks of a job: settings, weights and fitted values."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_src.params.schema import Evaluation, Experiment

if TYPE_CHECKING:
    from pipeline_src.data.store import Store
    from pipeline_src.pipeline.job import Job
    from pipeline_src.prediction.predict import Predictor
    from pipeline_src.training.classifier import DenseClassifier

log = logging.getLogger(__name__)

# Settings of the machine, on which results do not depend.
MACHINE = {"device": "auto", "gpus": 0, "workers": 0}


def settings(job: Job) -> Experiment:
    """Return the settings that a job knows, without `data`: a job sees only its inputs."""
    parameters, machine = job.parameters, {key: job.options[key] for key in MACHINE}
    values: dict[str, Any] = {key: parameters[key] for key in ("image_size", "augmentation")}
    values |= {"model": job.options["model"], "training": parameters["training"].model_copy(update=machine)}
    values["evaluation"] = Evaluation(batch_size=parameters["batch_size"])
    return Experiment.model_construct(**values)


def facts(run: Job) -> dict[str, Any]:
    """Return facts that identify the network of a training job, for its checkpoints and model.safetensors.

    They name no experiment, method entry or split, because several may share the run."""
    from pipeline_src.training.models.build import description

    parameters = run.parameters
    return {
        **description(run.options["model"].network, parameters["image_size"], parameters["classes"]),
        "method": type(parameters["method"]).__name__,
        "parameters": run.ingredients["parameters"]["method"],
        "seed": parameters["seed"],
        "fingerprint": run.fingerprint,
    }


def load(job: Job) -> list[DenseClassifier]:
    """Load the networks of a job's inputs `networks/0`, `networks/1`..."""
    from pipeline_src.prediction.predict import load

    weights = getattr(job.parameters.get("method"), "weights", "last")
    name = "averaged.safetensors" if weights == "averaged" else "model.safetensors"
    runs = [run for role, run in job.inputs.items() if role.startswith("networks/")]
    return [load(run.folder / name, settings(job), job.parameters["classes"]) for run in runs]


def predictor(job: Job) -> Predictor:
    """Return the predictor of an evaluation job: its networks, and the values fitted to them."""
    from pipeline_src.prediction.predict import Predictor

    plain = Predictor(load(job))
    if "fit" not in job.inputs:
        return plain
    fitted = read_fitted(job.inputs["fit"].folder / "run.json")
    return replace(plain, method=job.parameters["method"], seed=job.parameters["seed"], fitted=fitted)


def read_fitted(file: Path) -> dict[str, Any]:
    """Return the fitted values of a post-hoc method, from run.json."""
    return dict(json.loads(file.read_bytes())["fitted"])


def numbers(fitted: Mapping[str, Any]) -> dict[str, float]:
    """Return the fitted numbers by name, also from nested mappings and lists of one element. Longer lists and the
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


def report_overlap(stores: Mapping[str, Store]) -> None:
    """Log images that parts share under different names; raise a UserError if parts share a sample."""
    from pipeline_src.data import manifest

    for line in shared_images(manifest.check_disjoint({name: store.index for name, store in stores.items()})):
        log.warning(line)


def shared_images(twins: Mapping[tuple[str, str], list[tuple[str, str]]]) -> list[str]:
    """Return a line for each two parts with byte-identical images under different names (`manifest.check_disjoint`)."""
    lines = []
    for (first, second), pairs in twins.items():
        shown = ", ".join(f"{a} = {b}" for a, b in pairs[:3])
        lines.append(f"{first} and {second} hold {len(pairs)} byte-identical images under different names: {shown}")
    return lines
