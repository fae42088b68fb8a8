"""The jobs of an experiment, and what each is made from.

Snakemake, DVC and the command line all ask here. Nothing in this file runs a job (`execute.py` does).
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline_src.data import catalog, part_checks, sources
from pipeline_src.data.entry import Entry
from pipeline_src.engine.job import Job
from pipeline_src.errors import UserError
from pipeline_src.params.load import downloads, resolve
from pipeline_src.params.schema import Params
from pipeline_src.python_source import ROOT
from pipeline_src.steps.experiment import Graph
from pipeline_src.training.models.source import network_sources, own_weights
from pipeline_src.training.posthoc import PostHoc
from pipeline_src.training.registry import choose

UNPACKED = Path("data/unpacked")
STAGES = {  # DVC's stages, and the kinds of jobs in each
    "data": ("prepare", "store"),
    "train": ("train",),
    "evaluate": ("evaluate",),
    "report": ("tables", "figures", "claims", "report"),
}


def graph(params: Params, experiment: str | None = None) -> Graph:
    """The jobs of an experiment (default: the one that params.yaml picks).

    Raises:
        UserError: a data set is unknown or not to be had, a method or a model config doesn't exist.
    """
    name, chosen = resolve(params, experiment)
    entries = catalog.load(params.datasets)
    blocks = params.blocks()
    methods = {method: choose(method, blocks[method]) for method in chosen.methods}
    built = Graph(name, chosen, entries, downloads(params), methods)
    part_checks.check_parts(entries, built.parts)
    _add_data(built)
    for method, seed in _by_reference(built):
        _add_fit(built, method, seed) if built.posthoc(method) else _add_train(built, method, seed)
    for method, seed in built.runs:
        for part in built.tested:
            _add_evaluate(built, method, seed, part)
    _add_results(built)
    return built


def _add(built: Graph, job: Job) -> None:
    built.jobs[job.name] = job


def _add_data(built: Graph) -> None:
    on_problem = built.experiment.data.on_problem
    absent = []
    for set_name in dict.fromkeys(part.set for part, _ in built.parts.values()):
        entry = catalog.find(built.entries, set_name)
        folder = built.manifest(set_name)
        try:
            content = sources.fingerprint(entry, built.data_root, UNPACKED, folder)
        except sources.MissingSourceError as error:
            absent.append(str(error))
            continue
        parameters = {"content": content, "on_problem": on_problem}
        modules = ("pipeline_src.data.prepare", *([sources.GENERATOR] if entry.generated else []))
        parameters |= {"classes": entry.classes, "void": entry.void} if entry.classes else {}
        parameters |= {"skip_unmasked": True} if entry.skip_unmasked else {}
        _add(built, Job("prepare", f"prepare/{set_name}", folder, "prepare", parameters, modules=modules))
    if absent:
        raise UserError("\n".join(absent))
    part_checks.check_name_lists(built.entries, built.parts, built.data_root, UNPACKED)
    for name, (part, _) in built.parts.items():
        parameters = part.model_dump() | {"size": built.experiment.image_size}
        parameters |= {"nothing": nothing} if (nothing := built.nothing(name)) else {}
        inputs = (built.job(f"prepare/{part.set}"),)
        modules = ("pipeline_src.data.build",)
        _add(built, Job("store", f"store/{name}", built.store(name), "store", parameters, inputs, modules))


def _by_reference(built: Graph) -> list[tuple[str, int]]:
    """The runs, those that others need as an input first: what trains, what trains after others, what is post-hoc."""
    for name in built.experiment.methods:
        for needed in built.methods[name].method.references():
            if needed not in built.methods:
                raise UserError(
                    f"methods.{name} needs the run of {needed!r}", do=f"add {needed} to the experiment's `methods:`"
                )
            if built.posthoc(needed):
                raise UserError(
                    f"methods.{name} needs a method that trains, and {needed!r} is post-hoc itself",
                    expected=", ".join(m for m in built.methods if not built.posthoc(m)) or "baseline",
                )
    if built.of_all_seeds and len(built.experiment.seeds) < 2:
        raise UserError(
            f"methods.{built.of_all_seeds[0]} is made of the networks of several seeds",
            found=f"seeds: {built.experiment.seeds}",
            do="give the experiment two seeds or more, or take the method out of its `methods:`",
        )
    by_name = {name: chosen.method for name, chosen in built.methods.items()}
    return sorted(
        built.runs, key=lambda run: (isinstance(by_name[run[0]], PostHoc), bool(by_name[run[0]].references()))
    )


def _add_train(built: Graph, method: str, seed: int) -> None:
    e, chosen = built.experiment, built.methods[method]
    parameters = {
        "seed": seed,
        "method": chosen.method.model_dump(),
        "image_size": e.image_size,
        "pretrained": e.model.pretrained,
        "augmentation": e.augmentation.model_dump(),
        # Not the device, nor how many processes load data: results are meant to survive a move to another machine.
        "training": e.training.model_dump(exclude={"device", "gpus", "workers"}),
        "ranks": max(1, e.training.gpus),
    }
    if e.model.factory:  # of a config, the code says everything
        parameters["factory"] = e.model.factory
    files, modules = network_sources(e.model.network)
    references = [built.job(f"train/{needed}/seed{seed}") for needed in chosen.method.references()]
    job = Job(
        "train",
        f"train/{method}/seed{seed}",
        built.run(method, seed),
        "train",
        parameters,
        (built.job("store/train"), built.job("store/val"), *references),
        ("pipeline_src.training.loop", *([chosen.module] if chosen.module else []), *modules),
        (*([chosen.file] if chosen.file else []), *files),
        # Validation accuracy comes from exact integer counts: whatever code counts, the number is the same.
        (
            "pipeline_src.counting",
            "pipeline_src.metrics",
        ),
        own_weights(e.model.network) if e.model.pretrained else (),
    )
    _add(built, job)


def _add_fit(built: Graph, method: str, seed: int) -> None:
    """What stands in the place of training for a post-hoc method; how its networks were trained is in their jobs."""
    parameters, modules, files = _prediction(built, method)
    networks = [built.job(f"train/{needed}/seed{s}") for needed, s in built.networks(method, seed)]
    validation = [built.job("store/val")] if built.posthoc(method).fits else []
    job = Job(
        "train",
        f"train/{method}/seed{seed}",
        built.run(method, seed),
        "train",
        parameters | {"seed": seed},
        (*networks, *validation),
        modules,
        files,
        (
            "pipeline_src.counting",
            "pipeline_src.metrics",
        ),
    )
    _add(built, job)


def _add_evaluate(built: Graph, method: str, seed: int, part: str) -> None:
    parameters, modules, files = _prediction(built, method)
    runs = dict.fromkeys([(method, seed), *built.networks(method, seed)])
    job = Job(
        "evaluate",
        f"evaluate/{method}/seed{seed}/{part}",
        built.statistic(method, seed, part).parent,
        part,
        parameters,
        (*(built.job(f"train/{name}/seed{s}") for name, s in runs), built.job(f"store/{part}")),
        ("pipeline_src.prediction.evaluate", *modules),
        files,
        exclusive=False,
    )
    _add(built, job)


def _prediction(built: Graph, method: str) -> tuple[dict[str, Any], tuple[str, ...], tuple[Path, ...]]:
    """Parameters, modules and files that decide what a run predicts. A method that trains is all in its weights."""
    files, modules = network_sources(built.experiment.model.network)
    parameters = {"batch_size": built.experiment.evaluation.batch_size}
    modules = ("pipeline_src.prediction.predict", *modules)
    if posthoc := built.posthoc(method):
        chosen = built.methods[method]
        parameters["method"] = posthoc.model_dump()
        modules += (chosen.module,) if chosen.module else ()
        files += (chosen.file,) if chosen.file else ()
    return parameters, modules, files


def _add_results(built: Graph) -> None:
    e = built.experiment
    evaluated = tuple(built.of_kinds("evaluate"))
    trained = tuple(built.job(f"train/{method}/seed{seed}") for method, seed in built.runs)

    def entry(part: str) -> Entry:
        return built.entries[built.parts[part][0].set]

    parameters = {
        "bins": e.evaluation.bins,
        "epochs": e.training.epochs,
        "methods": e.methods,
        "parts": built.tested,
        "synthetic": built.synthetic,
        "captions": {part: caption for part in built.tested if (caption := entry(part).caption)},
    }
    # Stamps lie apart, so that `dvc plots` finds nothing but figures in the figures' folder.
    folder, stamps = built.results, built.results / "stamps"
    style = tuple(sorted((ROOT / "figures").glob("*.mplstyle")))
    page = tuple(sorted(file for file in (ROOT / "report").rglob("*") if file.suffix in (".j2", ".css", ".js")))

    def add(
        name: str, to: Path, inputs: tuple[Job, ...], module: str, files: tuple[Path, ...] = (), **more: Any
    ) -> Job:
        job = Job(
            *(name, name, to, name, parameters | more, inputs, (module,)),
            other_files=files,
            exclusive=to != folder,
            stamps_in=stamps,
        )
        _add(built, job)
        return job

    tables = add("tables", folder / "tables", evaluated, "pipeline_src.tables.main", blocks=built.blocks)
    pictured = (*evaluated, *trained, *built.of_kinds("store"))
    figures = add("figures", folder / "figures", pictured, "pipeline_src.figures.main", style, blocks=built.blocks)
    learned = tuple(built.job(f"train/{method}/seed{seed}") for method, seed in built.runs if method in built.learned)
    roles = {name: asdict(role) for name, role in built.roles.items()}
    claims = add("claims", folder, (*evaluated, *learned), "pipeline_src.claims.main", roles=roles)
    add("report", folder, (tables, figures, claims), "pipeline_src.report", page)
