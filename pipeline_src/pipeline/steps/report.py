"""What people read of an experiment: tables, figures, a gallery, claims and the report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from pipeline_src.analysis.facts import Facts, Run
from pipeline_src.analysis.results import Results, RunCost
from pipeline_src.claims.registry import CLAIM_FILES
from pipeline_src.claims.write import write_claims
from pipeline_src.data import catalog
from pipeline_src.data.store import Store
from pipeline_src.figures import gallery
from pipeline_src.figures.registry import draw, figure_files, pictures
from pipeline_src.files import Content
from pipeline_src.pipeline.experiment import ExperimentGraph
from pipeline_src.pipeline.fingerprint import digest
from pipeline_src.pipeline.job import Job, other_versions
from pipeline_src.pipeline.manifest import now
from pipeline_src.pipeline.steps.networks import load_predictor
from pipeline_src.python_source import ROOT, commit, installed
from pipeline_src.tables.registry import TABLE_FILES
from pipeline_src.tables.write import write_tables
from pipeline_src.training import registry

# Packages whose installed versions the report shows.
SHOWN_VERSIONS = (
    "python",
    "dense-calibration",
    "torch",
    "onedl-mmengine",
    "onedl-mmsegmentation",
    "timm",
    "numpy",
)

COSTED = ("train", "fit", "evaluate")  # kinds of jobs whose manifests hold the costs of runs


# Jobs


def report_jobs(experiment: ExperimentGraph) -> Iterator[Job]:
    """Yield the jobs of tables, figures, gallery, claims and report.

    Each is added to the experiment before the next is built, so the report's job finds the others.
    """
    facts = experiment.facts
    trained = _by_name(experiment.of_kinds("train"))
    analyses = _by_name(experiment.of_kinds("analyse"))
    styles = {f"style/{file.name}": file for file in sorted((ROOT / "figures").glob("*.mplstyle"))}
    yield Job(
        kind="tables",
        name="tables",
        files=TABLE_FILES,
        work=write_table_files,
        parameters={"facts": facts},
        inputs=_by_name(experiment.of_kinds("analyse", *COSTED)),
        view=experiment.results / "tables",
    )
    yield Job(
        kind="figures",
        name="figures",
        files=tuple(figure_files(pictures(facts))),
        work=draw_figures,
        parameters={"facts": facts},
        inputs=analyses | trained,
        other_files=styles,
        view=experiment.results / "figures",
    )
    yield _gallery_job(experiment, styles)
    yield Job(
        kind="claims",
        name="claims",
        files=CLAIM_FILES,
        work=judge_claims,
        parameters={"facts": facts},
        inputs=analyses | trained,
        view=experiment.results,
    )
    yield _report_job(experiment)


def _gallery_job(experiment: ExperimentGraph, styles: Mapping[str, Path]) -> Job:
    """Return the job that draws the gallery: images of each test set with all methods' maps.

    It is apart from the other figures because it needs networks and images, not only analyses.

    Args:
        styles: role -> a style sheet of the figures (`Job.other_files`).
    """
    facts = experiment.facts
    inputs = _by_name(experiment.of_kinds("analyse", "train", "fit"))
    for split in facts.tests:
        inputs[f"store/{split}"] = experiment.job(f"store/{split}")
    return Job(
        kind="gallery",
        name="gallery",
        files=tuple(figure_files(gallery.FIGURE.pictures(facts))),
        work=draw_gallery,
        parameters={"facts": facts},
        inputs=inputs,
        modules=experiment.network_modules,
        other_files=styles,
        view=experiment.results / "figures",
    )


def _report_job(experiment: ExperimentGraph) -> Job:
    """Return the job that writes the HTML page of an experiment.

    Its inputs are results that the page shows, and networks, evaluations and preprocessed images,
    from which it takes costs, versions and numbers of images.
    """
    facts = experiment.facts
    shown = experiment.of_kinds("store", "analyse", "figures", "gallery", "claims")
    pages = {}  # role -> a template, style sheet or script of the page
    for suffix in ("j2", "css", "js"):
        for file in (ROOT / "report").rglob(f"*.{suffix}"):
            pages[f"page/{file.name}"] = file
    return Job(
        kind="report",
        name="report",
        files=("report.html",),
        work=write_page,
        parameters={
            "facts": facts,
            "splits": {name: str(split) for name, (split, _) in experiment.splits.items()},
            "described": method_descriptions(facts),
            "task": catalog.tasks().get(experiment.entry("train").task, ""),
        },
        inputs=_by_name([*experiment.of_kinds(*COSTED), *shown]),
        options={"settings": experiment.settings, "command": experiment.command},
        other_files=pages,
        view=experiment.results,
    )


def _by_name(jobs: Iterable[Job]) -> dict[str, Job]:
    """Return jobs by their names: as inputs of another job, these have their names as roles."""
    return {job.name: job for job in jobs}


def method_descriptions(facts: Facts) -> dict[str, dict[str, str]]:
    """Return a description of each method that has one: entry of `methods:` -> its `title` and
    `idea`, a text each.
    """
    descriptions = {}
    for name, method in facts.methods.items():
        texts = registry.described(method.code, method.parameters, facts.epochs)
        if texts:
            descriptions[name] = texts
    return descriptions


# The results that the jobs read


def job_results(job: Job) -> Results:
    """Return the results that tables, figures, claims and the report read, from the analyses among
    the inputs of a job.
    """
    facts = job.parameters["facts"]
    files = {split: job.inputs[f"analyse/{split}"].paths[0] for split in facts.splits}
    costs = {}
    for method, seed in facts.runs:
        evaluation = job.inputs.get(f"evaluate/{method}/seed{seed}")
        if evaluation:  # else the job shows no costs
            costs[method, seed] = run_cost(evaluation)
    return Results(facts, files, costs=costs)


def run_cost(evaluation: Job) -> RunCost:
    """Return the seconds of a run's training and prediction and its number of parameters, from the
    manifests of its evaluation and of its networks, which the runner has checked.

    The training of a post-hoc method is its fit, without the training of the networks that it uses.
    """
    networks = [run for role, run in evaluation.inputs.items() if role.startswith("networks/")]
    training = evaluation.inputs.get("fit", networks[0]).manifest
    predicted = evaluation.manifest
    assert training
    assert predicted
    sizes = [json.loads((network.folder / "run.json").read_bytes()) for network in networks]
    return RunCost(
        training=training.made["seconds"],
        prediction=predicted.file_seconds,
        parameters=float(sum(size["parameters"] for size in sizes)),
    )


def run_folders(job: Job) -> dict[Run, Path]:
    """Return the folders of the training runs among the inputs of a job, by method and seed."""
    folders = {}
    for method, seed in job.parameters["facts"].runs:
        name = f"train/{method}/seed{seed}"
        if name in job.inputs:
            folders[method, seed] = job.inputs[name].folder
    return folders


# Tables, figures and claims


def write_table_files(job: Job, folder: Path) -> None:
    """Write the tables of an experiment into `folder`."""
    write_tables(job_results(job), folder)


def draw_figures(job: Job, folder: Path) -> None:
    """Draw the figures of an experiment into `folder`, except the gallery."""
    draw(job_results(job), run_folders(job), folder)


def judge_claims(job: Job, folder: Path) -> None:
    """Judge the paper's claims, and write the verdicts into `folder`."""
    write_claims(job_results(job), run_folders(job), folder)


