"""Comparison of two experiments or two methods, published or in `results/`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np

from pipeline_src import processes
from pipeline_src.analysis.differences import (
    SAME,
    MetricDifference,
    metric_differences,
    seed_pairs,
)
from pipeline_src.analysis.facts import Facts
from pipeline_src.analysis.intervals import ENOUGH, Groups, groups_note, images_note
from pipeline_src.counting import storage
from pipeline_src.counting.counts import Counts
from pipeline_src.errors import UserError, check_name
from pipeline_src.files import Content
from pipeline_src.params.load import read
from pipeline_src.pipeline.steps.report import SHOWN_VERSIONS
from pipeline_src.publishing import published
from pipeline_src.publishing.publish import evaluated_groups, reduced_counts
from pipeline_src.publishing.published import FOLDER, Loader, published_counts, settings

Evaluation = tuple[str, int, str]  # method, seed, name of a test split


@dataclass(frozen=True)
class Side:
    """One of the two experiments of a comparison.

    Attributes:
        name: as the user gave it, or the folder of a published experiment.
        facts: its methods, datasets and seeds.
        counts: evaluation -> a function that returns its counts as they are published.
        groups: dataset -> the group of each image, if images are not independent.
        conditions: what may explain a difference, by name: settings, hashes of datasets, versions
            of libraries. Parameters of methods are in `facts`.
    """

    name: str
    facts: Facts
    counts: Mapping[Evaluation, Loader]
    groups: Mapping[str, Sequence[int]]
    conditions: Content

    def seeds(self, method: str, split: str) -> list[int]:
        """Return the seeds of a method that were evaluated on a dataset."""
        return [seed for name, seed, dataset in self.counts if (name, dataset) == (method, split)]

    def group(self, split: str) -> Groups:
        """Return the group of each image of a dataset, (N,); None if images are independent."""
        numbers = self.groups.get(split)
        return np.array(numbers, np.int64) if numbers else None

    @property
    def settings(self) -> Content:
        """The conditions of the experiment and the parameters of its methods, by name."""
        settings = dict(self.conditions)
        for name, method in self.facts.methods.items():
            settings[f"{name}: method"] = method.code
            for key, value in method.parameters.items():
                settings[f"{name}: {key}"] = value
        return settings

    def only(self, method: str, title: str) -> Side:
        """Return this experiment with one method only, which is renamed to `title`."""
        check_name(method, self.facts.methods, f"{self.name} has no method {method!r}")
        counts = {
            (title, seed, split): load
            for (name, seed, split), load in self.counts.items()
            if name == method
        }
        if not counts:
            raise _no_result(f"{self.name}:{method}")
        facts = replace(self.facts, methods={title: self.facts.methods[method]})
        return replace(self, name=f"{self.name}:{method}", facts=facts, counts=counts)


@dataclass(frozen=True)
class Comparison:
    """Two experiments and the comparison of their common numbers.

    Attributes:
        a, b: the experiments.
        cells: the difference B - A of each protocol, dataset, method and metric.
    """

    a: Side
    b: Side
    cells: Sequence[MetricDifference]

    @property
    def lacking(self) -> dict[str, list[str]]:
        """For "A" and "B", the evaluations that only the other experiment has, as
        method/seed/dataset.
        """
        return {"A": _lacking(self.a, self.b), "B": _lacking(self.b, self.a)}

    @property
    def explanations(self) -> list[str]:
        """Possible reasons for differences, each with the values in A and in B."""
        reasons = []
        for cell in self.cells:
            reasons += [
                f"seeds {first} / {second}" for first, second in cell.seeds if first != second
            ]
        other = self.b.settings
        for name, value in self.a.settings.items():
            if other.get(name, value) != value:
                reasons.append(f"{name} {value} / {other[name]}")
        return list(dict.fromkeys(reasons))

    @property
    def warnings(self) -> list[str]:
        """Warnings that intervals do not cover training variance, or are based on few images."""
        # Dataset -> number of resampled images or groups, of comparisons of two single networks.
        units: dict[str, int] = {}
        for cell in self.cells:
            if cell.effect and cell.verdict != SAME and len(cell.seeds) == 1:
                # Some images may lack a metric.
                units[cell.split] = max(units.get(cell.split, 0), cell.effect.units)
        texts = []
        if units:
            texts.append(
                "one network per side: the confidence intervals do not cover training variance"
            )
        for split, number in units.items():
            if self.a.group(split) is None and self.b.group(split) is None:
                texts += [f"{split}: {text}" for text in images_note(number)]
            elif number < ENOUGH:  # too few groups for a reliable interval
                texts.append(f"{split}: {groups_note(number)}")
        return texts


def _lacking(side: Side, other: Side) -> list[str]:
    """Return the evaluations that `side` lacks and `other` has, each as method/seed/dataset."""
    return ["/".join(map(str, run)) for run in other.counts if run not in side.counts]


def compare_experiments(a: str, b: str, cores: int = 1) -> Comparison:
    """Compare all that two experiments have in common.

    Args:
        a, b: a published experiment by its folder or name, an experiment of params.yaml or its
            folder of results; with `:METHOD` behind each, these methods only.
        cores: processes.

    Raises:
        UserError: there is no such experiment, it has no results, or both have nothing in common.
    """
    first, second = _sides(a, b)
    for name in ("bins", "classes"):
        numbers = [str(getattr(side.facts, name)) for side in (first, second)]
        if numbers[0] != numbers[1]:
            raise UserError(
                f"{a} and {b} have different {name}",
                found=" and ".join(numbers),
                expected=f"the same number of {name}: calibration errors depend on it",
            )
    pairs = dict.fromkeys((method, split) for method, _, split in first.counts)
    common = [pair for pair in pairs if second.seeds(*pair)]
    if not common:
        raise UserError(
            f"{a} and {b} have no result in common",
            found=f"A: {sorted(first.counts)}\n            B: {sorted(second.counts)}",
            expected="a method by the same name on a dataset by the same name",
        )
    compare_pair = partial(_cells, first, second)
    count = min(cores, len(common))
    if count == 1:
        found: Iterable[list[MetricDifference]] = map(compare_pair, common)
    else:
        with processes.pool(count) as pool:
            found = list(pool.map(compare_pair, common))
    return Comparison(first, second, list(chain.from_iterable(found)))


def _cells(a: Side, b: Side, pair: tuple[str, str]) -> list[MetricDifference]:
    """Return the differences b - a of all metrics for `pair`, a method and a dataset that both
    experiments have.
    """
    method, split = pair
    pooled = a.facts.methods[method].of_all_seeds != b.facts.methods[method].of_all_seeds
    seeds = seed_pairs(a.seeds(method, split), b.seeds(method, split), pooled)
    counts_a = {seed: a.counts[method, seed, split]() for seed, _ in seeds}
    counts_b = {seed: b.counts[method, seed, split]() for _, seed in seeds}
    groups = (a.group(split), b.group(split))
    return metric_differences(split, method, a.facts.bins, seeds, counts_a, counts_b, groups)


def _sides(a: str, b: str) -> tuple[Side, Side]:
    """Return two experiments, or one method of each (`EXPERIMENT:METHOD`) under a common title."""
    name_a, _, method_a = a.partition(":")
    name_b, _, method_b = b.partition(":")
    if bool(method_a) != bool(method_b):
        raise UserError(
            "one side names a method, the other does not",
            found=f"{a} and {b}",
            expected="EXPERIMENT:METHOD twice, or two experiments",
        )
    first = _side(name_a)
    second = _side(name_b)
    if first.name == second.name and method_a == method_b:
        raise UserError(
            f"both sides are {first.name}",
            found=f"{a} and {b}; a name without a current result means the published one",
            expected="two experiments, or two methods",
            fix=f"snakemake --cores all --config experiment={Path(name_b).name}",
        )
    if not method_a:
        return first, second
    title = method_a if method_a == method_b else f"{method_b} - {method_a}"
    return first.only(method_a, title), second.only(method_b, title)


def _side(name: str) -> Side:
    """Return the experiment of a name or folder; results in results/ precede published ones."""
    folder = Path(name)
    if folder.parent == FOLDER or (folder / published.EXPERIMENT).exists():
        return _published(folder)
    experiments = read().experiments
    experiment = folder.name if folder.parent == Path("results") else name
    is_published = name in published.names()
    # The graph of an own experiment needs its datasets, which a clone may lack.
    if experiment in experiments and (Path("results", name).exists() or not is_published):
        side = _local(name, experiment)
        if side.counts:
            return side
    if is_published:
        return _published(FOLDER / name)
    if experiment in experiments:
        raise _no_result(name)
    raise UserError(
        f"{name} is neither a published experiment nor one of params.yaml",
        expected=f"one of: {', '.join(dict.fromkeys([*published.names(), *experiments]))}",
        fix="of saved maps: give --mask and two folders of maps, or two folders that judge wrote",
    )


def _published(folder: Path) -> Side:
    """Return the published experiment in `folder`, after a check of its files."""
    publication = published.checked(folder)
    conditions = settings(publication.params)
    for row in publication.data:
        conditions[row["part"]] = row["hash"]
    for key, text in publication.made.items():
        if key in SHOWN_VERSIONS:
            conditions[key] = text
    counts = {}
    for split in publication.facts.splits:
        for (method, seed), load in published_counts(publication, folder, split).items():
            counts[method, seed, split] = load
    return Side(folder.as_posix(), publication.facts, counts, publication.groups, conditions)


def _local(name: str, experiment: str) -> Side:
    """Return the current evaluations of an experiment of params.yaml.

    Counts are rounded as on publishing, so some metrics differ slightly from metrics of full
    counts.
    """
    from pipeline_src.pipeline.graph import chosen
    from pipeline_src.pipeline.runner import check_results
    from pipeline_src.pipeline.steps.numbers import counts_file

    graph = chosen(experiment)
    evaluations = {run: graph.evaluation(*run) for run in graph.facts.runs}
    evaluations = {run: job for run, job in evaluations.items() if job.is_made}
    check_results(evaluations.values(), "compare", graph.command)
    counts = {}
    groups: dict[str, list[int]] = {}
    for (method, seed), job in evaluations.items():
        for split in graph.facts.splits:
            file = job.folder / counts_file(split)
            counts[method, seed, split] = partial(_restored_counts, file, graph.facts.bins)
            if split not in groups:
                groups[split] = evaluated_groups(graph, split, partial(storage.load, file))
    conditions = settings(graph.settings.model_dump(mode="json"))
    return Side(name, graph.facts, counts, groups, conditions)


def _restored_counts(file: Path, bins: int) -> dict[str, Counts]:
    """Return the counts in a file by protocol, rounded as on publishing: so two experiments are
    compared alike, whether they are published or not.
    """
    from pipeline_src.publishing.compact import restored

    return restored(reduced_counts(file, bins))


def _no_result(name: str) -> UserError:
    """Return the error for an experiment, or a method of one, that has no current result."""
    experiment = name.partition(":")[0].removeprefix("results/")
    return UserError(
        f"{name} has no finished and current result",
        expected="results of one method and seed or more",
        fix=f"snakemake --cores all --config experiment={experiment}",
    )
