"""The jobs of an experiment, kind by kind: name, inputs, files and parameters of each. `work` has what they do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline_src.claims import CLAIM_FILES
from pipeline_src.data import catalog, checks, groups, lookup
from pipeline_src.figures.registry import figure_files
from pipeline_src.params.changes import changed
from pipeline_src.params.load import downloads, read, resolve
from pipeline_src.params.schema import Evaluation, Params
from pipeline_src.pipeline import data_jobs, job_names, report, work
from pipeline_src.pipeline.experiment import ExperimentGraph
from pipeline_src.pipeline.fingerprint import file_digest
from pipeline_src.pipeline.job import Job
from pipeline_src.pipeline.manifest import stored
from pipeline_src.pipeline.networks import MACHINE
from pipeline_src.python_source import ROOT
from pipeline_src.tables import table_files
from pipeline_src.tables.several_experiments import judged_files
from pipeline_src.training.registry import choose

RUN_FILES = ("model.safetensors", "averaged.safetensors", "history.csv", "timing.csv", "run.json")
MEASURED = ("T9.csv", "T9.md", "T9.tex", "printed.json")  # tables with what runs took


def chosen(name: str | None = None) -> ExperimentGraph:
    """The jobs of the experiment that a command names (default: the one that params.yaml picks), with what the command
    line changes of it."""
    return build(changed(read(), name), name)


def build(params: Params, name: str | None = None) -> ExperimentGraph:
    """The jobs of an experiment (default: the one that params.yaml picks).

    Raises:
        UserError: a data set is unknown or not available, a method or a model config doesn't exist.
    """
    name, settings = resolve(params, name)
    entries, blocks = catalog.load(params.datasets), params.blocks()
    methods = {method: choose(method, blocks[method]) for method in settings.methods}
    experiment = ExperimentGraph(
        name, settings, entries, downloads(params), methods, Path(params.judged), params.limits
    )
    checks.check_parts(entries, experiment.stored_parts)
    experiment.check()
    experiment.add(data_jobs.preparations(experiment))
    checks.check_name_lists(entries, experiment.stored_parts, experiment.data_root)
    for kind in (data_jobs.stores, _train, _evaluate, _analyse, _shown, _report):
        experiment.add(kind(experiment))
    return experiment


# Networks


def _train(experiment: ExperimentGraph) -> Iterator[Job]:
    """A job per run: trained, or fitted if the method is post-hoc."""
    for method, seed in experiment.runs:
        yield (_fitted if experiment.posthoc(method) else _trained)(experiment, method, seed)


def _trained(experiment: ExperimentGraph, method: str, seed: int) -> Job:
    network = experiment.methods[method].method
    references = {f"references/{name}": experiment.job(job_names.training(name, seed)) for name in network.references()}
    code = _network_code(experiment, method)
    code["other_files"] |= {f"weights/{number}": file for number, file in enumerate(experiment.own_weights)}
    return Job(
        **_run(experiment, method, seed),
        files=(*RUN_FILES, "alpha.csv") if network.learns else RUN_FILES,
        work=work.train,
        # Validation has a batch size of its own: that of `evaluation` may change without a new training.
        parameters=_network_parameters(experiment)
        | {"method": network, "seed": seed, "batch_size": Evaluation().batch_size},
        inputs={part: experiment.job(job_names.store(part)) for part in ("train", "val")} | references,
        options=_network_options(experiment, f"{method} seed {seed}") | {"tests": _tests(experiment)},
        **code,
        varying=("timing.csv",),
    )


def _fitted(experiment: ExperimentGraph, method: str, seed: int) -> Job:
    posthoc = experiment.posthoc(method)
    fits = {"val": experiment.job(job_names.store("val"))} if posthoc and posthoc.fits else {}
    return Job(
        **_run(experiment, method, seed),
        files=("run.json",),
        work=work.fit,
        parameters=_predictor_parameters(experiment, method, seed),
        inputs=_networks(experiment, method, seed) | fits,
        options=_network_options(experiment, f"{method} seed {seed}"),
        **_network_code(experiment, method),
    )


def _run(experiment: ExperimentGraph, method: str, seed: int) -> dict[str, Any]:
    view = experiment.results / "runs" / method / f"seed{seed}"
    return {"kind": "train", "name": job_names.training(method, seed), "view": view}


def _networks(experiment: ExperimentGraph, method: str, seed: int) -> dict[str, Job]:
    runs = [experiment.job(job_names.training(*run)) for run in experiment.networks(method, seed)]
    return {f"networks/{number}": run for number, run in enumerate(runs)}


def _network_parameters(experiment: ExperimentGraph) -> dict[str, Any]:
    """Return the parameters on which the networks of an experiment depend. A model's config counts as code."""
    settings = experiment.settings
    return {
        "image_size": settings.image_size,
        "pretrained": settings.model.pretrained,
        "factory": settings.model.factory,
        "augmentation": settings.augmentation,
        "training": settings.training.model_copy(update=MACHINE),
        "ranks": max(1, settings.training.gpus),
        "classes": experiment.facts.classes,
    }


