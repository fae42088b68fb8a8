"""All methods on one data set: a small reliability diagram of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from pipeline_src.figures import style
from pipeline_src.figures.panels import bare, name, small_multiples
from pipeline_src.figures.reliability import drawn, least_of, split

FOOT = 0.2  # of the height of the accuracy axis, for the shares of pixels


def draw(
    tables: Mapping[str, pd.DataFrame], notes: Mapping[str, str], heading: str, lines: Sequence[str], floor: float
) -> Figure:
    """Draw the panels from their numbers.

    Args:
        tables: printed name of a method -> table as `numbers.Measured.reliability`; the first is shown in all panels.
        notes: printed name of a method -> its numbers in words.
        floor: lower end of the accuracy axis.
    """
    figure, panels = small_multiples(len(tables), heading, lines, ratio=1.15)
    least = least_of(list(tables.values()))
    reference = drawn(split(next(iter(tables.values())))[0])
    foot = FOOT * (1 - floor)
    for (label, table), (axes, first, last) in zip(tables.items(), panels, strict=True):
        bins = drawn(split(table)[0])
        axes.set_xlim(least, 1)
        axes.set_ylim(floor - foot, 1)
        axes.plot([least, 1], [least, 1], color=style.MUTED, linewidth=0.7, linestyle=(0, (4, 2)))
        axes.plot(reference["confidence"], reference["accuracy"], color=style.CALIBRATED, linewidth=1.6)
        x, y = bins["confidence"], bins["accuracy"]
        for colour, where in ((style.OVER, x > y), (style.UNDER, x < y)):
            axes.fill_between(x, y, x, where=where, interpolate=True, color=colour, alpha=0.35, linewidth=0)
        axes.fill_between(x, bins["low"], bins["high"], color=style.INK, alpha=0.15, linewidth=0)
        axes.plot(x, y, color=style.INK, linewidth=1.1, marker="o", markersize=2.2, clip_on=False)
        left = bins["lower"].clip(lower=least)
        axes.bar(
            left,
            bins["share"] * foot * 0.8,
            bins["upper"] - left,
            floor - foot,
            align="edge",
            color=style.MUTED,
            edgecolor=style.PAPER,
            linewidth=min(0.4, 4 / len(table)),
        )
        axes.axhline(floor, color=style.GRID, linewidth=0.6)
        axes.set_xticks([least, (1 + least) / 2, 1], [f"{least:.2g}", "", "1"])
        axes.set_yticks([0.5, 0.75, 1] if floor else [0, 0.5, 1], ["0.5", "", "1"] if floor else ["0", "0.5", "1"])
        bare(axes, first, last, "Confidence", "Accuracy")
        name(axes, label, notes[label])
    return figure
