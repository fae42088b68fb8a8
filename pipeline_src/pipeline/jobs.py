"""The jobs of an experiment: name, inputs, files and parameters of each kind; `work` and `report` do the work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pipeline_src.claims.registry import CLAIM_FILES
from pipeline_src.data import catalog, groups, sources
from pipeline_src.data.entry import Entry
from pipeline_src.data.sources import Identity, identify
from pipeline_src.errors import UserError
from pipeline_src.figures import gallery as predictions
from pipeline_src.figures.registry import figure_files
from pipeline_src.params.load import downloads, read, resolve
from pipeline_src.params.schema import Params
from pipeline_src.pipeline import experiment as names
from pipeline_src.pipeline import report, work
from pipeline_src.pipeline.experiment import ExperimentGraph
from pipeline_src.pipeline.fingerprint import file_digest
from pipeline_src.pipeline.job import UNPACKED, Job
from pipeline_src.pipeline.manifest import stored
from pipeline_src.python_source import ROOT
from pipeline_src.tables.registry import TABLE_FILES
from pipeline_src.training.registry import choose

STORE_FILES = ("images.npy", "masks.npy", "truth.npy", "grey.npy", "index.csv", "store.json")
RUN_FILES = ("model.safetensors", "averaged.safetensors", "history.csv", "run.json")


def chosen(name: str | None = None) -> ExperimentGraph:
    """Return the jobs of an experiment of params.yaml (default: the one that it picks)."""
    return build(read(), name)


def build(params: Params, name: str | None = None) -> ExperimentGraph:
    """Return the jobs of an experiment (default: the one that params.yaml picks).

    Raises:
        UserError: a dataset is unknown or not available, or a method or a model config does not
            exist.
    """
    name, settings = resolve(params, name)
    entries = catalog.load(params.datasets)
    methods = {method: choose(method, params.methods[method]) for method in settings.methods}
    experiment = ExperimentGraph(name, settings, entries, downloads(params), methods)
    catalog.check_parts(entries, experiment.parts)
    experiment.check()
    experiment.add(_prepare(experiment))
    for kind in (_store, _train, _evaluate, _analyse, _show):
        experiment.add(kind(experiment))
    return experiment


# Data


def _prepare(experiment: ExperimentGraph) -> Iterator[Job]:
    """Yield a job per dataset; a UserError names all missing datasets."""
    absent = []
    for name in dict.fromkeys(part.set for part, _ in experiment.parts.values()):
        entry = catalog.find(experiment.entries, name)
        try:
            yield _preparation(experiment, entry, identify(entry, experiment.data_root, UNPACKED))
        except sources.MissingSourceError as error:
            if pulled := _pulled_preparation(experiment, entry):
                yield pulled
            else:
                absent.append(str(error))
    if absent:
        raise UserError("\n".join(absent))


def _pulled_preparation(experiment: ExperimentGraph, entry: Entry) -> Job | None:
    """Return the stored preparation of a dataset without files, a current one if possible; None if there is none."""
    jobs = []
    for folder, manifest in stored("prepare"):
        if manifest.ingredients["parameters"]["data"]["set"] == entry.name:
            try:
                identity = identify(entry, experiment.data_root, UNPACKED, folder)
            except sources.MissingSourceError:
                continue
            jobs.append(_preparation(experiment, entry, identity))
    return next((job for job in jobs if job.is_made), jobs[-1] if jobs else None)


def _preparation(experiment: ExperimentGraph, entry: Entry, identity: Identity) -> Job:
    grouped = groups.find(entry.groups, experiment.data_root) if entry.draws_groups else None
    return Job(
        kind="prepare",
        name=f"prepare/{entry.name}",
        files=("manifest.csv", "problems.csv", "summary.json"),
        work=work.prepare,
        parameters={
            "data": identity.parameters,
            "on_problem": experiment.settings.data.on_problem,
            "classes": entry.classes,
            "void": entry.void if entry.classes else None,
            "skip_unmasked": entry.skip_unmasked,
            "max_pixels": entry.max_pixels,
            **(
                {"groups": file_digest(grouped) if grouped else entry.groups}
                if entry.draws_groups
                else {}
            ),
        },
        options={**_data_options(experiment, entry), "unchecked": identity.unchecked},
        modules=(sources.GENERATOR,) if entry.generated else (),
        view=experiment.results / "prepared" / entry.name,
    )


def _data_options(experiment: ExperimentGraph, entry: Entry) -> dict[str, Any]:
    return {"entry": entry, "data_root": experiment.data_root, "unpacked": UNPACKED}


def _store(experiment: ExperimentGraph) -> Iterator[Job]:
    """Yield a job per split: its images decoded and resized."""
    for name, (part, _) in experiment.parts.items():
        yield Job(
            kind="store",
            name=f"store/{name}",
            files=STORE_FILES,
            work=work.store,
            parameters={
                "part": part,
                "size": experiment.settings.image_size,
                "label": experiment.label(name),
            },
            inputs={"prepare": experiment.job(f"prepare/{part.set}")},
            options=_data_options(experiment, experiment.entry(name)),
            view=experiment.results / "stores" / name,
        )


# Networks


def _train(experiment: ExperimentGraph) -> Iterator[Job]:
    """Yield a job per run: a training, or a fit if the method is post-hoc."""
    for method, seed in experiment.runs:
        yield (_fitted if experiment.posthoc(method) else _trained)(experiment, method, seed)


def _trained(experiment: ExperimentGraph, method: str, seed: int) -> Job:
    network = experiment.methods[method].method
    references = {
        f"references/{name}": experiment.job(names.training_name(name, seed))
        for name in network.references()
    }
    return Job(
        **_run(experiment, method, seed),
        files=(*RUN_FILES, "alpha.csv") if network.learns else RUN_FILES,
        work=work.train,
        parameters=_network_parameters(experiment) | {"method": network, "seed": seed},
        inputs={part: experiment.job(f"store/{part}") for part in ("train", "val")} | references,
    )


def _fitted(experiment: ExperimentGraph, method: str, seed: int) -> Job:
    posthoc = experiment.posthoc(method)
    fits = {"val": experiment.job("store/val")} if posthoc and posthoc.fits else {}
    return Job(
        **_run(experiment, method, seed),
        files=("run.json",),
        work=work.fit,
        parameters=_predictor_parameters(experiment, method, seed),
        inputs=_networks(experiment, method, seed) | fits,
    )


def _run(experiment: ExperimentGraph, method: str, seed: int) -> dict[str, Any]:
    """Return the fields that the jobs of a training and of a fit share."""
    return {
        "kind": "train",
        "name": names.training_name(method, seed),
        "view": experiment.results / "runs" / method / f"seed{seed}",
        "options": _network_options(experiment, f"{method} seed {seed}"),
        "modules": experiment.network_modules,
    }


def _networks(experiment: ExperimentGraph, method: str, seed: int) -> dict[str, Job]:
    runs = [experiment.job(names.training_name(*run)) for run in experiment.networks(method, seed)]
    return {f"networks/{number}": run for number, run in enumerate(runs)}


def _network_parameters(experiment: ExperimentGraph) -> dict[str, Any]:
    """Return the parameters on which the networks of an experiment depend. A model's config counts as code."""
    settings = experiment.settings
    return {
        "image_size": settings.image_size,
        "pretrained": settings.model.pretrained,
        "augmentation": settings.augmentation,
        "training": settings.training.model_copy(update=work.MACHINE),
        "classes": experiment.facts.classes,
    }


