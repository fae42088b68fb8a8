"""A comparison of two experiments as text for the terminal."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline_src.analysis.compare import DIFFERENT, SAME, UNDECIDED, Cell
from pipeline_src.errors import listed
from pipeline_src.metrics.metric import Difference
from pipeline_src.metrics.registry import METRICS, SUMMARY
from pipeline_src.text_tables import UNDEFINED, aligned

if TYPE_CHECKING:
    from pipeline_src.publishing.compare import Comparison

MARKS = {SAME: "=", DIFFERENT: "≠", UNDECIDED: "?"}
MOST_EXAMPLES = 5
FITTED = " (validation images, to which post-hoc methods were fitted)"


def in_words(comparison: Comparison) -> str:
    """Return the main metrics of all methods, how many metrics differ, and possible reasons."""
    lines = [*_head(comparison), "B - A with 95 % intervals:  = same  ≠ different  ? inconclusive"]
    by_place: dict[str, dict[str, dict[str, Cell]]] = {}
    for cell in comparison.cells:
        by_place.setdefault(f"{cell.part}, {cell.protocol}", {}).setdefault(cell.method, {})[cell.metric] = cell
    for heading, rows in by_place.items():
        names = [name for name in SUMMARY if any(name in cells for cells in rows.values())]
        table = [["", *(METRICS[name].column for name in names)]]
        table += [[method, *(_text(cells.get(name)) for name in names)] for method, cells in rows.items()]
        note = FITTED if comparison.a.facts.parts.get(heading.rpartition(", ")[0]) == "val" else ""
        lines += ["", f"{heading}{note}", *(f"  {line}" for line in aligned(table))]
    warnings = _texts(comparison.warnings())
    lines += ["", _counts(comparison.cells), *(f"Warning: {text}" for text in warnings), *_explained(comparison)]
    return "\n".join(lines)


def _head(comparison: Comparison) -> list[str]:
    lines = [f"A: {comparison.a.name}", f"B: {comparison.b.name}"]
    for side, runs in comparison.lacking.items():
        if runs:
            lines.append(f"{side} lacks{listed(('/'.join(map(str, run)) for run in runs), MOST_EXAMPLES)}")
    return lines


def _text(cell: Cell | None) -> str:
    """Return the difference with its interval; a metric that is decided by its square has no interval."""
    if cell is None or math.isnan(cell.b - cell.a):
        return UNDEFINED
    metric, effect = Difference.of(METRICS[cell.metric]), cell.effect
    low, high = (effect.low, effect.high) if effect and cell.verdict != SAME else (math.nan, math.nan)
    return f"{MARKS[cell.verdict]} {metric.text(cell.b - cell.a, low=low, high=high)}"


def _counts(cells: Sequence[Cell]) -> str:
    number = Counter(cell.verdict for cell in cells)
    tested = number[DIFFERENT] + number[UNDECIDED]
    text = ", ".join(f"{number[verdict]} {verdict}" for verdict in MARKS)
    chance = " One in twenty equal ones is called different by chance." if tested else ""
    return f"All {len(cells)} numbers: {text}.{chance}"


def _explained(comparison: Comparison) -> list[str]:
    """Return the differences between two experiments that may explain other numbers."""
    if all(cell.verdict == SAME for cell in comparison.cells):
        return []
    seeds = {f"other seeds: {a} / {b}": None for cell in comparison.cells for a, b in cell.seeds if a != b}
    if texts := [*seeds, *_texts(comparison.explanations)]:
        return [f"What may explain differences (A / B):{listed(texts)}"]
    return ["Nothing that is recorded differs: neither seeds, parameters, images nor versions."]


def _texts(by_topic: Mapping[str, Sequence[str]]) -> list[str]:
    return [f"{topic}: {text}".removeprefix(": ") for topic, texts in by_topic.items() for text in texts]
