"""The report: one page with all of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_src.engine.adopt import adoptions
from pipeline_src.engine.job import Job
from pipeline_src.python_source import ROOT
from pipeline_src.steps import provenance
from pipeline_src.steps.tables import analyses, costs, results

if TYPE_CHECKING:
    from pipeline_src.steps.experiment import ExperimentGraph


def jobs(experiment: ExperimentGraph) -> Iterator[Job]:
    """The one job."""
    made = [*experiment.of_kinds("train", "store"), *map(experiment.job, ("tables", "figures", "claims"))]
    files = sorted(file for file in (ROOT / "report").rglob("*") if file.suffix in (".j2", ".css", ".js"))
    yield Job(
        *("report", "report", experiment.results, "report", ("report.html",), work),
        parameters={"facts": experiment.facts, "parts": {name: part for name, (part, _) in experiment.parts.items()}},
        inputs=analyses(experiment) | {job.name: job for job in made},
        options={"settings": experiment.settings},
        other_files={f"page/{number}": file for number, file in enumerate(files)},
        stamps_in=experiment.stamps,
    )


def work(job: Job, folder: Path) -> None:
    """Write the page."""
    from pipeline_src.report import write_report

    facts, claims = job.parameters["facts"], job.inputs["claims"]
    adopted = adoptions(job.inputs.values())
    write_report(
        results(job),
        tables=job.inputs["tables"].folder,
        figures=job.inputs["figures"].folder,
        out=folder / job.files[0],
        params=job.options["settings"].model_dump(mode="json"),
        made=provenance.made_by([cost.training for cost in costs(job).values()]) | provenance.adopted(adopted),
        data=[
            provenance.store_facts(name, facts.parts.get(name, name), part, job.inputs[f"store/{name}"].folder)
            for name, part in job.parameters["parts"].items()
        ],
        command="snakemake --cores all"
        + ("" if facts.experiment == "demo" else f" --config experiment={facts.experiment}"),
        claims=json.loads(claims.paths[0].read_text(encoding="utf-8")),
    )
