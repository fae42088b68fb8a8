"""Comparison of two experiments or two methods, published or in `results/`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline_src import processes
from pipeline_src.analysis.compare import SAME, Cell, compare, seed_pairs
from pipeline_src.analysis.estimate import or_none
from pipeline_src.analysis.facts import Facts
from pipeline_src.analysis.intervals import ENOUGH, groups_in_words, images_in_words
from pipeline_src.errors import UserError, did_you_mean
from pipeline_src.files import write_text
from pipeline_src.params.load import read
from pipeline_src.publishing import published
from pipeline_src.publishing.published import FOLDER, Publication, PublishedCounts

if TYPE_CHECKING:
    from pipeline_src.counting.map_counts import MapCounts

Evaluation = tuple[str, int, str]  # method, seed, dataset
# Settings that change no number, or that are compared one by one: seeds, methods and datasets.
APART = ("seeds", "methods", "claims", "data.id", "data.shifted", "data.ood", "training.device", "training.workers")
NOT_VERSIONS = ("written", "training", "all runs", "adopted results", "results verified", "made with other versions")


@dataclass(frozen=True)
class Side:
    """One of the two experiments of a comparison.

    Attributes:
        name: as the user gave it.
        facts: what it consists of.
        files: (method, seed, dataset) -> the file of its counts; None if the source is a published folder.
        groups: dataset -> the group of each image, if images are not independent.
        conditions: possible reasons for a difference: topic (a method or a dataset; empty for all) -> name -> value.
        folder: the published folder.
        source_method: the method in the source, if the side is one method under another title.
    """

    name: str
    facts: Facts
    files: Mapping[Evaluation, Path | None]
    groups: Mapping[str, Sequence[int]]
    conditions: Mapping[str, Mapping[str, Any]]
    folder: Path | None = None
    source_method: str = ""

    def seeds(self, method: str, part: str) -> list[int]:
        """Return the seeds of a method that were evaluated on a dataset."""
        return [seed for name, seed, evaluated in self.files if (name, evaluated) == (method, part)]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """(method, dataset) of all evaluations."""
        return list(dict.fromkeys((method, part) for method, _, part in self.files))

    def group(self, part: str) -> np.ndarray | None:
        """Return the group of each image, (N,), or None."""
        return np.array(self.groups[part], np.int64) if part in self.groups else None

    def counts(self, method: str, seeds: Sequence[int], part: str) -> dict[int, MapCounts]:
        """Return the counts by seed as they are published: some metrics differ slightly from those of full counts."""
        if self.folder:
            published_counts = PublishedCounts(Publication.read(self.folder), self.folder, part)
            return {seed: published_counts[self.source_method or method, seed] for seed in seeds}
        from pipeline_src.counting.compact import EXACT
        from pipeline_src.counting.compact_file import compact_run, restored_run
        from pipeline_src.counting.map_counts import MapCounts

        files = {seed: file for seed in seeds if (file := self.files[method, seed, part])}
        runs = {seed: compact_run(MapCounts.load(file), self.facts.bins, EXACT) for seed, file in files.items()}
        return {seed: restored_run(run) for seed, run in runs.items()}

    def only(self, method: str, title: str) -> Side:
        """Return the side with one method under a title."""
        if method not in self.facts.methods:
            raise UserError(
                f"{self.name} has no method {method!r}",
                expected=f"one of: {', '.join(self.facts.methods)}",
                fix=did_you_mean(method, self.facts.methods),
            )
        files = {(title, seed, part): file for (name, seed, part), file in self.files.items() if name == method}
        if not files:
            raise _nothing(f"{self.name}:{method}")
        conditions = {topic: values for topic, values in self.conditions.items() if topic not in self.facts.methods}
        return replace(
            self,
            name=f"{self.name}:{method}",
            facts=replace(self.facts, methods={title: self.facts.methods[method]}),
            files=files,
            conditions=conditions | {title: self.conditions.get(method, {})},
            source_method=method,
        )


@dataclass(frozen=True)
class Comparison:
    """Two experiments and all that could be compared.

    Attributes:
        a, b: the experiments.
        cells: a cell for each protocol, data set, method and metric.
        lacking: "A" or "B" -> evaluations of the other side that it does not have.
    """

    a: Side
    b: Side
    cells: Sequence[Cell]
    lacking: Mapping[str, Sequence[Evaluation]]

    @cached_property
    def explanations(self) -> dict[str, list[str]]:
        """Possible reasons for differences: topic -> texts with the values in A and in B."""
        shown = {topic for cell in self.cells for topic in ("", cell.method, cell.part, "train", "val")}
        texts = {}
        for topic, a in self.a.conditions.items():
            b = self.b.conditions.get(topic, {})
            texts[topic] = [f"{name} {a[name]} / {b[name]}" for name in a if name in b and a[name] != b[name]]
        return {topic: lines for topic, lines in texts.items() if lines and topic in shown}

    def warnings(self) -> dict[str, list[str]]:
        """Return warnings on the intervals: dataset (empty for all) -> texts."""
        resampled = [cell for cell in self.cells if cell.effect and cell.verdict != SAME]
        texts = {}
        if any(len(cell.seeds) == 1 for cell in resampled):
            texts[""] = ["one network per side: the confidence intervals do not cover training variance"]
        for part in dict.fromkeys(cell.part for cell in resampled):
            cells = [cell for cell in resampled if cell.part == part]
            texts[part] = self._few(part, min(cell.effect.units for cell in cells if cell.effect))
        return {part: lines for part, lines in texts.items() if lines}

    def _few(self, part: str, units: int) -> list[str]:
        groups = next((found for side in (self.a, self.b) if (found := side.group(part)) is not None), None)
        return images_in_words(units) if groups is None else [groups_in_words(groups)] * (units < ENOUGH)

    def write(self, file: Path) -> None:
        """Write all cells as JSON; undefined numbers are null."""
        content = {
            "a": self.a.name,
            "b": self.b.name,
            "explanations": {topic or "all": texts for topic, texts in self.explanations.items()},
            "warnings": {part or "all": texts for part, texts in self.warnings().items()},
            "lacking": {side: ["/".join(map(str, run)) for run in runs] for side, runs in self.lacking.items()},
            "cells": [_as_json(cell) for cell in self.cells],
        }
        write_text(file, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def compare_experiments(a: str, b: str, cores: int = 1) -> Comparison:
    """Compare all that two experiments have in common.

    Args:
        a, b: a published experiment by its folder or name, an experiment of params.yaml or its folder of results; with
            `:METHOD` behind each, these methods only.
        cores: processes.

    Raises:
        UserError: there is no such experiment, it has no results, or both have nothing in common.
    """
    first, second = _sides(a, b)
    for name in ("bins", "classes"):
        if getattr(first.facts, name) != getattr(second.facts, name):
            raise UserError(
                f"{a} and {b} have different {name}",
                found=f"{getattr(first.facts, name)} and {getattr(second.facts, name)}",
                expected=f"the same number of {name}: calibration errors depend on it",
            )
    common = [pair for pair in first.pairs if pair in {*second.pairs}]
    if not common:
        raise UserError(
            f"{a} and {b} have no result in common",
            found=f"A: {sorted(first.files)}\n            B: {sorted(second.files)}",
            expected="a method by the same name on a dataset by the same name",
        )
    work, count = partial(_cells, first, second), min(cores, len(common))
    with processes.pool(count) if count > 1 else nullcontext() as pool:
        cells = [cell for found in (pool.map if pool else map)(work, common) for cell in found]
    lacking = {
        "A": [run for run in second.files if run not in first.files],
        "B": [run for run in first.files if run not in second.files],
    }
    return Comparison(first, second, cells, lacking)


def _cells(a: Side, b: Side, pair: tuple[str, str]) -> list[Cell]:
    method, part = pair
    seeds_a, seeds_b = zip(*seed_pairs(a.seeds(*pair), b.seeds(*pair)), strict=True)
    counts = a.counts(method, seeds_a, part), b.counts(method, seeds_b, part)
    return compare(part, method, a.facts.bins, *counts, (a.group(part), b.group(part)))


def _sides(a: str, b: str) -> tuple[Side, Side]:
    """Return two experiments, or one method of each (`EXPERIMENT:METHOD`) under a title that names both."""
    (name_a, _, method_a), (name_b, _, method_b) = a.partition(":"), b.partition(":")
    if bool(method_a) != bool(method_b):
        raise UserError(
            "one side names a method, the other does not",
            found=f"{a} and {b}",
            expected="EXPERIMENT:METHOD twice, or two experiments",
        )
    if not method_a:
        return _side(a), _side(b)
    title = method_a if method_a == method_b else f"{method_b} - {method_a}"
    return _side(name_a).only(method_a, title), _side(name_b).only(method_b, title)


def _side(name: str) -> Side:
    """Return an experiment by its name or folder; results in results/ come before published ones of the same name."""
    folder = Path(name)
    if folder.parent == FOLDER or (folder / published.EXPERIMENT).exists():
        return _published(name, folder)
    experiments = read().experiments
    experiment = folder.name if folder.parent == Path("results") else name
    if experiment in experiments and (side := _local(name, experiment)).files:
        return side
    if name in published.names():
        return _published(name, FOLDER / name)
    if experiment in experiments:
        raise _nothing(name)
    raise UserError(
        f"{name} is neither a published experiment nor one of params.yaml",
        expected=f"one of: {', '.join(dict.fromkeys([*published.names(), *experiments]))}",
        fix="results of another project are compared after `dense-calibration publish` there",
    )


def _published(name: str, folder: Path) -> Side:
    publication = published.checked(folder)
    facts = publication.facts
    versions = {key: text for key, text in publication.made.items() if key not in NOT_VERSIONS}
    conditions = {"": _flat(publication.params) | versions} | _methods(facts)
    conditions |= {row["part"]: {"images": row["hash"]} for row in publication.data}
    runs = {part: {*PublishedCounts(publication, folder, part)} for part in facts.parts}
    evaluations = [(*run, part) for run in facts.runs for part in facts.parts if run in runs[part]]
    return Side(name, facts, dict.fromkeys(evaluations), publication.groups, conditions, folder)


def _local(name: str, experiment: str) -> Side:
    """Return the current evaluations of an experiment of params.yaml."""
    from pipeline_src.counting.map_counts import MapCounts
    from pipeline_src.data import groups as image_groups
    from pipeline_src.pipeline.experiment import analysis_name, evaluation_name
    from pipeline_src.pipeline.jobs import chosen
    from pipeline_src.pipeline.runner import check_results

    graph = chosen(experiment)
    facts = graph.facts
    keys = [(*run, part) for run in facts.runs for part in facts.parts]
    jobs = {key: job for key in keys if (job := graph.job(evaluation_name(*key))).is_made}
    check_results(jobs.values(), "compare", graph.command)
    files = {key: job.paths[0] for key, job in jobs.items()}
    groups = {}
    for part, file in {part: file for (_, _, part), file in files.items()}.items():
        options = graph.job(analysis_name(part)).options
        if options["groups"]:
            rows = MapCounts.load(file).raw.rows
            ids = rows.ids if rows else []
            groups[part] = image_groups.number(ids, groups=options["groups"], file=options["grouped"]).tolist()
    conditions = {"": _flat(graph.settings.model_dump(mode="json"))} | _methods(facts)
    return Side(name, facts, files, groups, conditions)


def _nothing(name: str) -> UserError:
    return UserError(
        f"{name} has no finished and current result",
        expected="results of one method and seed or more",
        fix=f"snakemake --cores all --config experiment={name.partition(':')[0].removeprefix('results/')}",
    )


def _methods(facts: Facts) -> dict[str, dict[str, Any]]:
    return {name: {"method": method.code, **method.parameters} for name, method in facts.methods.items()}


def _flat(settings: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return the settings that can change a number, by dotted name."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if (name := f"{above}{key}") not in APART:
            flat |= _flat(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return flat


def _as_json(cell: Cell) -> dict[str, Any]:
    names = ("protocol", "part", "method", "metric", "verdict")
    numbers = {"a": cell.a, "b": cell.b, "difference": cell.b - cell.a, "largest_of_a_run": cell.largest}
    if cell.effect:
        numbers |= {"low": cell.effect.low, "high": cell.effect.high}
        if decided := cell.effect.decided:
            numbers |= dict(zip(("own_low", "own_high"), cell.effect.interval(), strict=True))
            numbers |= {
                "deciding_difference": decided.value,
                "deciding_low": decided.low,
                "deciding_high": decided.high,
            }
    values = {name: or_none(value) for name, value in numbers.items()}
    return {name: getattr(cell, name) for name in names} | {"seeds": cell.seeds} | values
