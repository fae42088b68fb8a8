"""The functions of the jobs: each reads the results of its job's inputs and writes its files into an empty folder.

Libraries are imported inside, because a plan needs neither torch nor matplotlib. A function counts in the fingerprints
of its jobs with the definitions of this module that it uses (`fingerprint`).
"""

from __future__ import annotations

import json
import logging
import os
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_src.data import groups
from pipeline_src.errors import UserError
from pipeline_src.files import write_text
from pipeline_src.pipeline import job_names, networks

if TYPE_CHECKING:
    from pipeline_src.analysis.facts import Facts
    from pipeline_src.analysis.results import Results
    from pipeline_src.data.store import Store
    from pipeline_src.pipeline.job import Job

log = logging.getLogger(__name__)
FAILED = "problems.failed.csv"  # in the view, where a preparation failed
LOW = 0.2  # validation accuracy below which masks may be inverted
LARGE = 1e3  # training loss of a diverged training
BATCH = "evaluated.txt"


# Data


def prepare(job: Job, folder: Path) -> None:
    """Unpack, pair and verify a dataset. If that fails, the list of problems is kept in the view."""
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
    """Decode and resize the images of a part."""
    from pipeline_src.data.build import build

    parameters, options, prepared = job.parameters, job.options, job.inputs["prepare"].folder
    places = (options["data_root"], options["unpacked"], prepared, parameters["size"], folder)
    build(parameters["part"], options["entry"], *places, parameters["label"])


# Networks


def train(job: Job, folder: Path) -> None:
    """Train, or resume; on several devices in a process each."""
    from pipeline_src.training import machine

    machine.check_gpus(networks.settings(job).training)
    if job.parameters["ranks"] > 1:
        command = ["run-job", job.key, "--experiment", job.options["experiment"]]
        machine.launch_ranks(command, job.parameters["ranks"], folder)
    else:
        train_into(job, folder)
    _warn_of_accuracy(job, folder)


def train_into(job: Job, folder: Path) -> None:
    """Train in this process, which may be one rank of several, and write the files into `folder`."""
    from pipeline_src.data.store import Store
    from pipeline_src.training.loop import train

    parameters, stores = job.parameters, {part: Store(job.inputs[part].folder) for part in ("train", "val")}
    is_main = int(os.environ.get("RANK", 0)) == 0
    if is_main:
        networks.report_overlap(stores)
    method, seed = parameters["method"], parameters["seed"]
    accuracies = {name: _accuracies(job.inputs[f"references/{name}"].folder) for name in method.references()}
    settings, name, facts = networks.settings(job), job.options["title"], networks.facts(job)
    run = train(stores["train"], stores["val"], settings, method, seed, job.scratch, name, accuracies, facts)
    if is_main:
        run.write(folder)


def _accuracies(run: Path) -> list[float]:
    """Return the validation accuracies of a run by epoch."""
    import pandas as pd

    return pd.read_csv(run / "history.csv")["val_accuracy"].astype(float).tolist()


def _warn_of_accuracy(job: Job, folder: Path) -> None:
    """Warn of the two faults of a training that end without an error: inverted masks, and divergence."""
    import pandas as pd

    last, title = pd.read_csv(folder / "history.csv").iloc[-1], job.options["title"]
    accuracy, loss = float(last["val_accuracy"]), float(last["loss"])
    if not loss < LARGE:
        log.warning("%s: the training diverged: loss %.3g, validation accuracy %.1f %%", title, loss, 100 * accuracy)
    elif accuracy < LOW and job.parameters["classes"] == 2:
        log.warning("%s: validation accuracy %.1f %%. Masks may be inverted.", title, 100 * accuracy)


def fit(job: Job, folder: Path) -> None:
    """Fit a post-hoc method on the validation images; run.json holds what was fitted."""
    from pipeline_src.data.store import Store
    from pipeline_src.training import callbacks

    images = Store(job.inputs["val"].folder) if "val" in job.inputs else None
    fitted = callbacks.fit(job.parameters["method"], networks.load(job), images, networks.settings(job))
    values = ", ".join(f"{name} {value:.6g}" for name, value in networks.numbers(fitted).items()) or "nothing to fit"
    log.info("%s: %s", job.options["title"], values)
    write_text(folder / "run.json", json.dumps({"fitted": fitted}, indent=2) + "\n")


