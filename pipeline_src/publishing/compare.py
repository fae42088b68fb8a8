"""Two experiments compared: published ones, and those whose results lie here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pipeline_src import processes
from pipeline_src.analysis.compare import SAME, Cell, compare, seed_pairs
from pipeline_src.analysis.estimate import or_none
from pipeline_src.analysis.intervals import ENOUGH, FEW_GROUPS, few_in_words, groups_in_words, images_in_words
from pipeline_src.errors import UserError
from pipeline_src.files import write_text
from pipeline_src.publishing.compared_experiments import Evaluation, Side, sides

if TYPE_CHECKING:
    from pipeline_src.counting.loading import AnyStatistic


@dataclass(frozen=True)
class Comparison:
    """Two experiments and all that could be compared.

    Attributes:
        a, b: the experiments.
        cells: a cell per protocol, data set, method and metric.
        lacking: "A" or "B" -> evaluations of the other that it does not have.
    """

    a: Side
    b: Side
    cells: Sequence[Cell]
    lacking: Mapping[str, Sequence[Evaluation]]

    def explanations(self) -> dict[str, list[str]]:
        """What may explain differences: about what -> texts with the values in A and in B."""
        topics = dict.fromkeys([*self.a.conditions, *self.b.conditions])
        by_topic = {
            topic: _differences(self.a.conditions.get(topic, {}), self.b.conditions.get(topic, {})) for topic in topics
        }
        shown = {topic for cell in self.cells for topic in ("", cell.method, cell.part, "train", "val")}
        return {topic: texts for topic, texts in by_topic.items() if texts and topic in shown}

    def why(self, cell: Cell) -> list[str]:
        """What may explain the difference of a cell; why nothing can be said of it, first."""
        if cell.verdict == SAME:
            return []
        by_topic, used = self.explanations(), self.a.facts.methods[cell.method].uses
        about = dict.fromkeys(["", "train", "val", cell.part, cell.method, used or ""])
        texts = [f"{topic}: {text}".removeprefix(": ") for topic in about for text in by_topic.get(topic, [])]
        seeds = [f"other seeds: {one} / {two}" for one, two in cell.seeds if one != two]
        nothing = "" if texts or seeds else "nothing that is recorded differs"
        return [*filter(None, [cell.no_verdict]), *seeds, *self._contracts(cell), *texts, *filter(None, [nothing])]

    def warnings(self) -> dict[str, list[str]]:
        """What readers of the intervals have to know: data set -> texts; empty for all data sets."""
        resampled = [cell for cell in self.cells if cell.effect and cell.verdict != SAME]
        alone = any(len(cell.seeds) == 1 for cell in resampled)
        texts = {
            "": ["one network a side: intervals are over images alone, and another training gives other numbers"]
            * alone
        }
        for part in dict.fromkeys(cell.part for cell in resampled):
            cells = [cell for cell in resampled if cell.part == part]
            texts[part] = self._few(part, min(cell.effect.units for cell in cells if cell.effect), cells)
        return {part: of for part, of in texts.items() if of}

    def _few(self, part: str, units: int, cells: Sequence[Cell]) -> list[str]:
        groups = next((of for side in (self.a, self.b) if (of := side.group(part)) is not None), None)
        of_groups = [groups_in_words(groups)] if groups is not None and units < ENOUGH else []
        texts = images_in_words(units) if groups is None else of_groups
        if units < FEW_GROUPS:  # or else it is said of all metrics
            return texts
        present: dict[str, int] = {}
        for cell in cells:
            if cell.present is not None:
                present[cell.metric] = min(cell.present, present.get(cell.metric, cell.present))
        return [*texts, *few_in_words(present)]

    def _contracts(self, cell: Cell) -> list[str]:
        pairs = [
            (self.a.contracts.get((cell.method, one, cell.part)), self.b.contracts.get((cell.method, two, cell.part)))
            for one, two in cell.seeds
        ]
        if not all(one and two for one, two in pairs):
            return []
        return ["the contract is the same"] if all(one == two for one, two in pairs) else ["another contract"]

    def beyond(self, tolerance: float) -> list[Cell]:
        """Cells of which a run differs by more than `tolerance`, or is defined on one side only."""
        return [cell for cell in self.cells if not cell.largest <= tolerance]

    def write(self, file: Path) -> None:
        """Write all cells as JSON; what is undefined is null."""
        content = {
            "a": self.a.name,
            "b": self.b.name,
            "explanations": {topic or "all": texts for topic, texts in self.explanations().items()},
            "warnings": {part or "all": texts for part, texts in self.warnings().items()},
            "lacking": {side: ["/".join(map(str, run)) for run in runs] for side, runs in self.lacking.items()},
            "cells": [_as_json(cell, self.why(cell)) for cell in self.cells],
        }
        write_text(file, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def compare_experiments(a: str, b: str, cores: int = 1, same_seeds: bool = False) -> Comparison:
    """Compare all that two experiments have in common.

    Args:
        a, b: a folder of a published experiment, or the name of an experiment of params.yaml or its folder of results;
            with `:METHOD` behind each, these methods alone, one beside the other.
        cores: processes.
        same_seeds: compare runs of the same seed only, and without intervals.

    Raises:
        UserError: there is no such experiment, it has no results, or both have nothing in common.
    """
    one, two = sides(a, b)
    _check_alike(one, two)
    common = [pair for pair in one.pairs if pair in set(two.pairs)]
    if same_seeds:
        common = [pair for pair in common if {*one.seeds(*pair)} & {*two.seeds(*pair)}]
    if not common:
        raise UserError(
            f"{a} and {b} have no result in common",
            found=f"A: {one.in_words}\n            B: {two.in_words}",
            expected="a method by the same name on a data set by the same name" + ", with the same seed" * same_seeds,
            do="run in one what the other has; names are those of `methods:` and `data:` in params.yaml",
        )
    work = partial(_cells, one, two, intervals=not same_seeds)
    with processes.pool(count) if (count := min(cores, len(common))) > 1 else nullcontext() as pool:
        made = [*(pool.map if pool else map)(work, common)]
    lacking = {
        "A": [run for run in two.statistics if run not in one.statistics],
        "B": [run for run in one.statistics if run not in two.statistics],
    }
    return Comparison(one, two, [cell for cells in made for cell in cells], lacking)


def _differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """Of what both know."""
    return [f"{name} {a[name]} / {b[name]}" for name in a if name in b and a[name] != b[name]]


def _check_alike(a: Side, b: Side) -> None:
    for what, one, two, do in (
        ("bins", a.facts.bins, b.facts.bins, "evaluate both with the same `evaluation.bins`"),
        ("classes", a.facts.classes, b.facts.classes, "compare experiments on data sets of the same classes"),
    ):
        if one != two:
            raise UserError(
                f"{a.name} and {b.name} have different {what}",
                found=f"{one} and {two}",
                expected=f"the same number of {what}: calibration errors depend on it",
                do=do,
            )


def _cells(a: Side, b: Side, pair: tuple[str, str], intervals: bool) -> list[Cell]:
    """Of a method on a data set. All statistics are read in their published form, in which some metrics differ a
    little from those of the full one."""
    method, part = pair
    pairs = seed_pairs(a.seeds(method, part), b.seeds(method, part))
    of_a, of_b = (
        {seed: _compact(side.statistics[method, seed, part], side.facts.bins) for seed in seeds}
        for side, seeds in zip((a, b), zip(*pairs, strict=True), strict=True)
    )
    return compare(part, method, a.facts.bins, of_a, of_b, (a.group(part), b.group(part)), intervals)


def _compact(file: Path, bins: int) -> AnyStatistic:
    from pipeline_src.counting.compact_file import KIND
    from pipeline_src.counting.loading import load, save_compact
    from pipeline_src.counting.storage import kind

    if kind(file) == KIND:
        return load(file)
    with TemporaryDirectory() as folder:
        save_compact(load(file), Path(folder) / "statistic.npz", bins)
        return load(Path(folder) / "statistic.npz")


def _as_json(cell: Cell, why: Sequence[str]) -> dict[str, Any]:
    names = ("protocol", "part", "method", "metric", "verdict")
    decided, own = (cell.effect.decided, cell.effect.own) if cell.effect else (None, None)
    numbers = {"a": cell.a, "b": cell.b, "difference": cell.b - cell.a, "largest_of_a_run": cell.largest}
    if cell.effect:
        numbers |= {"low": cell.effect.low, "high": cell.effect.high}
    if decided and own:
        numbers |= {"own_low": own.low, "own_high": own.high}
        numbers |= {"deciding_difference": decided.value, "deciding_low": decided.low, "deciding_high": decided.high}
    values = {name: or_none(value) for name, value in numbers.items()}
    return {name: getattr(cell, name) for name in names} | {"seeds": cell.seeds} | values | {"why": list(why)}
