"""Comparison of two experiments or two methods, published or in `results/`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline_src import processes
from pipeline_src.analysis.differences import (
    SAME,
    MetricDifference,
    metric_differences,
    seed_pairs,
)
from pipeline_src.analysis.facts import Facts
from pipeline_src.analysis.intervals import ENOUGH, groups_note, images_note
from pipeline_src.errors import UserError, did_you_mean
from pipeline_src.params.load import read
from pipeline_src.pipeline.report import SHOWN_VERSIONS
from pipeline_src.publishing import published
from pipeline_src.publishing.publish import evaluated_groups
from pipeline_src.publishing.published import FOLDER, PublishedCounts, settings

if TYPE_CHECKING:
    from pipeline_src.counting.map_counts import MapCounts

Evaluation = tuple[str, int, str]  # method, seed, dataset


@dataclass(frozen=True)
class Side:
    """One of the two experiments of a comparison.

    Attributes:
        name: as the user gave it.
        facts: its methods, datasets and seeds.
        runs: its evaluations.
        load: returns the counts of an evaluation as they are published.
        groups: dataset -> the group of each image, if images are not independent.
        conditions: name -> value of what may explain a difference, besides the parameters of
            methods.
    """

    name: str
    facts: Facts
    runs: Sequence[Evaluation]
    load: Callable[[str, int, str], MapCounts]
    groups: Mapping[str, Sequence[int]]
    conditions: Mapping[str, Any]

    def seeds(self, method: str, part: str) -> list[int]:
        """Return the seeds of a method that were evaluated on a dataset."""
        return [seed for name, seed, evaluated in self.runs if (name, evaluated) == (method, part)]

    def group(self, part: str) -> np.ndarray | None:
        """Return the group of each image, (N,), or None."""
        return np.array(self.groups[part], np.int64) if part in self.groups else None

    @property
    def settings(self) -> dict[str, Any]:
        """Its conditions and the parameters of its methods, by name."""
        settings = dict(self.conditions)
        for name, method in self.facts.methods.items():
            settings |= {
                f"{name}: {key}": value
                for key, value in {"method": method.code, **method.parameters}.items()
            }
        return settings

    def only(self, method: str, title: str) -> Side:
        """Return the side with one method under a title."""
        if method not in self.facts.methods:
            raise UserError(
                f"{self.name} has no method {method!r}",
                expected=f"one of: {', '.join(self.facts.methods)}",
                fix=did_you_mean(method, self.facts.methods),
            )
        runs = [(title, seed, part) for name, seed, part in self.runs if name == method]
        if not runs:
            raise _nothing(f"{self.name}:{method}")
        facts = replace(self.facts, methods={title: self.facts.methods[method]})
        name, load = f"{self.name}:{method}", partial(_load_method, self.load, method)
        return replace(self, name=name, facts=facts, runs=runs, load=load)


@dataclass(frozen=True)
class Comparison:
    """Two experiments and the comparison of their common numbers.

    Attributes:
        a, b: the experiments.
        cells: a cell for each protocol, dataset, method and metric.
    """

    a: Side
    b: Side
    cells: Sequence[MetricDifference]

    @property
    def lacking(self) -> dict[str, list[str]]:
        """ "A" or "B" -> evaluations of the other side that it does not have."""
        pairs = {"A": (self.a, self.b), "B": (self.b, self.a)}
        return {
            key: ["/".join(map(str, run)) for run in y.runs if run not in x.runs]
            for key, (x, y) in pairs.items()
        }

    @property
    def explanations(self) -> list[str]:
        """Possible reasons for differences, each with the values in A and in B."""
        a, b = self.a.settings, self.b.settings
        seeds = dict.fromkeys(
            pair for cell in self.cells for pair in cell.seeds if pair[0] != pair[1]
        )
        return [f"seeds {x} / {y}" for x, y in seeds] + [
            f"{name} {a[name]} / {b[name]}" for name in a if name in b and a[name] != b[name]
        ]

    @property
    def warnings(self) -> list[str]:
        """Warnings on the intervals."""
        resampled = [cell for cell in self.cells if cell.effect and cell.verdict != SAME]
        units = {
            cell.part: cell.effect.units
            for cell in resampled
            if cell.effect and len(cell.seeds) == 1
        }
        texts = ["one network per side: the confidence intervals do not cover training variance"]
        texts *= any(len(cell.seeds) == 1 for cell in resampled)
        for part, number in units.items():
            groups = self.a.group(part) if part in self.a.groups else self.b.group(part)
            few = (
                images_note(number) if groups is None else [groups_note(groups)] * (number < ENOUGH)
            )
            texts += [f"{part}: {text}" for text in few]
        return texts


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
        if getattr(first.facts, name) != getattr(second.facts, name):
            raise UserError(
                f"{a} and {b} have different {name}",
                found=f"{getattr(first.facts, name)} and {getattr(second.facts, name)}",
                expected=f"the same number of {name}: calibration errors depend on it",
            )
    pairs = [
        dict.fromkeys((method, part) for method, _, part in side.runs) for side in (first, second)
    ]
    common = [pair for pair in pairs[0] if pair in pairs[1]]
    if not common:
        raise UserError(
            f"{a} and {b} have no result in common",
            found=f"A: {sorted(first.runs)}\n            B: {sorted(second.runs)}",
            expected="a method by the same name on a dataset by the same name",
        )
    work, count = partial(_cells, first, second), min(cores, len(common))
    with processes.pool(count) if count > 1 else nullcontext() as pool:
        cells = [cell for found in (pool.map if pool else map)(work, common) for cell in found]
    return Comparison(first, second, cells)


def _cells(a: Side, b: Side, pair: tuple[str, str]) -> list[MetricDifference]:
    method, part = pair
    seeds = seed_pairs(a.seeds(*pair), b.seeds(*pair))
    counts_a = {seed: a.load(method, seed, part) for seed, _ in seeds}
    counts_b = {seed: b.load(method, seed, part) for _, seed in seeds}
    return metric_differences(
        part, method, a.facts.bins, counts_a, counts_b, (a.group(part), b.group(part))
    )


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
    """Return the experiment that a name or folder means; results in results/ take precedence over published ones."""
    folder = Path(name)
    if folder.parent == FOLDER or (folder / published.EXPERIMENT).exists():
        return _published(name, folder)
    experiments = read().experiments
    experiment = folder.name if folder.parent == Path("results") else name
    if experiment in experiments and (side := _local(name, experiment)).runs:
        return side
    if name in published.names():
        return _published(name, FOLDER / name)
    if experiment in experiments:
        raise _nothing(name)
    raise UserError(
        f"{name} is neither a published experiment nor one of params.yaml",
        expected=f"one of: {', '.join(dict.fromkeys([*published.names(), *experiments]))}",
    )


def _published(name: str, folder: Path) -> Side:
    publication = published.checked(folder)
    conditions = settings(publication.params) | {
        row["part"]: row["hash"] for row in publication.data
    }
    conditions |= {key: text for key, text in publication.made.items() if key in SHOWN_VERSIONS}
    parts = publication.facts.parts
    runs = [(*run, part) for part in parts for run in PublishedCounts(publication, folder, part)]
    return Side(
        name,
        publication.facts,
        runs,
        partial(_load_published, folder),
        publication.groups,
        conditions,
    )


def _local(name: str, experiment: str) -> Side:
    """Return the current evaluations of an experiment of params.yaml."""
    from pipeline_src.pipeline.experiment import evaluation_name
    from pipeline_src.pipeline.jobs import chosen
    from pipeline_src.pipeline.runner import check_results

    graph = chosen(experiment)
    facts = graph.facts
    keys = [(*run, part) for run in facts.runs for part in facts.parts]
    jobs = {key: job for key in keys if (job := graph.job(evaluation_name(*key))).is_made}
    check_results(jobs.values(), "compare", graph.command)
    files = {key: job.paths[0] for key, job in jobs.items()}
    by_part = {part: file for (_, _, part), file in files.items()}
    groups = {
        part: found
        for part, file in by_part.items()
        if (found := evaluated_groups(graph, part, file))
    }
    conditions = settings(graph.settings.model_dump(mode="json"))
    return Side(name, facts, [*files], partial(_load_local, files, facts.bins), groups, conditions)


def _load_published(folder: Path, method: str, seed: int, part: str) -> MapCounts:
    return PublishedCounts(published.Publication.read(folder), folder, part)[method, seed]


def _load_local(
    files: Mapping[Evaluation, Path], bins: int, method: str, seed: int, part: str
) -> MapCounts:
    """Return counts in published precision: some metrics differ slightly from metrics of full counts."""
    from pipeline_src.counting.map_counts import MapCounts
    from pipeline_src.publishing.compact import reduced, restored

    return restored(reduced(MapCounts.load(files[method, seed, part]), bins))


def _load_method(
    load: Callable[[str, int, str], MapCounts], method: str, _: str, seed: int, part: str
) -> MapCounts:
    return load(method, seed, part)


def _nothing(name: str) -> UserError:
    return UserError(
        f"{name} has no finished and current result",
        expected="results of one method and seed or more",
        fix=f"snakemake --cores all --config experiment={name.partition(':')[0].removeprefix('results/')}",
    )