# The gallery


def draw_gallery(job: Job, folder: Path) -> None:
    """Predict a few images of each test set with the networks of the first seed, and draw them."""
    from pipeline_src.figures import style

    found = job_results(job)
    facts = found.facts
    shown: dict[str, list[gallery.Prediction]] = {}
    for split in facts.tests:
        shown[split] = _shown_images(found, split, Store(job.inputs[f"store/{split}"].folder))
    if not shown:
        return
    # Each method's networks are loaded once, for all test sets.
    for method in facts.methods:
        # The evaluations are inputs of any analysis.
        analysis = job.inputs[f"analyse/{next(iter(shown))}"]
        predictor = load_predictor(analysis.inputs[f"{method}/seed{facts.seeds[0]}"])
        for predictions in shown.values():
            for prediction in predictions:
                assert prediction.image is not None
                prediction.maps[method] = predictor.map_of(
                    prediction.image, prediction.id, prediction.target.shape
                )
    with style.house():
        for picture in gallery.FIGURE.pictures(facts):
            figure, numbers = gallery.FIGURE.paint(picture, found, shown[picture.split])
            style.save_picture(folder / picture.name, figure, numbers)


def _shown_images(results: Results, split: str, images: Store) -> list[gallery.Prediction]:
    """Return a few images of a test set, chosen by how well methods are calibrated on them
    (`gallery.choose`).

    They are predictions without maps, which the caller adds.

    Args:
        images: the preprocessed images of the test set.
    """
    gaps = []  # of each method: |confidence - accuracy| of each image, a mean over seeds
    for run in results.measured("raw", split).values():
        confidence, accuracy = run.arrays["image_means"]
        gaps.append(np.abs(confidence - accuracy).mean(axis=0))
    ordered = sorted(images.ids)  # the order of images in analyses, and so in `gaps`
    shown = []
    for place, rank in gallery.choose(np.mean(gaps, axis=0)).items():
        number = images.ids.index(ordered[place])  # in the order of the preprocessed images
        shown.append(
            gallery.Prediction(
                rank=rank,
                id=images.ids[number],
                image=images.image(number),
                target=images.truth(number),
                maps={},
            )
        )
    return shown


