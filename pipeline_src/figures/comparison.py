"""All methods on one dataset: a small reliability diagram of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from pipeline_src.analysis.facts import PROTOCOL_NAMES, Facts
from pipeline_src.figures import bin_tables, style
from pipeline_src.figures.reliability import draw_bars, percent_ticks
from pipeline_src.figures.types import Figure, FigureType, Painted, Picture, Results, Sources, stacked

FOOT = 0.2  # of the height of the accuracy axis, for the shares of pixels


def pictures(facts: Facts) -> Iterator[Picture]:
    """Yield one figure per dataset and protocol."""
    for part, protocol in product(facts.parts, facts.protocols):
        title, wide = f"All methods on {part}", style.is_wide(len(facts.methods))
        caption = f"{title}, {PROTOCOL_NAMES[protocol]}; {facts.networks_in_words()}."
        yield Picture(FIGURE, (protocol, part), title, caption, protocol, part, wide=wide)


def paint(picture: Picture, results: Results, sources: Sources) -> Painted:
    """All panels on the same axes."""
    facts, protocol, part = results.facts, picture.protocol, picture.part
    tables = {method: bin_tables.reliability_tables(results, part)[protocol, method] for method in facts.methods}
    ece = {method: results.estimate("ece", protocol, method, part).value for method in facts.methods}
    lines = [
        f"{style.size(picture, results)} · {facts.bins} bins · {style.error_bars(facts.seeds)}",
        f"ECE: {style.averaged(facts)} · bars: {facts.networks_in_words()} · below: share of pixels per bin",
    ]
    notes = {method: f"ECE {style.percent(value, 2)}" for method, value in ece.items()}
    low = bin_tables.corner_of_part(results, part)
    return Painted(draw(tables, notes, picture.title, lines, low), stacked(tables))


def draw(
    tables: Mapping[str, np.recarray], notes: Mapping[str, str], heading: str, lines: Sequence[str], low: float
) -> Figure:
    """Draw the panels from their numbers.

    Args:
        tables: method -> table as `bin_tables.reliability_table`.
        notes: method -> the text below its name.
        low: where both axes begin.
    """
    figure, panels = style.small_multiples(len(tables), heading, lines, ratio=1 + FOOT)
    foot = FOOT * (1 - low)
    for (method, table), (axes, first, last) in zip(tables.items(), panels, strict=True):
        bins = bin_tables.drawn_bins(table)
        draw_bars(axes, bins, low)
        axes.set_ylim(low - foot, 1)
        left = np.maximum(bins["lower"], low)
        look: dict[str, Any] = {"color": style.MUTED, "edgecolor": style.PAPER, "linewidth": min(0.4, 4 / len(table))}
        heights = bins["share"] * foot * 0.8
        axes.bar(left, heights, bins["upper"] - left, low - foot, align="edge", **look)
        axes.axhline(low, color=style.GRID, linewidth=0.6)
        for set_ticks in (axes.set_xticks, axes.set_yticks):
            percent_ticks(set_ticks, [low, (1 + low) / 2, 1])
        style.outer_labels(axes, first, last, "Confidence, %", "Accuracy, %")
        style.name_panel(axes, method, notes[method], tables)
    return figure


FIGURE = FigureType(
    "comparison",
    "Methods compared",
    "A small reliability diagram per method, all on the same axes. The bars at the foot are the share of pixels per "
    "bin: where it is small, a gap adds little to the ECE.",
    pictures,
    paint,
)
