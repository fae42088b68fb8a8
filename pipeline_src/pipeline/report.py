"""The files for readers: tables, figures, claims and the report of an experiment, and the overview of all."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_src.analysis.facts import ExperimentSummary, Facts, run_command
from pipeline_src.analysis.results import Results, RunCost
from pipeline_src.claims.registry import CLAIM_FILES
from pipeline_src.claims.write import write_claims, write_overview_claims
from pipeline_src.data import catalog
from pipeline_src.data.store import Store
from pipeline_src.errors import UserError
from pipeline_src.figures.registry import draw
from pipeline_src.files import sha256
from pipeline_src.params.load import resolve
from pipeline_src.params.schema import Params
from pipeline_src.pipeline import work
from pipeline_src.pipeline.experiment import training_name
from pipeline_src.pipeline.fingerprint import digest
from pipeline_src.pipeline.job import Job, linked, other_versions
from pipeline_src.pipeline.manifest import NAME, Manifest, now
from pipeline_src.python_source import commit, installed
from pipeline_src.tables.several_experiments import (
    OVERVIEW_TABLES,
    judged_files,
    write_overview_tables,
)
from pipeline_src.tables.several_experiments import READ as TABLES_READ
from pipeline_src.tables.write import write_tables
from pipeline_src.training import registry

SHOWN_VERSIONS = (
    "python",
    "dense-calibration",
    "torch",
    "onedl-mmengine",
    "onedl-mmsegmentation",
    "timm",
    "numpy",
)
READ = (
    *(f"tables/{name}.csv" for name in TABLES_READ),
    "claims.json",
)  # of each experiment, for the overview


def results(job: Job) -> Results:
    """Return the results of the analyses among the inputs of a job."""
    facts = job.parameters["facts"]
    analyses = {part: job.inputs[f"analyse/{part}"] for part in facts.parts}
    costs = {}
    for method, seed in facts.runs:
        costs[method, seed] = run_cost(
            [analysis.inputs[f"{method}/seed{seed}"] for analysis in analyses.values()]
        )
    return Results(
        facts, {part: analysis.paths[0] for part, analysis in analyses.items()}, costs=costs
    )


def run_cost(evaluations: Sequence[Job]) -> RunCost:
    """Return what a run cost, from the manifests of its evaluations on all datasets and of their inputs."""
    inputs = evaluations[0].inputs
    networks = [job for role, job in inputs.items() if role.startswith("networks/")]
    training = inputs.get("fit", networks[0])
    parameters = [_parameters(network) for network in networks]
    return RunCost(_seconds([training]), _seconds(evaluations), sum(parameters))


def _seconds(jobs: Iterable[Job]) -> float:
    """Return the seconds of all jobs; NaN if one has no manifest."""
    return sum(job.manifest.made["seconds"] if job.manifest else math.nan for job in jobs)


def _parameters(network: Job) -> float:
    """Return the number of parameters in the run.json of a training; NaN if it is missing or damaged."""
    file = network.folder / "run.json"
    manifest = network.manifest
    if (
        manifest is None
        or not file.is_file()
        or sha256(file) != manifest.files[file.name]["sha256"]
    ):
        return math.nan
    parameters: float = json.loads(file.read_bytes())["parameters"]
    return parameters


def tables(job: Job, folder: Path) -> None:
    """Write the tables."""
    write_tables(results(job), folder)


def claims(job: Job, folder: Path) -> None:
    """Judge the paper's claims."""
    write_claims(results(job), _run_folders(job), folder)


def figures(job: Job, folder: Path) -> None:
    """Draw the figures."""
    draw(results(job), _run_folders(job), folder)


def gallery(job: Job, folder: Path) -> None:
    """Predict a few images of each test set with the networks of the first seed, and draw them."""
    from pipeline_src.figures import style
    from pipeline_src.figures.gallery import FIGURE, Prediction, choose

    found = results(job)
    facts = found.facts
    shown: dict[str, list[Prediction]] = {}
    for part in facts.tests:
        means = [run.arrays["image_means"] for run in found.measured("raw", part).values()]
        gaps = np.mean(
            [np.abs(confidence - accuracy).mean(axis=0) for confidence, accuracy in means], axis=0
        )
        images = Store(job.inputs[f"store/{part}"].folder)
        shown[part] = []
        for place, rank in choose(gaps).items():
            k = images.ids.index(sorted(images.ids)[place])  # analyses have the images by id
            shown[part].append(
                Prediction(rank, images.ids[k], images.image(k), images.truth(k), {})
            )
    for method in facts.methods if shown else ():
        runs = [
            job.inputs[f"analyse/{part}"].inputs[f"{method}/seed{facts.seeds[0]}"]
            for part in facts.tests
        ]
        predictor = work.predictor(runs[0])
        for prediction in chain.from_iterable(shown.values()):
            assert prediction.image is not None
            size = prediction.target.shape
            prediction.maps[method] = predictor.map_of(prediction.image, prediction.id, size)
    with style.house():
        for picture in FIGURE.pictures(facts):
            figure, table = FIGURE.paint(picture, found, shown[picture.part])
            style.save_picture(folder / picture.name, figure, table)