def _predictor_parameters(experiment: ExperimentGraph, method: str, seed: int) -> dict[str, Any]:
    """Return the parameters on which predictions depend, besides weights: network, batch size, post-hoc method."""
    fitted = (
        {"method": experiment.posthoc(method), "seed": seed} if experiment.posthoc(method) else {}
    )
    return (
        _network_parameters(experiment)
        | {"batch_size": experiment.settings.evaluation.batch_size}
        | fitted
    )


def _network_options(experiment: ExperimentGraph, title: str) -> dict[str, Any]:
    """Return settings of the machine, the model, and the title of the run in messages."""
    settings = experiment.settings
    machine = {key: getattr(settings.training, key) for key in work.MACHINE}
    return machine | {"model": settings.model, "title": title}


# Numbers


def _evaluate(experiment: ExperimentGraph) -> Iterator[Job]:
    """Yield a job per run and evaluated split, and a batch per run that computes all of these."""
    for method, seed in experiment.runs:
        jobs = {
            part: _evaluation(experiment, method, seed, part) for part in experiment.facts.parts
        }
        yield from jobs.values()
        yield Job(
            kind="evaluations",
            name=f"evaluate/{method}/seed{seed}",
            files=("evaluated.txt",),
            work=work.evaluations,
            inputs={job.name: job for job in jobs.values()},
            options=_network_options(experiment, f"{method} seed {seed}"),
            is_batch=True,
        )