def _predictor_parameters(experiment: ExperimentGraph, method: str, seed: int) -> dict[str, Any]:
    """Return the parameters, besides weights, on which predictions depend. Only post-hoc methods add to the batch
    size."""
    fitted = {"method": experiment.posthoc(method), "seed": seed} if experiment.posthoc(method) else {}
    return _network_parameters(experiment) | {"batch_size": experiment.settings.evaluation.batch_size} | fitted


def _network_options(experiment: ExperimentGraph, title: str) -> dict[str, Any]:
    """The machine, the name of the model, and what messages call the run."""
    settings = experiment.settings
    machine = {key: getattr(settings.training, key) for key in MACHINE}
    return machine | {"model": settings.model, "title": title, "experiment": experiment.name}


def _network_code(experiment: ExperimentGraph, method: str) -> dict[str, Any]:
    """Files and modules that the networks of a method consist of, as arguments of `Job`."""
    files, modules = experiment.network_sources
    method_entry = experiment.methods[method]
    own = [method_entry.file.expanduser()] if method_entry.file else []
    return {
        "code_files": (*own, *files),
        "modules": modules,
        "other_files": {f"files/{number}": file for number, file in enumerate(method_entry.files)},
    }


def _tests(experiment: ExperimentGraph) -> dict[str, tuple[dict[str, Any], Path]]:
    """Part and folder of the manifest of each test part, as options of a training job: what it is tested on changes no
    network."""
    return {
        name: (part.model_dump(), experiment.job(job_names.preparation(part.set)).folder)
        for name, (part, _) in experiment.stored_parts.items()
        if name not in ("train", "val")
    }


# Numbers


def _evaluate(experiment: ExperimentGraph) -> Iterator[Job]:
    """A job per run and evaluated part, and one per run that makes all of these."""
    for method, seed in experiment.runs:
        jobs = {part: _evaluation(experiment, method, seed, part) for part in experiment.facts.parts}
        yield from jobs.values()
        name, inputs = job_names.evaluations(method, seed), {job.name: job for job in jobs.values()}
        options = _network_options(experiment, f"{method} seed {seed}")
        yield Job(
            "evaluations", name, ("evaluated.txt",), work.evaluations, inputs=inputs, options=options, is_batch=True
        )


def _evaluation(experiment: ExperimentGraph, method: str, seed: int, part: str) -> Job:
    corruption = experiment.corruptions.get(part)
    corrupted = {"corruption": (corruption.name, corruption.severity)} if corruption else {}
    return Job(
        kind="evaluate",
        name=job_names.evaluation(method, seed, part),
        files=("statistic.npz", "examples.npz"),
        work=work.evaluate_corrupted if corruption else work.evaluate,
        parameters=_predictor_parameters(experiment, method, seed) | corrupted,
        inputs=_networks(experiment, method, seed)
        | ({"fit": experiment.job(job_names.training(method, seed))} if experiment.posthoc(method) else {})
        | {"part": experiment.job(job_names.store(experiment.stored_name(part)))}
        | {name: experiment.job(job_names.store(name)) for name in ("train", "val")},
        options=_network_options(experiment, f"{method} seed {seed} on {part}") | {"part": part},
        **_network_code(experiment, method),
        view=experiment.results / "statistics" / method / f"seed{seed}",
        view_names={"statistic.npz": f"{part}.npz", "examples.npz": f"{part}.examples.npz"},
    )


