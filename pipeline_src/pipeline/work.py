"""The functions of the jobs up to the analyses: each reads the results of its job's inputs and
writes its files into an empty folder. `report` has those of the files for readers.

Libraries are imported inside, because a plan needs neither torch nor matplotlib. A function counts
in the fingerprints of its jobs with the definitions of this module that it uses (`fingerprint`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_src.data import groups, manifest
from pipeline_src.errors import UserError
from pipeline_src.files import write_text
from pipeline_src.params.schema import Evaluation, Experiment
from pipeline_src.pipeline.training_faults import warn_of_accuracy

if TYPE_CHECKING:
    from pipeline_src.data.store import Store
    from pipeline_src.pipeline.job import Job
    from pipeline_src.prediction.predict import Predictor
    from pipeline_src.training.classifier import DenseClassifier

log = logging.getLogger(__name__)
FAILED = "problems.failed.csv"  # in the view, where a preparation failed
# Settings on which results do not depend.
MACHINE: dict[str, Any] = {"device": "auto", "gpus": 0, "workers": 0, "trackers": []}


# Data


def prepare(job: Job, folder: Path) -> None:
    """Unpack, pair and verify a dataset. After a failure, the view holds the list of problems."""
    from pipeline_src.data.prepare import prepare

    assert job.view
    failed, options = job.view / FAILED, job.options
    try:
        places = (options["data_root"], options["unpacked"], folder)
        prepare(options["entry"], *places, job.parameters["on_problem"])
    except UserError as error:
        problems = folder / "problems.csv"
        if not problems.is_file():
            raise
        write_text(failed, problems.read_text(encoding="utf-8"))
        raise UserError(f"{error}\n  all problems: {failed}") from None
    failed.unlink(missing_ok=True)


def store(job: Job, folder: Path) -> None:
    """Decode and resize the images of a split."""
    from pipeline_src.data.build import build

    parameters, options, prepared = job.parameters, job.options, job.inputs["prepare"].folder
    places = (options["data_root"], options["unpacked"], prepared, parameters["size"], folder)
    build(parameters["part"], options["entry"], *places, parameters["label"])


def report_overlap(stores: Mapping[str, Store]) -> None:
    """Log byte-identical images of different names in two splits; UserError if two splits share a sample."""
    twins = manifest.check_disjoint({name: images.index for name, images in stores.items()})
    for (first, second), pairs in twins.items():
        shown = ", ".join(f"{a} = {b}" for a, b in pairs[:3])
        log.warning("%s and %s hold %d byte-identical images: %s", first, second, len(pairs), shown)


# Networks


def train(job: Job, folder: Path) -> None:
    """Train a network, or resume its training."""
    import pandas as pd

    from pipeline_src.data.store import Store
    from pipeline_src.training.loop import train

    parameters, stores = (
        job.parameters,
        {part: Store(job.inputs[part].folder) for part in ("train", "val")},
    )
    report_overlap(stores)
    method, seed = parameters["method"], parameters["seed"]
    histories = {
        name: job.inputs[f"references/{name}"].folder / "history.csv"
        for name in method.references()
    }
    accuracies = {
        name: pd.read_csv(file)["val_accuracy"].tolist() for name, file in histories.items()
    }
    name = job.options["title"]
    assert job.view
    run = train(
        stores["train"],
        stores["val"],
        settings(job),
        method,
        seed=seed,
        work=job.scratch,
        name=name,
        references=accuracies,
        trackers=job.view / "trackers" / job.fingerprint,
    )
    run.write(folder)
    warn_of_accuracy(job, folder)


def fit(job: Job, folder: Path) -> None:
    """Fit a post-hoc method on the validation images; run.json holds what was fitted."""
    from pipeline_src.data.store import Store

    images = Store(job.inputs["val"].folder) if "val" in job.inputs else None
    fitted = job.parameters["method"].fit(load_networks(job), images, settings(job))
    write_text(folder / "run.json", json.dumps({"fitted": fitted}, indent=2) + "\n")


def settings(job: Job) -> Experiment:
    """Return the settings that a job of networks knows, without `data`: a job sees only its inputs."""
    parameters, machine = job.parameters, {key: job.options[key] for key in MACHINE}
    values: dict[str, Any] = {key: parameters[key] for key in ("image_size", "augmentation")}
    values |= {
        "model": job.options["model"],
        "training": parameters["training"].model_copy(update=machine),
    }
    if "batch_size" in parameters:  # no training reads it
        values["evaluation"] = Evaluation(batch_size=parameters["batch_size"])
    return Experiment.model_construct(**values)


def load_networks(job: Job) -> list[DenseClassifier]:
    """Load the networks of a job's inputs `networks/0`, `networks/1`..."""
    from pipeline_src.prediction.predict import load

    weights = getattr(job.parameters.get("method"), "weights", "last")
    name = "averaged.safetensors" if weights == "averaged" else "model.safetensors"
    runs = [run for role, run in job.inputs.items() if role.startswith("networks/")]
    return [load(run.folder / name, settings(job), job.parameters["classes"]) for run in runs]


def predictor(job: Job) -> Predictor:
    """Return the predictor of an evaluation job: its networks, and the values fitted to them."""
    from pipeline_src.prediction.predict import Predictor

    plain = Predictor(load_networks(job))
    if "fit" not in job.inputs:
        return plain
    fitted = json.loads((job.inputs["fit"].folder / "run.json").read_bytes())["fitted"]
    return replace(
        plain, method=job.parameters["method"], seed=job.parameters["seed"], fitted=fitted
    )


# Numbers


def evaluate(job: Job, folder: Path) -> None:
    """Predict every image of a split once, and count."""
    from pipeline_src.data.store import Store
    from pipeline_src.prediction.evaluate import evaluate

    images = Store(job.inputs["part"].folder)
    if job.inputs["part"] is not job.inputs["val"]:
        stores = {name: Store(job.inputs[name].folder) for name in ("train", "val")}
        report_overlap(stores | {job.options["part"]: images})
    weighted = job.parameters.get("weighted_f", False)
    statistic = evaluate(
        predictor(job), images, settings(job), job.options["title"], weighted=weighted
    )
    statistic.save(folder / job.files[0], {"fingerprint": job.fingerprint})


def evaluations(job: Job, folder: Path) -> None:
    """List the evaluations of a run, which are computed with this job."""
    write_text(
        folder / job.files[0], "".join(f"{evaluation.key}\n" for evaluation in job.inputs.values())
    )


def analyse(job: Job, folder: Path) -> None:
    """Compute the metrics of all runs on a split, and resample its images once."""
    from pipeline_src.analysis.analyse import analyse

    parameters, options = job.parameters, job.options
    runs = {
        (method, seed): job.inputs[f"{method}/seed{seed}"] for method, seed in parameters["runs"]
    }
    pattern, file = options["groups"], options["grouped"]
    analyse(
        parameters["part"],
        parameters["bins"],
        {run: evaluated.paths[0] for run, evaluated in runs.items()},
        folder / job.files[0],
        groups_of=partial(groups.number_samples, groups=pattern, file=file) if pattern else None,
    )
