"""The report: one page with all of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_src.engine.adopt import adoptions
from pipeline_src.engine.code import digest
from pipeline_src.engine.job import Job
from pipeline_src.python_source import ROOT
from pipeline_src.steps.tables import analyses, costs, results

if TYPE_CHECKING:
    from pipeline_src.steps.experiment import ExperimentGraph


def jobs(experiment: ExperimentGraph) -> Iterator[Job]:
    """The one job."""
    made = [*experiment.of_kinds("train", "store"), *map(experiment.job, ("tables", "figures", "claims"))]
    files = sorted(file for file in (ROOT / "report").rglob("*") if file.suffix in (".j2", ".css", ".js"))
    yield Job(
        *("report", "report", experiment.results, "report", ("report.html",), work),
        parameters={"facts": experiment.facts, "parts": {name: part for name, (part, _) in experiment.stored.items()}},
        inputs=analyses(experiment) | {job.name: job for job in made},
        options={"settings": experiment.settings},
        other_files={f"page/{number}": file for number, file in enumerate(files)},
        stamps_in=experiment.stamps,
    )


def work(job: Job, folder: Path) -> None:
    """Write the page."""
    from pipeline_src.report import write_report
    from pipeline_src.report.provenance import made_by

    facts, claims = job.parameters["facts"], job.inputs["claims"].paths[0]
    seconds = [cost.training for cost in costs(job).values()]
    write_report(
        results(job),
        tables=job.inputs["tables"].folder,
        figures=job.inputs["figures"].folder,
        out=folder / job.files[0],
        params=job.options["settings"].model_dump(mode="json"),
        made=made_by(sum(of for of in seconds if of == of)) | adopted(job),
        data=[store_facts(job, name) for name in job.parameters["parts"]],
        command="snakemake --cores all"
        + ("" if facts.experiment == "demo" else f" --config experiment={facts.experiment}"),
        claims=json.loads(claims.read_text(encoding="utf-8")),
    )


def store_facts(job: Job, name: str) -> dict[str, Any]:
    """What the report shows of a part: where it is from, how many images, and a hash of all of them."""
    from pipeline_src.data.store import Store

    store, role = Store.open(job.inputs[f"store/{name}"].folder), job.parameters["facts"].parts.get(name, name)
    hashed = digest([[row.id, row.sha256_image, row.sha256_mask] for row in store.index])
    return {
        "part": name,
        "role": role,
        "from": str(job.parameters["parts"][name]),
        "images": len(store),
        "hash": hashed,
    }


def adopted(job: Job) -> dict[str, str]:
    """Results that were made under another contract and adopted by hand, in words."""
    entries = adoptions(job.inputs.values())
    why = sorted({f"{entry['why']} ({entry['time']})" for of in entries.values() for entry in of})
    return {"adopted results": f"{', '.join(entries)}: {'; '.join(why)}"} if entries else {}