# The report


def write_page(job: Job, folder: Path) -> None:
    """Write the report of an experiment, an HTML page."""
    from pipeline_src.report.page import write_report

    write_report(
        job_results(job),
        figures=job.inputs["figures"].folder,
        predictions=job.inputs["gallery"].folder,
        out=folder / job.files[0],
        params=job.options["settings"].model_dump(mode="json"),
        provenance=provenance(job),
        data=[split_facts(job, name) for name in job.parameters["splits"]],
        described=job.parameters["described"],
        command=job.options["command"],
        task=job.parameters["task"],
        claims=json.loads(job.inputs["claims"].paths[0].read_bytes()),
    )


def provenance(job: Job) -> dict[str, str]:
    """Return the report's provenance by name: date, commit, versions, and kept results, which were
    accepted although code or parameters had changed.
    """
    inputs = [needed for _, needed in sorted(_with_inputs(job.inputs.values()).items())]
    entries = {"written": now(), "commit": commit()}
    for package in SHOWN_VERSIONS:
        entries[package] = installed(package)
    kept = []
    reasons = set()
    for needed in inputs:
        records = needed.manifest.kept_records if needed.manifest else []
        if records:
            kept.append(needed.name)
        for record in records:
            reasons.add(f"{record['why']} ({record['time']})")
    # Versions of libraries that made results and differ from the installed ones.
    entries["other versions"] = "; ".join(other_versions(inputs))
    if kept:
        entries["kept results"] = f"{', '.join(kept)}: {'; '.join(sorted(reasons))}"
    return {name: text for name, text in entries.items() if text}


def _with_inputs(jobs: Iterable[Job]) -> dict[str, Job]:
    """Return jobs and all their inputs, direct or not, by name."""
    found: dict[str, Job] = {}
    for job in jobs:
        found[job.name] = job
        found |= _with_inputs(job.inputs.values())
    return found


def split_facts(job: Job, name: str) -> Content:
    """Return what the report shows of a split: name (`part`), role, source (`from`), number of
    images, and a hash of all images and masks.
    """
    images = Store(job.inputs[f"store/{name}"].folder)
    rows = [[row.id, row.sha256_image, row.sha256_mask] for row in images.index]
    return {
        "part": name,
        "role": job.parameters["facts"].splits.get(name, name),
        "from": job.parameters["splits"][name],
        "images": len(images),
        "hash": digest(rows),
    }
