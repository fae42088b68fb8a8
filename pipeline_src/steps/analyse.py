"""The metrics of all runs on a part, resampled once: what tables, figures, claims and the report read."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_src.data import groups, lookup, manifest
from pipeline_src.engine.contract import file_digest
from pipeline_src.engine.job import Job
from pipeline_src.engine.stamp import Stamp
from pipeline_src.params.parts import Part
from pipeline_src.steps import job_names

if TYPE_CHECKING:
    from pipeline_src.steps.experiment import ExperimentGraph


def jobs(experiment: ExperimentGraph) -> Iterator[Job]:
    """A job per evaluated part."""
    for part in experiment.facts.parts:
        names = lookup.benchmark_file(experiment.entry(part), experiment.data_root)
        job = _job(experiment, part, names, file_digest(names) if names else None)
        # Where results were pulled without data, what was made with the list of names stays current without it.
        stamps = [] if names else [stamp for path in job.stamps() if (stamp := Stamp.read(path))]
        made = [_job(experiment, part, None, stamp.ingredients["parameters"]["names"]) for stamp in stamps]
        yield next((other for other in made if other.current), job)


def _job(experiment: ExperimentGraph, part: str, names: Path | None, digest: str | None) -> Job:
    facts, entry = experiment.facts, experiment.entry(part)
    grouped = groups.find(entry.groups, experiment.data_root)
    evaluated = {f"{m}/seed{seed}": experiment.job(job_names.evaluation(m, seed, part)) for m, seed in facts.runs}
    return Job(
        kind="analyse",
        name=job_names.analysis(part),
        folder=experiment.results / "analysis",
        stem=part,
        files=(f"{part}.npz",),
        work=work,
        parameters={
            "part": part,
            "bins": facts.bins,
            "runs": facts.runs,
            "images": experiment.used_parts[part][0],
            "names": digest,
            **({"list": entry.benchmark_list} if entry.benchmark_list else {}),
            # None of the sets without groups is analysed anew.
            **({"groups": file_digest(grouped) if grouped else entry.groups} if entry.groups else {}),
        },
        inputs={**evaluated, "prepare": experiment.job(job_names.preparation(entry.name))},
        options={"names": names, "groups": entry.groups, "grouped": grouped},
    )


def work(job: Job, folder: Path) -> None:
    """Analyse the statistics of all runs."""
    from pipeline_src.analysis.analyse import analyse

    of, grouped = job.parameters, job.options["groups"]
    runs = {(method, seed): job.inputs[f"{method}/seed{seed}"] for method, seed in of["runs"]}
    analyse(
        of["part"],
        of["bins"],
        {run: evaluated.paths[0] for run, evaluated in runs.items()},
        folder / job.files[0],
        groups_of=partial(groups.number, groups=grouped, file=job.options["grouped"]) if grouped else None,
        note=coverage(of["images"], job.inputs["prepare"].folder, job.options["names"], of.get("list", "")),
    )


def coverage(part: Part, prepared: Path, names: Path | None, title: str) -> str:
    """How many of the images that others report numbers on are in a part; empty if it is those, or nothing is known.

    Args:
        prepared: folder of the set's manifest.
        names: file with the names of these images.
        title: how the list is called.
    """
    if names is None or not (prepared / "manifest.csv").is_file():
        return ""
    wanted, here = set(lookup.read_name_list(names)), {row.stem for row in manifest.select(part, prepared)}
    if wanted == here:
        return ""
    return f"{len(wanted & here):,} of its {len(here):,} images are among the {len(wanted):,} of {title}."
