"""The files for readers: jobs of tables, figures, claims and the report, and the content of the report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_src.claims import CLAIM_FILES
from pipeline_src.data import catalog
from pipeline_src.errors import few
from pipeline_src.figures.registry import figure_files
from pipeline_src.pipeline import job_names, networks, work
from pipeline_src.pipeline.experiment import ExperimentGraph
from pipeline_src.pipeline.fingerprint import digest
from pipeline_src.pipeline.job import Job
from pipeline_src.pipeline.work import results
from pipeline_src.python_source import ROOT
from pipeline_src.tables import table_files
from pipeline_src.tables.several_experiments import judged_files, judged_table
from pipeline_src.versions import commit, installed

if TYPE_CHECKING:
    from pipeline_src.analysis.facts import Facts

SHOWN_VERSIONS = ("python", "dense-calibration", "torch", "onedl-mmengine", "onedl-mmsegmentation", "timm", "numpy")


def shown_jobs(experiment: ExperimentGraph) -> Iterator[Job]:
    """Yield the jobs of files for readers: tables, figures, claims and the report."""
    facts = experiment.facts
    analyses = {job.name: job for job in experiment.of_kinds("analyse")}
    runs = {name: experiment.job(name) for name in (job_names.training(*run) for run in facts.runs)}
    learned = {name: runs[name] for name in (job_names.training(*r) for r in facts.runs if r[0] in facts.learned)}
    stores = {job.name: job for job in experiment.of_kinds("store")}
    examples = {name: experiment.job(name) for name in work.example_names(facts).values()}
    tables = Job("tables", "tables", tuple(table_files()), work.tables, {"facts": facts}, analyses)
    tables = replace(tables, view=experiment.results / "tables")
    figures = Job(
        kind="figures",
        name="figures",
        files=tuple(figure_files(facts)),
        work=work.figures,
        parameters={"facts": facts},
        inputs=analyses | runs | examples | stores,
        other_files={f"style/{file.name}": file for file in sorted((ROOT / "figures").glob("*.mplstyle"))},
        view=experiment.results / "figures",
    )
    yield from (tables, figures)
    claims = Job("claims", "claims", tuple(CLAIM_FILES), work.claims, {"facts": facts}, analyses | learned)
    claims = replace(claims, view=experiment.results)
    yield claims
    yield _report(experiment, [*experiment.of_kinds("train", "store", "analyse"), figures, claims])


def _report(experiment: ExperimentGraph, shown: Iterable[Job]) -> Job:
    pages = sorted(file for file in (ROOT / "report").rglob("*") if file.suffix in (".j2", ".css", ".js"))
    judged = {f"judged/{file.relative_to(experiment.judged)}": file for file in judged_files(experiment.judged)}
    parts = {name: part for name, (part, _) in experiment.stored_parts.items()}
    ideas = _own_ideas(experiment)
    return Job(
        kind="report",
        name="report",
        files=("report.html",),
        work=write,
        parameters={"facts": experiment.facts, "parts": parts} | ({"ideas": ideas} if ideas else {}),
        inputs={job.name: job for job in shown},
        options={"settings": experiment.settings, "judged": experiment.judged, "command": experiment.command}
        | {"task": experiment.entry("train").task},
        other_files={f"page/{file.name}": file for file in pages} | judged,
        view=experiment.results,
        varying=("report.html",),
    )


def _own_ideas(experiment: ExperimentGraph) -> dict[str, str]:
    """Return the idea of each user's method from its docstring, by the entry of the method."""
    from pipeline_src.training.registry import own_idea

    ideas = {name: own_idea(type(entry.method)) for name, entry in experiment.methods.items() if entry.file}
    return {name: idea for name, idea in ideas.items() if idea}


def write(job: Job, folder: Path) -> None:
    """Write the page."""
    from pipeline_src.report.page import write_report

    claims, judged = job.inputs["claims"].paths[0], job.options["judged"]
    write_report(
        results(job),
        figures=job.inputs["figures"].folder,
        out=folder / job.files[0],
        params=job.options["settings"].model_dump(mode="json"),
        made=provenance(job),
        data=[store_facts(job, name) for name in job.parameters["parts"]],
        fitted=fitted(job),
        judged=judged_table(judged).printed() if judged_files(judged) else None,
        described=described(job.parameters["facts"], job.parameters.get("ideas", {})),
        command=job.options["command"],
        task=catalog.tasks().get(job.options["task"], ""),
        claims=json.loads(claims.read_text(encoding="utf-8")),
    )


def provenance(job: Job) -> dict[str, str]:
    """Return the provenance that the report shows: date, commit, versions, and facts about reused results."""
    date = {"written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "commit": commit()}
    known = date | {package: installed(package) for package in SHOWN_VERSIONS} | _result_facts(job)
    return {name: text for name, text in known.items() if text}


def fitted(job: Job) -> dict[tuple[str, int], dict[str, float]]:
    """Return the fitted values of the post-hoc methods among a job's inputs: (method, seed) -> name -> value."""
    facts = job.parameters["facts"]
    fits = {run: job.inputs[job_names.training(*run)] for run in facts.runs if run[0] not in facts.trained}
    return {run: networks.numbers(networks.read_fitted(job.paths[0])) for run, job in fits.items()}


def described(facts: Facts, ideas: Mapping[str, str] | None = None) -> dict[str, dict[str, str]]:
    """Return a description of each method: entry of `methods:` -> `title` and `idea`."""
    from pipeline_src.training.registry import described

    texts = {name: described(method.code, method.parameters, facts.epochs) for name, method in facts.methods.items()}
    texts |= {name: {"title": name, "idea": idea} for name, idea in (ideas or {}).items()}
    return {name: text for name, text in texts.items() if text}


def store_facts(job: Job, name: str) -> dict[str, Any]:
    """Return what the report shows of a split: its source, number of images and a hash of all images."""
    from pipeline_src.data.store import Store

    images, role = Store(job.inputs[job_names.store(name)].folder), job.parameters["facts"].parts.get(name, name)
    hashed = digest([[row.id, row.sha256_image, row.sha256_mask] for row in images.index])
    return {
        "part": name,
        "role": role,
        "from": str(job.parameters["parts"][name]),
        "images": len(images),
        "hash": hashed,
    }


def _result_facts(job: Job) -> dict[str, str]:
    """Return remarks on the results in the report: library versions that differ from the installed ones, and results
    that `keep` reused from another fingerprint."""
    manifests = {
        name: manifest for name, made in with_inputs(job.inputs.values()).items() if (manifest := made.manifest)
    }
    differing: dict[str, list[str]] = {}
    for name, manifest in manifests.items():
        for library, version in manifest.made.get("versions", {}).items():
            if version != (present := installed(library)):
                differing.setdefault(f"{library} {version} (here {present or 'none'})", []).append(name)
    kept = {name: manifest.kept for name, manifest in manifests.items() if manifest.kept}
    reasons = sorted({f"{entry['why']} ({entry['time']})" for entries in kept.values() for entry in entries})
    facts = {
        "made with other versions": "; ".join(f"{version}: {few(names, 5)}" for version, names in differing.items()),
        "kept results": f"{', '.join(kept)}: {'; '.join(reasons)}" if kept else "",
    }
    return {name: text for name, text in facts.items() if text}


def with_inputs(jobs: Iterable[Job]) -> dict[str, Job]:
    """Return jobs and all their inputs, direct or not, by name."""
    found: dict[str, Job] = {}
    queue = list(jobs)
    while queue:
        job = queue.pop()
        if job.name not in found:
            found[job.name] = job
            queue += job.inputs.values()
    return dict(sorted(found.items()))
