"""A Workflow Run RO-Crate of an experiment: what was run, with what, and every file that came of it.

Written into the folder of results, which is the crate; files are named where they lie. Specification: Workflow Run
Crate 0.5, https://w3id.org/ro/wfrun/workflow/0.5, on RO-Crate 1.1.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_src.files import sha256, write_text
from pipeline_src.params.load import params_file
from pipeline_src.python_source import ROOT

if TYPE_CHECKING:
    from pipeline_src.engine.job import Job
    from pipeline_src.engine.stamp import Stamp
    from pipeline_src.steps.experiment import ExperimentGraph

METADATA = "ro-crate-metadata.json"
SNAKEFILE, SETTINGS = Path("workflow/Snakefile"), "settings.json"  # the latter has what the command line changed, too
WORKFLOW_CRATE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    WORKFLOW_CRATE: ("Workflow RO-Crate", "1.0"),
}
LICENCE = "https://spdx.org/licenses/Apache-2.0"
KINDS = ("train", "evaluate", "analyse", "tables", "figures", "claims", "report")
MEDIA_TYPES = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".md": "text/markdown",
    ".npz": "application/zip",
    ".safetensors": "application/octet-stream",
    ".yaml": "application/yaml",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".tex": "application/x-tex",
}
CONTEXT = ["https://w3id.org/ro/crate/1.1/context", {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}]
Entity = dict[str, Any]


def write(graph: ExperimentGraph) -> Path:
    """Write the crate of a finished experiment; returns its metadata file.

    Raises:
        UserError: names what is not finished or not current.
    """
    expected = "a finished experiment: a crate lists real results only"
    jobs = graph.finished(*KINDS, otherwise="has no crate", expected=expected)
    own = SNAKEFILE if SNAKEFILE.is_file() else ROOT / SNAKEFILE  # which the project's includes
    shutil.copyfile(own, graph.results / SNAKEFILE.name)
    settings = json.dumps(graph.settings.model_dump(mode="json"), indent=1, ensure_ascii=False)
    write_text(graph.results / SETTINGS, settings + "\n")
    shutil.copyfile(params_file(), graph.results / params_file().name)
    entities = list(_entities(graph, jobs))
    content = {"@context": CONTEXT, "@graph": entities}
    write_text(graph.results / METADATA, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return graph.results / METADATA


def _entities(graph: ExperimentGraph, jobs: list[Job]) -> Iterator[Entity]:
    files = {file["@id"]: file for job in jobs for file in _files(graph.results, job)}
    paths = [graph.results / name for name in (params_file().name, SETTINGS)]
    params, settings = given = [_file(path, sha256(path)) for path in paths]
    stamps = [stamp for job in jobs if (stamp := job.valid_stamp)]
    started, ended = min(map(_start, stamps)), max(map(_end, stamps))
    yield {
        "@id": METADATA,
        "@type": "CreativeWork",
        "conformsTo": [_of("https://w3id.org/ro/crate/1.1"), _of(WORKFLOW_CRATE)],
        "about": _of("./"),
    }
    yield _root(graph, ended, [SNAKEFILE.name, *(entity["@id"] for entity in (*given, *files.values()))])
    yield _terms(graph)
    yield from _workflow()
    yield {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"Run of {graph.name}",
        "description": graph.command,
        "instrument": _of(SNAKEFILE.name),
        "object": [_of(entity["@id"]) for entity in given],
        "result": [_of(name) for name in files],
        "startTime": started.isoformat(timespec="seconds"),
        "endTime": ended.isoformat(timespec="seconds"),
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }
    yield params | {"exampleOfWork": _of("#settings")}
    yield settings | {"description": "All settings of the experiment, with defaults and changes of the command line."}
    yield from files.values()


def _root(graph: ExperimentGraph, ended: datetime, parts: list[str]) -> Entity:
    """The folder of results as a data set of `parts`."""
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Calibration of dense classifiers: {graph.name}",
        "description": f"Methods {', '.join(graph.facts.methods)} on {', '.join(graph.facts.parts)}, seeds "
        f"{', '.join(map(str, graph.facts.seeds))}: networks, statistics, tables, figures, claims and report.",
        "datePublished": ended.isoformat(timespec="seconds"),
        "license": _of("#terms"),
        "conformsTo": [_of(address) for address in PROFILES],
        "mainEntity": _of(SNAKEFILE.name),
        "hasPart": list(map(_of, parts)),
        "mentions": _of("#run"),
    }


def _terms(graph: ExperimentGraph) -> Entity:
    of_sets = dict.fromkeys(f"{e.name}: {e.terms}" for e in map(graph.entry, graph.stored_parts) if e.terms)
    own = "The workflow is under the Apache License 2.0. What was made from data sets is subject to their terms."
    return {"@id": "#terms", "@type": "CreativeWork", "name": "Terms", "description": " ".join([own, *of_sets])}


def _workflow() -> Iterator[Entity]:
    """The workflow, its language and licence, what it is given, and the profiles that the crate follows."""
    yield {
        "@id": SNAKEFILE.name,
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
        "name": "Dense calibration",
        "description": "Trains, evaluates and compares methods that calibrate dense classifiers.",
        "programmingLanguage": _of("#snakemake"),
        "license": _of(LICENCE),
        "version": version("dense-calibration"),
        "input": _of("#settings"),
        "encodingFormat": "text/plain",
    }
    yield {
        "@id": "#settings",
        "@type": "FormalParameter",
        "additionalType": "File",
        "name": "params",
        "description": "Methods, data sets, training and evaluation.",
        "conformsTo": _of("https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"),
    }
    yield {
        "@id": "#snakemake",
        "@type": "ComputerLanguage",
        "name": "Snakemake",
        "identifier": _of("https://w3id.org/workflowhub/workflow-ro-crate#snakemake"),
        "url": _of("https://snakemake.readthedocs.io"),
        "version": version("snakemake"),
    }
    for address, (name, number) in PROFILES.items():
        yield {"@id": address, "@type": "CreativeWork", "name": name, "version": number}
    text = "https://www.apache.org/licenses/LICENSE-2.0"
    yield {"@id": LICENCE, "@type": "CreativeWork", "name": "Apache License 2.0", "url": _of(text)}


def _files(root: Path, job: Job) -> Iterator[Entity]:
    """The files of a job, as its stamp vouches for them."""
    for path, digests in zip(job.paths, job.valid_stamp.files.values(), strict=True):  # type: ignore[union-attr]  # it is current
        yield _file(path, digests["sha256"], root) | {"description": f"{job.name}, contract {job.contract}"}


def _file(path: Path, hashed: str, root: Path | None = None) -> Entity:
    name = path.relative_to(root or path.parent).as_posix()
    entity = {"@id": name, "@type": "File", "name": name, "contentSize": str(path.stat().st_size), "sha256": hashed}
    return entity | ({"encodingFormat": MEDIA_TYPES[path.suffix]} if path.suffix in MEDIA_TYPES else {})


def _of(name: str) -> Entity:
    return {"@id": name}


def _end(stamp: Stamp) -> datetime:
    return datetime.fromisoformat(str(stamp.made["time"]).replace(" UTC", "+00:00"))


def _start(stamp: Stamp) -> datetime:
    return _end(stamp) - timedelta(seconds=float(stamp.made.get("seconds", 0)))
