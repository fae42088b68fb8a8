"""The numbers of an experiment: counts of all pixels (`evaluate`), and metrics (`analyse`)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pipeline_src.data import groups
from pipeline_src.pipeline.experiment import ExperimentGraph
from pipeline_src.pipeline.job import Job
from pipeline_src.pipeline.steps.data import report_overlap, with_groups
from pipeline_src.pipeline.steps.networks import (
    load_predictor,
    network_inputs,
    network_job,
    predictor_parameters,
    settings,
)

# Evaluations


def counts_file(split: str) -> str:
    """Return the name of the file in which an evaluation stores the counts of a split."""
    return f"{split}.npz"


def evaluate_jobs(experiment: ExperimentGraph) -> Iterator[Job]:
    """Yield a job per run, which evaluates it on all splits except the training images.

    The counts of a split depend on its own images and on the networks only (`depends_on`): after a
    new split is added, the counts of the other splits are copied. The names in the view
    (statistics/, statistic.npz) are those of earlier versions.
    """
    splits = list(experiment.facts.splits)
    for method, seed in experiment.runs:
        parameters = predictor_parameters(experiment, method, seed)
        if experiment.settings.evaluation.weighted_f:
            parameters["weighted_f"] = True
        networks = network_inputs(experiment, method, seed)
        if experiment.posthoc(method):
            networks["fit"] = experiment.run(method, seed)
        images = {f"store/{split}": experiment.job(f"store/{split}") for split in experiment.splits}
        yield network_job(
            experiment,
            "evaluate",
            method,
            seed,
            files=tuple(counts_file(split) for split in splits),
            work=evaluate_run,
            parameters=parameters,
            inputs=networks | images,
            view=experiment.results / "statistics" / method / f"seed{seed}",
            view_form="{stem}/statistic.npz",
            depends_on={counts_file(split): (*networks, f"store/{split}") for split in splits},
        )


def evaluate_run(job: Job, folder: Path) -> dict[str, float]:
    """Count the pixels of each split whose counts `folder` lacks; return the seconds by file.

    The training images are not evaluated. They are inputs because no test set may share an image
    with them, which `report_overlap` checks.
    """
    from pipeline_src.counting.storage import save
    from pipeline_src.data.store import Store
    from pipeline_src.prediction.evaluate import evaluate

    stores = {}
    for role, needed in job.inputs.items():
        if role.startswith("store/"):
            stores[role.removeprefix("store/")] = Store(needed.folder)
    seconds: dict[str, float] = {}
    predictor = None
    for split, images in stores.items():
        file = counts_file(split)
        if split not in ("train", "val"):  # a test set must share no image with these two
            report_overlap({"train": stores["train"], "val": stores["val"], split: images})
        if split == "train" or (folder / file).exists():
            continue
        predictor = predictor or load_predictor(job)  # not loaded if all counts were copied
        started = time.perf_counter()
        counts = evaluate(
            predictor,
            images,
            settings(job),
            f"{job.options['title']} on {split}",
            weighted=job.parameters.get("weighted_f", False),
        )
        save(counts, folder / file, {"fingerprint": job.file_fingerprints[file]})
        seconds[file] = time.perf_counter() - started
    return seconds


# Analyses


def analyse_jobs(experiment: ExperimentGraph) -> Iterator[Job]:
    """Yield a job per evaluated split: the metrics of all runs on the same resamples of its images.

    The job reads the counts of its split only (`reads`), so other splits do not change it.
    """
    facts = experiment.facts
    for split in facts.splits:
        entry = experiment.entry(split)
        prepared = experiment.job(f"prepare/{entry.name}")
        evaluations = {}
        for method, seed in facts.runs:
            evaluations[f"{method}/seed{seed}"] = experiment.evaluation(method, seed)
        job = Job(
            kind="analyse",
            name=f"analyse/{split}",
            files=("analysis.npz",),
            work=analyse_split,
            parameters={"split": split, "bins": facts.bins, "runs": facts.runs},
            inputs=evaluations,
            reads=counts_file(split),
            options={"groups": entry.groups, "unchecked": prepared.options["unchecked"]},
            view=experiment.results / "analysis" / split,
        )
        yield with_groups(job, entry, experiment.data_root) if entry.groups else job


def analyse_split(job: Job, folder: Path) -> None:
    """Compute the metrics of all runs on a split, on the same resamples of its images."""
    from pipeline_src.analysis.analyse import analyse

    files = {
        (method, seed): job.inputs[f"{method}/seed{seed}"].folder / job.reads
        for method, seed in job.parameters["runs"]
    }
    groups_of = None
    if job.options["groups"]:
        groups_of = partial(
            groups.numbers_of_samples, groups=job.options["groups"], file=job.options["grouped"]
        )
    analyse(
        job.parameters["split"],
        bins=job.parameters["bins"],
        runs=files,
        out=folder / job.files[0],
        groups_of=groups_of,
    )