def _analyse(experiment: ExperimentGraph) -> Iterator[Job]:
    """A job per evaluated part: the metrics of all runs."""
    for part in experiment.facts.parts:
        entry = experiment.entry(part)
        names = lookup.benchmark_file(entry, experiment.data_root)
        job = _analysis(experiment, part, names, file_digest(names) if names else None)
        if names is None and entry.benchmark_list and not job.is_made:
            # Where results were pulled without data, what was made with the list of names stays current.
            recorded = {manifest.ingredients["parameters"].get("names") for _, manifest in stored("analyse")}
            jobs = [_analysis(experiment, part, None, digest) for digest in recorded]
            job = next((pulled for pulled in jobs if pulled.is_made), job)
        yield job


def _analysis(experiment: ExperimentGraph, part: str, names: Path | None, digest: str | None) -> Job:
    facts, entry = experiment.facts, experiment.entry(part)
    grouped = groups.find(entry.groups, experiment.data_root)
    evaluated = {f"{m}/seed{seed}": experiment.job(job_names.evaluation(m, seed, part)) for m, seed in facts.runs}
    return Job(
        kind="analyse",
        name=job_names.analysis(part),
        files=("analysis.npz",),
        work=work.analyse,
        parameters={
            "part": part,
            "bins": facts.bins,
            "runs": facts.runs,
            "images": experiment.used_parts[part][0],
            "names": digest,
            **({"list": entry.benchmark_list} if entry.benchmark_list else {}),
            **({"groups": file_digest(grouped) if grouped else entry.groups} if entry.groups else {}),
        },
        inputs={**evaluated, "prepare": experiment.job(job_names.preparation(entry.name))},
        options={"names": names, "groups": entry.groups, "grouped": grouped},
        view=experiment.results / "analysis",
        view_names={"analysis.npz": f"{part}.npz"},
    )


# What people read


def _shown(experiment: ExperimentGraph) -> Iterator[Job]:
    """Tables, figures and claims."""
    facts = experiment.facts
    analyses = {job.name: job for job in experiment.of_kinds("analyse")}
    runs = {name: experiment.job(name) for name in (job_names.training(*run) for run in facts.runs)}
    learned = {name: runs[name] for name in (job_names.training(*r) for r in facts.runs if r[0] in facts.learned)}
    stores = {job.name: job for job in experiment.of_kinds("store")}
    examples = {name: experiment.job(name) for name in work.example_names(facts).values()}
    tables = Job("tables", "tables", tuple(table_files()), work.tables, {"facts": facts}, analyses | runs)
    yield replace(tables, varying=MEASURED, view=experiment.results / "tables")
    yield Job(
        kind="figures",
        name="figures",
        files=tuple(figure_files(facts)),
        work=work.figures,
        parameters={"facts": facts},
        inputs=analyses | runs | examples | stores,
        other_files={f"style/{file.name}": file for file in sorted((ROOT / "figures").glob("*.mplstyle"))},
        view=experiment.results / "figures",
    )
    claims = Job("claims", "claims", tuple(CLAIM_FILES), work.claims, {"facts": facts}, analyses | learned)
    yield replace(claims, view=experiment.results)


def _report(experiment: ExperimentGraph) -> Iterator[Job]:
    """The page with all of it."""
    shown = [*experiment.of_kinds("train", "store", "analyse"), *map(experiment.job, ("tables", "figures", "claims"))]
    pages = sorted(file for file in (ROOT / "report").rglob("*") if file.suffix in (".j2", ".css", ".js"))
    judged = {f"judged/{file.relative_to(experiment.judged)}": file for file in judged_files(experiment.judged)}
    parts = {name: part for name, (part, _) in experiment.stored_parts.items()}
    ideas = _own_ideas(experiment)
    yield Job(
        kind="report",
        name="report",
        files=("report.html",),
        work=report.write,
        parameters={"facts": experiment.facts, "parts": parts} | ({"ideas": ideas} if ideas else {}),
        inputs={job.name: job for job in shown},
        options={"settings": experiment.settings, "judged": experiment.judged, "command": experiment.command}
        | {"task": experiment.entry("train").task},
        other_files={f"page/{file.name}": file for file in pages} | judged,
        view=experiment.results,
        varying=("report.html",),
    )


def _own_ideas(experiment: ExperimentGraph) -> dict[str, str]:
    """Block of a method of the user's -> what its docstring says of it, where it has one."""
    from pipeline_src.training.described import own_idea

    ideas = {name: own_idea(type(entry.method)) for name, entry in experiment.methods.items() if entry.file}
    return {name: idea for name, idea in ideas.items() if idea}
