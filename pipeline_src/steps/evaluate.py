"""Runs evaluated: every image of a part predicted once, and counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_src.engine.job import Job
from pipeline_src.steps import job_names, networks, predictors

if TYPE_CHECKING:
    from pipeline_src.data.store import Store
    from pipeline_src.steps.experiment import ExperimentGraph


def jobs(experiment: ExperimentGraph) -> Iterator[Job]:
    """A job per run and evaluated part; its files are the statistic, and example maps for figures."""
    for method, seed in experiment.runs:
        for part in experiment.facts.parts:
            yield _job(experiment, method, seed, part)


def _job(experiment: ExperimentGraph, method: str, seed: int, part: str) -> Job:
    runs = [experiment.job(job_names.training(*run)) for run in experiment.networks(method, seed)]
    fitted = {"fit": experiment.job(job_names.training(method, seed))} if experiment.posthoc(method) else {}
    corruption = experiment.corruptions.get(part)
    return Job(
        kind="evaluate",
        name=job_names.evaluation(method, seed, part),
        folder=experiment.results / "statistics" / method / f"seed{seed}",
        stem=part,
        files=(f"{part}.npz", f"{part}.examples.npz"),
        work=work_corrupted if corruption else work,
        parameters=predictors.parameters(experiment, method, seed)
        | ({"corruption": (corruption.name, corruption.severity)} if corruption else {}),
        inputs={f"networks/{number}": run for number, run in enumerate(runs)}
        | fitted
        | {"part": experiment.job(job_names.store(experiment.stored_name(part)))}
        | {of: experiment.job(job_names.store(of)) for of in ("train", "val")},
        options=networks.options(experiment) | {"part": part, "title": f"{method} seed {seed} on {part}"},
        **networks.code(experiment, method),
    )


def work(job: Job, folder: Path) -> None:
    """Write the statistic and the example maps."""
    from pipeline_src.data.store import Store

    _evaluate(job, folder, Store(job.inputs["part"].folder))


def work_corrupted(job: Job, folder: Path) -> None:
    """As `work`, of images that are corrupted when they are read. It is apart, so that the code of corruptions concerns
    these evaluations alone."""
    from pipeline_src.prediction.corruptions import CorruptedStore

    _evaluate(job, folder, CorruptedStore(job.inputs["part"].folder, *job.parameters["corruption"]))


def _evaluate(job: Job, folder: Path, store: Store) -> None:
    from pipeline_src.data.store import Store
    from pipeline_src.prediction import examples
    from pipeline_src.prediction.evaluate import evaluate

    if job.inputs["part"] is not job.inputs["val"]:
        stores = {name: Store(job.inputs[name].folder) for name in ("train", "val")}
        networks.report_overlap(stores | {job.options["part"]: store}, {})
    statistic, shown = evaluate(predictors.predictor(job), store, networks.settings(job), job.options["title"])
    statistic.save(folder / job.files[0], {"contract": job.contract})
    examples.write(folder / job.files[1], shown)
