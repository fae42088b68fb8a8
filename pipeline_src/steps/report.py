"""The report: one page with all of it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_src.data import catalog
from pipeline_src.engine.adopt import adoptions
from pipeline_src.engine.code import digest
from pipeline_src.engine.explain import other_versions
from pipeline_src.engine.graph import with_inputs
from pipeline_src.engine.job import Job
from pipeline_src.errors import few
from pipeline_src.python_source import ROOT
from pipeline_src.steps import job_names, predictors
from pipeline_src.steps.job_results import analyses, costs, results
from pipeline_src.tables.several_experiments import judged_files, judged_table

if TYPE_CHECKING:
    from pipeline_src.analysis.facts import Facts
    from pipeline_src.steps.experiment import ExperimentGraph


def jobs(experiment: ExperimentGraph) -> Iterator[Job]:
    """The one job."""
    made = [*experiment.of_kinds("train", "store"), *map(experiment.job, ("tables", "figures", "claims"))]
    files = sorted(file for file in (ROOT / "report").rglob("*") if file.suffix in (".j2", ".css", ".js"))
    judged = {f"judged/{file.relative_to(experiment.judged)}": file for file in judged_files(experiment.judged)}
    yield Job(
        kind="report",
        name="report",
        folder=experiment.results,
        stem="report",
        files=("report.html",),
        work=work,
        parameters={
            "facts": experiment.facts,
            "parts": {name: part for name, (part, _) in experiment.stored_parts.items()},
        }
        | ({"ideas": ideas} if (ideas := own_ideas(experiment)) else {}),
        inputs=analyses(experiment) | {job.name: job for job in made},
        options={"settings": experiment.settings, "judged": experiment.judged, "command": experiment.command}
        | {"task": experiment.entry("train").task},
        other_files={f"page/{number}": file for number, file in enumerate(files)} | judged,
        stamps_in=experiment.stamps,
        varying=("report.html",),
    )


def work(job: Job, folder: Path) -> None:
    """Write the page."""
    from pipeline_src.report.page import write_report

    claims, judged = job.inputs["claims"].paths[0], job.options["judged"]
    write_report(
        results(job),
        tables=job.inputs["tables"].folder,
        figures=job.inputs["figures"].folder,
        out=folder / job.files[0],
        params=job.options["settings"].model_dump(mode="json"),
        made=provenance(job),
        data=[store_facts(job, name) for name in job.parameters["parts"]],
        fitted=fitted(job),
        judged=judged_table(judged).printed("T8") if judged_files(judged) else None,
        described=described(job.parameters["facts"], job.parameters.get("ideas", {})),
        command=job.options["command"],
        task=catalog.tasks().get(job.options["task"], ""),
        claims=json.loads(claims.read_text(encoding="utf-8")),
    )


def provenance(job: Job) -> dict[str, str]:
    """What made the results that the page shows: commit, versions, machine and time of training, and what is known of
    the results themselves."""
    from pipeline_src.report.provenance import made_by

    seconds = [cost.training for cost in costs(job).values()]
    return made_by(sum(filter(math.isfinite, seconds))) | _result_facts(job)


def fitted(job: Job) -> dict[tuple[str, int], dict[str, float]]:
    """What the post-hoc methods among a job's inputs were fitted to: (method, seed) -> name -> value."""
    facts = job.parameters["facts"]
    fits = {run: job.inputs[job_names.training(*run)] for run in facts.runs if run[0] not in facts.trained}
    return {run: predictors.numbers(predictors.read(job.paths[0])) for run, job in fits.items()}


def own_ideas(experiment: ExperimentGraph) -> dict[str, str]:
    """Block of a method of the user's -> what its docstring says of it, where it has one."""
    from pipeline_src.training.described import own_idea

    of = {name: own_idea(type(chosen.method)) for name, chosen in experiment.methods.items() if chosen.file}
    return {name: idea for name, idea in of.items() if idea}


def described(facts: Facts, ideas: Mapping[str, str] | None = None) -> dict[str, dict[str, str]]:
    """What the methods are, block -> `title` and `idea`; of the user's own files `ideas` has the latter."""
    from pipeline_src.training.described import described

    of = {name: described(method.code, method.parameters, facts.epochs) for name, method in facts.methods.items()}
    own = {name: {"title": name, "idea": idea} for name, idea in (ideas or {}).items()}
    return {name: text for name, text in (of | own).items() if text}


def store_facts(job: Job, name: str) -> dict[str, Any]:
    """What the report shows of a part: where it is from, how many images, and a hash of all of them."""
    from pipeline_src.data.store import Store

    store, role = Store(job.inputs[job_names.store(name)].folder), job.parameters["facts"].parts.get(name, name)
    hashed = digest([[row.id, row.sha256_image, row.sha256_mask] for row in store.index])
    return {
        "part": name,
        "role": role,
        "from": str(job.parameters["parts"][name]),
        "images": len(store),
        "hash": hashed,
    }


def _result_facts(job: Job) -> dict[str, str]:
    """What is known of the results that the page shows: since when they are verified; libraries of other versions than
    here; results that were made under another contract and adopted by hand."""
    results = with_inputs(job.inputs.values())
    verified = [job.verified for job in results.values() if job.current]
    others = [f"{version}: {few(names, 5)}" for version, names in other_versions(results.values()).items()]
    adopted = adoptions(job.inputs.values())
    why = sorted({text for texts in adopted.values() for text in texts})
    facts = {
        "results verified": f"on {min(verified)} or later: the files of {len(verified)} results, by SHA-256"
        if verified
        else "",
        "made with other versions": "; ".join(others),
        "adopted results": f"{', '.join(adopted)}: {'; '.join(why)}" if adopted else "",
    }
    return {name: text for name, text in facts.items() if text}