# Numbers


def evaluate(job: Job, folder: Path) -> None:
    """Predict every image of a part once, and count."""
    from pipeline_src.data.store import Store

    _evaluate(job, folder, Store(job.inputs["part"].folder))


def evaluate_corrupted(job: Job, folder: Path) -> None:
    """Evaluate on images that are corrupted when they are read. Other evaluations do not depend on that code."""
    from pipeline_src.prediction.corruptions import CorruptedStore

    _evaluate(job, folder, CorruptedStore(job.inputs["part"].folder, *job.parameters["corruption"]))


def _evaluate(job: Job, folder: Path, images: Store) -> None:
    from pipeline_src.data.store import Store
    from pipeline_src.prediction import examples
    from pipeline_src.prediction.evaluate import evaluate

    if job.inputs["part"] is not job.inputs["val"]:
        stores = {name: Store(job.inputs[name].folder) for name in ("train", "val")}
        networks.report_overlap(stores | {job.options["part"]: images})
    statistic, shown = evaluate(networks.predictor(job), images, networks.settings(job), job.options["title"])
    statistic.save(folder / job.files[0], {"fingerprint": job.fingerprint})
    examples.write(folder / job.files[1], shown)


def evaluations(job: Job, folder: Path) -> None:
    """List the evaluations of a run, which are computed with this job."""
    write_text(folder / BATCH, "".join(f"{evaluation.key}\n" for evaluation in job.inputs.values()))


def analyse(job: Job, folder: Path) -> None:
    """Compute the metrics of all runs on a part, and resample its images once."""
    from pipeline_src.analysis.analyse import analyse

    parameters, options = job.parameters, job.options
    runs = {(method, seed): job.inputs[f"{method}/seed{seed}"] for method, seed in parameters["runs"]}
    pattern, file = options["groups"], options["grouped"]
    analyse(
        parameters["part"],
        parameters["bins"],
        {run: evaluated.paths[0] for run, evaluated in runs.items()},
        folder / job.files[0],
        groups_of=partial(groups.number, groups=pattern, file=file) if pattern else None,
    )


# Files for readers


def tables(job: Job, folder: Path) -> None:
    """Write the tables."""
    from pipeline_src.tables.write import write_tables

    write_tables(results(job), folder)


def claims(job: Job, folder: Path) -> None:
    """Judge the paper's claims."""
    from pipeline_src.claims.write import write_claims

    runs = {run: job_names.training(*run) for run in job.parameters["facts"].runs}
    alphas = {run: job.inputs[name].folder / "alpha.csv" for run, name in runs.items() if name in job.inputs}
    write_claims(results(job), alphas, folder)


def figures(job: Job, folder: Path) -> None:
    """Draw the figures."""
    from pipeline_src import processes
    from pipeline_src.figures.registry import draw
    from pipeline_src.figures.types import Sources

    facts = job.parameters["facts"]
    runs = {run: job.inputs[job_names.training(*run)].folder for run in facts.runs}
    sources = Sources(
        alphas={run: folder / "alpha.csv" for run, folder in runs.items() if run[0] in facts.learned},
        histories={run: folder / "history.csv" for run, folder in runs.items() if run[0] in facts.trained},
        examples={key: job.inputs[name].paths[1] for key, name in example_names(facts).items()},
        stores={name.removeprefix("store/"): it.folder for name, it in job.inputs.items() if it.kind == "store"},
    )
    count = job.options.get("processes", 1)
    with processes.pool(count) if count > 1 else nullcontext() as pool:
        draw(results(job), sources, folder, pool)


def example_names(facts: Facts) -> dict[tuple[str, str], str]:
    """Return the evaluations whose example maps are drawn, those of the first seed, by (method, part)."""
    return {
        (method, part): job_names.evaluation(method, facts.seeds[0], part)
        for method in facts.methods
        for part in facts.tests
    }


def results(job: Job) -> Results:
    """Return the results of the analyses among the inputs of a job."""
    from pipeline_src.analysis.results import Results

    facts = job.parameters["facts"]
    return Results(facts, {part: job.inputs[job_names.analysis(part)].paths[0] for part in facts.parts})