def _run_folders(job: Job) -> dict[tuple[str, int], Path]:
    """Return the folders of the training runs among the inputs of a job, by method and seed."""
    names = {run: training_name(*run) for run in job.parameters["facts"].runs}
    return {run: job.inputs[name].folder for run, name in names.items() if name in job.inputs}


# The report


def write(job: Job, folder: Path) -> None:
    """Write the report of an experiment, an HTML page."""
    from pipeline_src.report.page import write_report

    write_report(
        results(job),
        figures=job.inputs["figures"].folder,
        predictions=job.inputs["gallery"].folder,
        out=folder / job.files[0],
        params=job.options["settings"].model_dump(mode="json"),
        provenance=provenance(job),
        data=[store_facts(job, name) for name in job.parameters["parts"]],
        described=job.parameters["described"],
        command=job.options["command"],
        task=job.parameters["task"],
        claims=json.loads(job.inputs["claims"].paths[0].read_text(encoding="utf-8")),
    )


def provenance(job: Job) -> dict[str, str]:
    """Return the report's provenance: date, commit, versions, results of other versions and of `keep`."""
    inputs = sorted(_with_inputs(job.inputs.values()).items())
    manifests = {name: source.manifest for name, source in inputs if source.manifest}
    reused = {name: manifest.kept for name, manifest in manifests.items() if manifest.kept}
    reasons = sorted(
        {f"{entry['why']} ({entry['time']})" for entries in reused.values() for entry in entries}
    )
    facts = {"written": now(), "commit": commit()} | {
        package: installed(package) for package in SHOWN_VERSIONS
    }
    facts |= {
        "other versions": "; ".join(other_versions(source for _, source in inputs)),
        "kept results": f"{', '.join(reused)}: {'; '.join(reasons)}" if reused else "",
    }
    return {name: text for name, text in facts.items() if text}


def _with_inputs(jobs: Iterable[Job]) -> dict[str, Job]:
    """Return jobs and all their inputs, direct or not, by name."""
    found: dict[str, Job] = {}
    queue = list(jobs)
    while queue:
        job = queue.pop()
        if job.name not in found:
            found[job.name] = job
            queue += job.inputs.values()
    return found


def described(facts: Facts) -> dict[str, dict[str, str]]:
    """Return a description of each method: entry of `methods:` -> `title` and `idea`."""
    texts = {
        name: registry.described(method.code, method.parameters, facts.epochs)
        for name, method in facts.methods.items()
    }
    return {name: text for name, text in texts.items() if text}


def store_facts(job: Job, name: str) -> dict[str, Any]:
    """Return what the report shows of a split: its source, number of images and a hash of all images."""
    images, role = (
        Store(job.inputs[f"store/{name}"].folder),
        job.parameters["facts"].parts.get(name, name),
    )
    hashed = digest([[row.id, row.sha256_image, row.sha256_mask] for row in images.index])
    source = job.parameters["parts"][name]
    return {"part": name, "role": role, "from": source, "images": len(images), "hash": hashed}


# The overview: tables and a claim that span experiments


def overview_job(params: Params) -> Job:
    """Return the job of the overview. Results of other experiments count by their content."""
    experiments, judged = list(_experiments(params)), Path(params.judged)
    files = {f"{e.name}/{name}": e.folder / name for e in experiments for name in READ}
    files |= {file.relative_to(judged).as_posix(): file for file in judged_files(judged)}
    return Job(
        kind="overview",
        name="overview",
        files=(*OVERVIEW_TABLES, *CLAIM_FILES),
        work=overview,
        parameters={"experiments": experiments, "tasks": catalog.tasks()},
        options={"judged": judged},
        other_files={role: file for role, file in files.items() if file.is_file()},
        view=Path("results/overview"),
    )


def overview(job: Job, folder: Path) -> None:
    """Write the tables T5, T7 and T8, and claim C8."""
    experiments, tasks = job.parameters["experiments"], job.parameters["tasks"]
    for experiment in experiments:
        _check_intact(experiment)
    write_overview_tables(experiments, job.options["judged"], tasks, folder)
    write_overview_claims(experiments, tasks, folder)


def _experiments(params: Params) -> Iterator[ExperimentSummary]:
    entries = catalog.load(params.datasets)
    for name in params.experiments:
        try:
            _, settings = resolve(params, name)
            task = catalog.find(entries, settings.data.train.set).task
            tests = settings.data.id | settings.data.shifted
            captions = {
                part: catalog.find(entries, chosen.set).caption for part, chosen in tests.items()
            }
        except UserError:  # a run of that experiment reports the fault
            continue
        captions = {part: caption for part, caption in captions.items() if caption}
        network, data = settings.model.config, settings.data.model_dump(mode="json")
        folder = Path("results") / name
        yield ExperimentSummary(name, task, network, data, folder, captions)


def _check_intact(experiment: ExperimentSummary) -> None:
    """Raise a UserError if a table or the claims of an experiment differ from their manifest."""
    for file in (path for name in READ if (path := experiment.folder / name).is_file()):
        result = linked(file).parent
        manifest = Manifest.read(result)
        if manifest is None or manifest.faults(result):
            raise UserError(
                f"{file} is damaged",
                found=f"other content than in {result}/{NAME}",
                fix=f"rm -r {result} && {run_command(experiment.name)}",
            )
