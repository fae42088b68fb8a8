"""Two experiments or two methods compared: published ones, and those whose results are in `results/`."""

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
from pipeline_src.analysis.intervals import ENOUGH, FEW_GROUPS, few_in_words, groups_in_words, images_in_words
from pipeline_src.errors import UserError, did_you_mean
from pipeline_src.files import write_text
from pipeline_src.params.load import read
from pipeline_src.publishing import published
from pipeline_src.publishing.published import FOLDER, Publication, PublishedCounts

if TYPE_CHECKING:
    from pipeline_src.counting.map_counts import MapCounts

Evaluation = tuple[str, int, str]  # method, seed, data set
# Settings that change no number, or that are compared one by one: seeds, methods and data sets.
APART = ("seeds", "methods", "claims", "data.id", "data.shifted", "data.ood", "training.device", "training.workers")
NOT_VERSIONS = ("written", "training", "all runs", "adopted results", "results verified", "made with other versions")


@dataclass(frozen=True)
class Side:
    """One of the two experiments of a comparison, with its facts and counts.

    Attributes:
        name: as the user gave it.
        facts: what it consists of.
        evaluations: those that are present: (name of the method in `source`, seed, data set) by evaluation.
        groups: data set -> the group of each image, where they are not independent.
        conditions: what may explain a difference: topic (a method or a data set; empty for all) -> name -> value.
        source: a published folder, or the statistics of evaluations.
        bins: equal-width bins.
    """

    name: str
    facts: Facts
    evaluations: Mapping[Evaluation, Evaluation]
    groups: Mapping[str, Sequence[int]]
    conditions: Mapping[str, Mapping[str, Any]]
    source: Path | Mapping[Evaluation, Path]

    def seeds(self, method: str, part: str) -> list[int]:
        """Seeds of a method that were evaluated on a data set."""
        return [seed for name, seed, where in self.evaluations if (name, where) == (method, part)]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """(method, data set) of all evaluations."""
        return list(dict.fromkeys((method, part) for method, _, part in self.evaluations))

    def group(self, part: str) -> np.ndarray | None:
        """(N,) the group of each image."""
        return np.array(self.groups[part], np.int64) if part in self.groups else None

    def statistics(self, method: str, seeds: Sequence[int], part: str) -> dict[int, MapCounts]:
        """Seed -> counts as they are published, in which some metrics differ a little from the full ones."""
        places = {seed: self.evaluations[method, seed, part] for seed in seeds}
        if isinstance(self.source, Path):
            counts = PublishedCounts(Publication.read(self.source), self.source, part)
            return {seed: counts[name, seed] for seed, (name, _, _) in places.items()}
        from pipeline_src.counting.compact import EXACT
        from pipeline_src.counting.compact_file import compact_run, restored_run
        from pipeline_src.counting.map_counts import MapCounts

        files = {seed: self.source[place] for seed, place in places.items()}
        runs = {seed: compact_run(MapCounts.load(file), self.facts.bins, EXACT) for seed, file in files.items()}
        return {seed: restored_run(run) for seed, run in runs.items()}

    def only(self, method: str, title: str) -> Side:
        """What is present of one method, under another title."""
        if method not in self.facts.methods:
            raise UserError(
                f"{self.name} has no method {method!r}",
                expected=f"one of: {', '.join(self.facts.methods)}",
                fix=did_you_mean(method, self.facts.methods),
            )
        renamed = {(title, *key[1:]): place for key, place in self.evaluations.items() if key[0] == method}
        if not renamed:
            raise _nothing(f"{self.name}:{method}")
        conditions = {topic: values for topic, values in self.conditions.items() if topic not in self.facts.methods}
        return replace(
            self,
            name=f"{self.name}:{method}",
            facts=replace(self.facts, methods={title: self.facts.methods[method]}),
            evaluations=renamed,
            conditions=conditions | {title: self.conditions.get(method, {})},
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
        """What may explain differences: topic -> texts with the values in A and in B."""
        shown = {topic for cell in self.cells for topic in ("", cell.method, cell.part, "train", "val")}
        texts = {}
        for topic, a in self.a.conditions.items():
            b = self.b.conditions.get(topic, {})
            texts[topic] = [f"{name} {a[name]} / {b[name]}" for name in a if name in b and a[name] != b[name]]
        return {topic: lines for topic, lines in texts.items() if lines and topic in shown}

    def why(self, cell: Cell) -> list[str]:
        """What may explain the difference of a cell."""
        if cell.verdict == SAME:
            return []
        topics = dict.fromkeys(
            ["", "train", "val", cell.part, cell.method, self.a.facts.methods[cell.method].uses or ""]
        )
        texts = [f"other seeds: {one} / {two}" for one, two in cell.seeds if one != two]
        texts += [
            f"{topic}: {text}".removeprefix(": ") for topic in topics for text in self.explanations.get(topic, [])
        ]
        return texts or ["nothing that is recorded differs"]

    def warnings(self) -> dict[str, list[str]]:
        """What readers of the intervals have to know: data set -> texts; empty for all data sets."""
        resampled = [cell for cell in self.cells if cell.effect and cell.verdict != SAME]
        texts = {}
        if any(len(cell.seeds) == 1 for cell in resampled):
            texts[""] = ["one network a side: intervals are over images only, and another training gives other numbers"]
        for part in dict.fromkeys(cell.part for cell in resampled):
            cells = [cell for cell in resampled if cell.part == part]
            texts[part] = self._few(part, min(cell.effect.units for cell in cells if cell.effect), cells)
        return {part: lines for part, lines in texts.items() if lines}

    def _few(self, part: str, units: int, cells: Sequence[Cell]) -> list[str]:
        groups = next((found for side in (self.a, self.b) if (found := side.group(part)) is not None), None)
        texts = images_in_words(units) if groups is None else [groups_in_words(groups)] * (units < ENOUGH)
        if units < FEW_GROUPS:  # or else it holds for all metrics
            return texts
        present: dict[str, int] = {}
        for cell in cells:
            if cell.present is not None:
                present[cell.metric] = min(cell.present, present.get(cell.metric, cell.present))
        return [*texts, *few_in_words(present)]

    def beyond(self, tolerance: float) -> list[Cell]:
        """Cells of which a run differs by more than `tolerance`, or is defined on one side only."""
        return [cell for cell in self.cells if not cell.largest <= tolerance]

    def write(self, file: Path) -> None:
        """Write all cells as JSON; undefined numbers are null."""
        content = {
            "a": self.a.name,
            "b": self.b.name,
            "explanations": {topic or "all": texts for topic, texts in self.explanations.items()},
            "warnings": {part or "all": texts for part, texts in self.warnings().items()},
            "lacking": {side: ["/".join(map(str, run)) for run in runs] for side, runs in self.lacking.items()},
            "cells": [_as_json(cell) | {"why": self.why(cell)} for cell in self.cells],
        }
        write_text(file, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def compare_experiments(a: str, b: str, cores: int = 1, same_seeds: bool = False) -> Comparison:
    """Compare all that two experiments have in common.

    Args:
        a, b: a published experiment by its folder or name, an experiment of params.yaml or its folder of results; with
            `:METHOD` behind each, these methods only.
        cores: processes.
        same_seeds: compare runs of the same seed only, without intervals.

    Raises:
        UserError: there is no such experiment, it has no results, or both have nothing in common.
    """
    one, two = sides(a, b)
    _check_alike(one, two)
    common = [pair for pair in one.pairs if pair in {*two.pairs}]
    if same_seeds:
        common = [pair for pair in common if {*one.seeds(*pair)} & {*two.seeds(*pair)}]
    if not common:
        raise UserError(
            f"{a} and {b} have no result in common",
            found=f"A: {sorted(one.evaluations)}\n            B: {sorted(two.evaluations)}",
            expected="a method by the same name on a data set by the same name" + ", with the same seed" * same_seeds,
        )
    work, count = partial(_cells, one, two, intervals=not same_seeds), min(cores, len(common))
    with processes.pool(count) if count > 1 else nullcontext() as pool:
        cells = [cell for found in (pool.map if pool else map)(work, common) for cell in found]
    lacking = {
        name: [run for run in other.evaluations if run not in side.evaluations]
        for name, side, other in (("A", one, two), ("B", two, one))
    }
    return Comparison(one, two, cells, lacking)


def _check_alike(a: Side, b: Side) -> None:
    for name in ("bins", "classes"):
        if getattr(a.facts, name) != getattr(b.facts, name):
            raise UserError(
                f"{a.name} and {b.name} have different {name}",
                found=f"{getattr(a.facts, name)} and {getattr(b.facts, name)}",
                expected=f"the same number of {name}: calibration errors depend on it",
            )


def _cells(a: Side, b: Side, pair: tuple[str, str], intervals: bool) -> list[Cell]:
    method, part = pair
    pairs = seed_pairs(a.seeds(*pair), b.seeds(*pair))
    of_a, of_b = (
        side.statistics(method, seeds, part) for side, seeds in zip((a, b), zip(*pairs, strict=True), strict=True)
    )
    return compare(part, method, a.facts.bins, of_a, of_b, (a.group(part), b.group(part)), intervals)


def sides(a: str, b: str) -> tuple[Side, Side]:
    """Two experiments, or one method of each: `EXPERIMENT:METHOD`, under a title that names both."""
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
    """Results in results/ are preferred to published ones of the same name."""
    folder = Path(name)
    if folder.parent == FOLDER or (folder / published.EXPERIMENT).exists():
        return _published(name, folder)
    experiments = read().experiments
    experiment = folder.name if folder.parent == Path("results") else name
    if experiment in experiments and (side := _local(name, experiment)).evaluations:
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
    evaluations = {key: key for key in _evaluations(facts)}
    return Side(name, facts, evaluations, publication.groups, conditions, folder)


def _local(name: str, experiment: str) -> Side:
    """An experiment of params.yaml: those of its evaluations that are current."""
    from pipeline_src.publishing.publish import evaluated

    facts, settings, files, groups = evaluated(experiment)
    conditions = {"": _flat(settings)} | _methods(facts)
    return Side(name, facts, {key: key for key in files}, groups, conditions, files)


def _nothing(name: str) -> UserError:
    return UserError(
        f"{name}: nothing of it is finished and current",
        expected="results of one method and seed or more",
        fix=f"snakemake --cores all --config experiment={name.partition(':')[0].removeprefix('results/')}",
    )


def _evaluations(facts: Facts) -> list[Evaluation]:
    return [(*run, part) for run in facts.runs for part in facts.parts]


def _methods(facts: Facts) -> dict[str, dict[str, Any]]:
    return {name: {"method": method.code, **method.parameters} for name, method in facts.methods.items()}


def _flat(settings: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Settings that can change a number, by dotted name."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if (name := f"{above}{key}") not in APART:
            flat |= _flat(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return flat


def _as_json(cell: Cell) -> dict[str, Any]:
    names = ("protocol", "part", "method", "metric", "verdict")
    decided, own = (cell.effect.decided, cell.effect.own) if cell.effect else (None, None)
    numbers = {"a": cell.a, "b": cell.b, "difference": cell.b - cell.a, "largest_of_a_run": cell.largest}
    if cell.effect:
        numbers |= {"low": cell.effect.low, "high": cell.effect.high}
    if decided and own:
        numbers |= {"own_low": own.low, "own_high": own.high}
        numbers |= {"deciding_difference": decided.value, "deciding_low": decided.low, "deciding_high": decided.high}
    values = {name: or_none(value) for name, value in numbers.items()}
    return {name: getattr(cell, name) for name in names} | {"seeds": cell.seeds} | values