def _evaluation(experiment: ExperimentGraph, method: str, seed: int, part: str) -> Job:
    return Job(
        kind="evaluate",
        name=names.evaluation_name(method, seed, part),
        files=("statistic.npz",),
        work=work.evaluate,
        parameters=_predictor_parameters(experiment, method, seed)
        | ({"weighted_f": True} if experiment.settings.evaluation.weighted_f else {}),
        inputs=_networks(experiment, method, seed)
        | (
            {"fit": experiment.job(names.training_name(method, seed))}
            if experiment.posthoc(method)
            else {}
        )
        | {"part": experiment.job(f"store/{part}")}
        | {name: experiment.job(f"store/{name}") for name in ("train", "val")},
        options=_network_options(experiment, f"{method} seed {seed} on {part}") | {"part": part},
        modules=experiment.network_modules,
        view=experiment.results / "statistics" / method / f"seed{seed}" / part,
    )


def _analyse(experiment: ExperimentGraph) -> Iterator[Job]:
    """Yield a job per evaluated split: the metrics of all runs."""
    facts = experiment.facts
    for part in facts.parts:
        entry = experiment.entry(part)
        grouped = groups.find(entry.groups, experiment.data_root)
        evaluated = {
            f"{m}/seed{s}": experiment.job(names.evaluation_name(m, s, part)) for m, s in facts.runs
        }
        yield Job(
            kind="analyse",
            name=f"analyse/{part}",
            files=("analysis.npz",),
            work=work.analyse,
            parameters={
                "part": part,
                "bins": facts.bins,
                "runs": facts.runs,
                **(
                    {"groups": file_digest(grouped) if grouped else entry.groups}
                    if entry.groups
                    else {}
                ),
            },
            inputs=evaluated,
            options={"groups": entry.groups, "grouped": grouped},
            view=experiment.results / "analysis" / part,
        )


# Files for readers


def _show(experiment: ExperimentGraph) -> Iterator[Job]:
    """Yield the jobs of files for readers: tables, figures, claims and the report."""
    facts, folder = experiment.facts, experiment.results
    parameters = {"facts": facts}
    analyses = _by_name(experiment.of_kinds("analyse"))
    runs = _by_name(experiment.of_kinds("train"))
    learned = {
        name: runs[name]
        for run in facts.runs
        if run[0] in facts.learned
        if (name := names.training_name(*run))
    }
    stores = _by_name(experiment.of_kinds("store"))
    styles = {f"style/{file.name}": file for file in sorted((ROOT / "figures").glob("*.mplstyle"))}
    tables = Job(
        "tables", "tables", TABLE_FILES, report.tables, parameters, analyses, view=folder / "tables"
    )
    figures = Job(
        kind="figures",
        name="figures",
        files=tuple(figure_files(facts)),
        work=report.figures,
        parameters=parameters,
        inputs=analyses | runs,
        other_files=styles,
        view=folder / "figures",
    )
    gallery = Job(
        kind="gallery",
        name="gallery",
        files=tuple(
            sorted(file for picture in predictions.FIGURE.pictures(facts) for file in picture.files)
        ),
        work=report.gallery,
        parameters=parameters,
        inputs=analyses | runs | {f"store/{part}": stores[f"store/{part}"] for part in facts.tests},
        modules=experiment.network_modules,
        other_files=styles,
        view=folder / "figures",
    )
    claims = Job(
        "claims", "claims", CLAIM_FILES, report.claims, parameters, analyses | learned, view=folder
    )
    shown = [tables, figures, gallery, claims]
    yield from shown
    yield _report(experiment, runs | stores | analyses | _by_name(shown[1:]))


def _by_name(jobs: Iterable[Job]) -> dict[str, Job]:
    return {job.name: job for job in jobs}


def _report(experiment: ExperimentGraph, shown: dict[str, Job]) -> Job:
    pages = sorted(
        file for file in (ROOT / "report").rglob("*") if file.suffix in (".j2", ".css", ".js")
    )
    return Job(
        kind="report",
        name="report",
        files=("report.html",),
        work=report.write,
        parameters={
            "facts": experiment.facts,
            "parts": {name: str(part) for name, (part, _) in experiment.parts.items()},
            "described": report.described(experiment.facts),
            "task": catalog.tasks().get(experiment.entry("train").task, ""),
        },
        inputs=shown,
        options={"settings": experiment.settings, "command": experiment.command},
        other_files={f"page/{file.name}": file for file in pages},
        view=experiment.results,
    )
