"""One of two experiments that are compared: a published one, or one whose results lie here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_src.analysis.facts import Facts
from pipeline_src.data import groups as image_groups
from pipeline_src.errors import UserError, did_you_mean
from pipeline_src.params.load import read
from pipeline_src.pipeline import job_names
from pipeline_src.pipeline.experiment import ExperimentGraph
from pipeline_src.pipeline.jobs import chosen
from pipeline_src.publishing import published

Evaluation = tuple[str, int, str]  # method, seed, data set
# Settings that change no number, or that stand elsewhere: seeds, methods and data sets are compared one by one.
APART = ("seeds", "methods", "claims", "data.id", "data.shifted", "data.ood", "training.device", "training.workers")
NOT_VERSIONS = ("written", "training, all runs", "adopted results", "results verified", "made with other versions")


@dataclass(frozen=True)
class Side:
    """One of two experiments.

    Attributes:
        name: as the user gave it.
        facts: what it consists of.
        statistics: the evaluations that are there, with their files.
        groups: data set -> the group of each image, where they are not independent.
        conditions: what may explain a difference: about what (a method or a data set; empty for all) -> name -> value.
        contracts: those of the evaluations that are known.
        command: what makes the evaluations that are not there; empty of a published experiment.
    """

    name: str
    facts: Facts
    statistics: Mapping[Evaluation, Path]
    groups: Mapping[str, Sequence[int]]
    conditions: Mapping[str, Mapping[str, Any]]
    contracts: Mapping[Evaluation, str] = field(default_factory=dict)
    command: str = ""

    def seeds(self, method: str, part: str) -> list[int]:
        """Seeds of a method that were evaluated on a data set."""
        return [seed for name, seed, where in self.statistics if (name, where) == (method, part)]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """(method, data set) of all that was evaluated."""
        return list(dict.fromkeys((method, part) for method, _, part in self.statistics))

    @property
    def in_words(self) -> str:
        """What was evaluated."""
        names = (", ".join(map(str, dict.fromkeys(each))) for each in zip(*self.statistics, strict=True))
        return "methods {}; seeds {}; data sets {}".format(*names)

    def only(self, method: str, title: str) -> Side:
        """What there is of one method, under another title."""
        if method not in self.facts.methods:
            raise UserError(
                f"{self.name} has no method {method!r}",
                expected=f"one of: {', '.join(self.facts.methods)}",
                do=did_you_mean(method, self.facts.methods),
            )
        of_method = [key for key in _evaluations(self.facts) if key[0] == method]
        if not {*of_method} & {*self.statistics}:
            raise _nothing(f"{self.name}:{method}", len(of_method), self.command)

        def renamed(by_evaluation: Mapping[Evaluation, Any]) -> dict[Evaluation, Any]:
            return {(title, seed, part): each for (name, seed, part), each in by_evaluation.items() if name == method}

        conditions = {topic: values for topic, values in self.conditions.items() if topic not in self.facts.methods}
        return replace(
            self,
            name=f"{self.name}:{method}",
            facts=replace(self.facts, methods={title: self.facts.methods[method]}),
            statistics=renamed(self.statistics),
            conditions=conditions | {title: self.conditions.get(method, {})},
            contracts=renamed(self.contracts),
        )

    def group(self, part: str) -> np.ndarray | None:
        """(N,) the group of each image."""
        return np.array(self.groups[part], np.int64) if part in self.groups else None


def sides(a: str, b: str) -> tuple[Side, Side]:
    """Two experiments, or one method of each: `EXPERIMENT:METHOD`, under a title that names both.

    Raises:
        UserError: there is no such experiment or method, or one side alone names a method.
    """
    (one, _, of_one), (two, _, of_two) = a.partition(":"), b.partition(":")
    if bool(of_one) != bool(of_two):
        raise UserError(
            "one side names a method, the other does not",
            found=f"{a} and {b}",
            expected="EXPERIMENT:METHOD twice, or two experiments",
        )
    if not of_one:
        return _side(a), _side(b)
    title = of_one if of_one == of_two else f"{of_two} - {of_one}"
    return _side(one).only(of_one, title), _side(two).only(of_two, title)


def _side(name: str) -> Side:
    folder = Path(name)
    if (folder / published.EXPERIMENT).exists() or folder.parent == published.FOLDER:
        return _published(name)
    experiments = read().experiments
    experiment = folder.name if folder.parent == Path("results") else name
    if experiment not in experiments:
        names = [*(str(published.FOLDER / each) for each in published.names()), *experiments]
        raise UserError(
            f"{name} is neither a published experiment nor one of params.yaml",
            found="a folder without experiment.json" if folder.is_dir() else "no such folder",
            expected=f"one of: {', '.join(names)}",
            do="results of another project are compared after `dense-calibration publish` there",
        )
    return _of_graph(name, chosen(experiment))


def _published(name: str) -> Side:
    folder = Path(name)
    publication = published.check_sources(folder)
    facts, by_job = publication.facts, publication.contracts
    versions = {key: text for key, text in publication.made.items() if key not in NOT_VERSIONS}
    conditions = {"": _flat(publication.params) | versions} | _methods(facts)
    conditions |= {row["part"]: {"images": row["hash"]} for row in publication.data}
    files = {key: published.statistic_file(folder, *key) for key in _evaluations(facts)}
    contracts = {key: by_job[job] for key in files if (job := job_names.evaluation(*key)) in by_job}
    return Side(name, facts, files, publication.groups, conditions, contracts)


def _of_graph(name: str, graph: ExperimentGraph) -> Side:
    jobs = {key: graph.job(job_names.evaluation(*key)) for key in _evaluations(graph.facts)}
    there = {key: job for key, job in jobs.items() if job.is_made}
    if not there:
        raise _nothing(name, len(jobs), graph.command)
    return Side(
        name,
        graph.facts,
        {key: job.paths[0] for key, job in there.items()},
        _groups(graph, {part: job.paths[0] for (_, _, part), job in there.items()}),
        {"": _flat(graph.settings.model_dump(mode="json")) | _versions(graph)} | _methods(graph.facts) | _images(graph),
        {key: job.fingerprint for key, job in there.items()},
        graph.command,
    )


def _nothing(name: str, evaluations: int, command: str) -> UserError:
    return UserError(
        f"{name}: nothing of it is finished and current",
        found=f"0 of {evaluations} evaluations",
        expected="results of one method and seed or more",
        do=f"run it first: {command}",
    )


def _evaluations(facts: Facts) -> list[Evaluation]:
    return [(*run, part) for run in facts.runs for part in facts.parts]


def _groups(graph: ExperimentGraph, files: Mapping[str, Path]) -> dict[str, list[int]]:
    from pipeline_src.counting.loading import by_protocol, load

    by_part = {}
    for part, file in files.items():
        options = graph.job(job_names.analysis(part)).options
        if options["groups"]:
            rows = by_protocol(load(file))["raw"].rows
            ids = rows.ids if rows else []
            by_part[part] = image_groups.number(ids, groups=options["groups"], file=options["grouped"]).tolist()
    return by_part


def _versions(graph: ExperimentGraph) -> dict[str, str]:
    """Libraries that the runs had loaded; the machine and the commit of today."""
    from pipeline_src.report.provenance import commit, machine

    versions: dict[str, set[str]] = {}
    for job in graph.of_kinds("train", "evaluate"):
        if stamp := job.manifest:
            for name, version in stamp.made.get("versions", {}).items():
                versions.setdefault(name, set()).add(version)
    here = {"machine": machine(), "commit": commit()}
    return {name: ", ".join(sorted(several)) for name, several in versions.items()} | {
        name: text for name, text in here.items() if text
    }


def _images(graph: ExperimentGraph) -> dict[str, dict[str, str]]:
    """A hash of the images and masks of each part whose store is here."""
    from pipeline_src.pipeline.report import store_facts

    parts = [name for name in graph.stored_parts if graph.job(job_names.store(name)).is_made]
    return {name: {"images": store_facts(graph.job("report"), name)["hash"]} for name in parts}


def _methods(facts: Facts) -> dict[str, dict[str, Any]]:
    return {name: {"method": method.code, **method.parameters} for name, method in facts.methods.items()}


def _flat(settings: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Settings that can change a number, by dotted name."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        name = f"{above}{key}"
        if name in APART:
            continue
        flat |= _flat(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return flat
