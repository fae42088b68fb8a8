"""Post-hoc methods fitted on the validation images, in the place of training."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_src.engine.job import Job
from pipeline_src.files import write_text
from pipeline_src.steps import job_names, networks
from pipeline_src.steps.predictors import numbers, parameters

if TYPE_CHECKING:
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
        | ({"val": experiment.job(job_names.store("val"))} if posthoc and posthoc.fits else {}),
        options=networks.options(experiment) | {"title": f"{method} seed {seed}"},
        **networks.code(experiment, method),
    )


def work(job: Job, folder: Path) -> None:
    """Fit; run.json in `folder` holds what was fitted."""
    from pipeline_src.data.store import Store
    from pipeline_src.training import callbacks

    store = Store(job.inputs["val"].folder) if "val" in job.inputs else None
    fitted = callbacks.fit(job.parameters["method"], networks.load(job), store, networks.settings(job))
    shown = ", ".join(f"{name} {value:.6g}" for name, value in numbers(fitted).items()) or "nothing to fit"
    log.info("%s: %s", job.options["title"], shown)
    write_text(folder / "run.json", json.dumps({"fitted": fitted}, indent=2) + "\n")
