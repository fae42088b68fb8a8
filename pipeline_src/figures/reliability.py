"""Reliability diagrams (docs/protocol.md): accuracy of the top label against its confidence."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline_src.analysis.facts import Facts
from pipeline_src.figures import bin_tables, style
from pipeline_src.figures.types import (
    Axes,
    Drawn,
    Figure,
    FigureType,
    Folders,
    Picture,
    Results,
    stacked,
)

if TYPE_CHECKING:
    from matplotlib.patches import Rectangle

# The last line above diagrams of the top label (`KEY`) and of single classes (`CLASS_KEY`).
KEY = "red: overconfident · blue: underconfident · below: share of pixels per bin"
CLASS_KEY = (
    "red: probability above frequency · blue: below it · at the foot: share of pixels per bin"
)
# Labels of the x and y axes of such diagrams.
TOP_LABELS = ("Confidence, %", "Accuracy, %")
CLASS_LABELS = ("Probability, %", "Frequency, %")
# Height of the foot of a panel, which shows the shares of pixels, as a share of the height of the
# accuracy axis above it.
FOOT = 0.2


def pictures(facts: Facts) -> Iterator[Picture]:
    """Yield one figure per dataset and protocol."""
    title = "All methods on {split}"
    caption = "{title}, {protocol}; {networks}."
    return FIGURE.by_dataset(facts, facts.splits, title, caption, panels=len(facts.methods))


def paint(picture: Picture, results: Results, folders: Folders) -> Drawn:
    """Draw a diagram of each method, all on the same axes; return also the numbers behind it."""
    facts = results.facts
    protocol = picture.protocol
    by_method = bin_tables.reliability_tables(results, picture.split)
    tables = {method: by_method[protocol, method] for method in facts.methods}
    notes = {}
    for method in facts.methods:
        ece = results.estimate("ece", protocol, method, picture.split).value
        notes[method] = f"ECE {100 * ece:.2f} %"
    covered = "images and training seeds" if len(facts.seeds) > 1 else "images"
    lines = [
        f"{style.size(picture, results)} · {facts.bins} bins · error bars: 95 % CI over {covered}",
        f"ECE: {facts.networks_text(style.MEANS)} · bars: {facts.networks_text()}",
        KEY,
    ]
    # One range for all diagrams of a dataset, which are compared across protocols.
    axis_start = bin_tables.corner(list(by_method.values()))
    return draw_panels(tables, notes, picture.title, lines, axis_start=axis_start), stacked(tables)


def draw_panels(
    tables: Mapping[str, np.recarray],
    notes: Mapping[str, str],
    heading: str,
    lines: Sequence[str],
    *,
    axis_start: float,
    labels: tuple[str, str] = TOP_LABELS,
) -> Figure:
    """Draw a panel per method or class, with the shares of pixels at its foot.

    Args:
        tables: name of a panel -> a row per bin (`bin_tables.reliability_table`).
        notes: name of a panel -> the text below its name.
        heading, lines: the texts above all panels.
        axis_start: where both axes begin (`bin_tables.corner`); they end at 1.
        labels: of the x and the y axis.
    """
    figure, panels = style.small_multiples(notes, heading, lines, ratio=1 + FOOT)
    foot = FOOT * (1 - axis_start)  # height in units of the y axis, below its start
    for table, panel in zip(tables.values(), panels, strict=True):
        axes = panel.axes
        bins = bin_tables.drawn_bins(table)
        draw_bars(axes, bins, axis_start)
        axes.set_ylim(axis_start - foot, 1)
        left = np.maximum(bins["lower"], axis_start)
        axes.bar(
            left,
            height=bins["share"] * foot * 0.8,  # a share of 1 nearly fills the foot
            width=bins["upper"] - left,
            bottom=axis_start - foot,
            align="edge",
            color=style.MUTED,
            edgecolor=style.PAPER,
            linewidth=min(0.4, 4 / len(table)),  # thinner for many bins
        )
        axes.axhline(axis_start, color=style.GRID, linewidth=0.6)
        if len(tables) > 1:  # small panels have room for few ticks
            percent_ticks(axes, [axis_start, (1 + axis_start) / 2, 1])
        style.outer_labels(axes, panel, *labels)
    return figure


def save_panels(
    tables: Mapping[str, np.recarray],
    notes: Mapping[str, str],
    heading: str,
    lines: Sequence[str],
    stem: Path,
    **options: Any,
) -> None:
    """Draw panels in the house style (`draw_panels`) as <stem>.svg, .pdf and .png.

    Args:
        stem: path of the files without suffix.
        options: of `draw_panels`.
    """
    with style.house():
        style.save(draw_panels(tables, notes, heading, lines, **options), stem)


def percent_ticks(axes: Axes, ticks: list[float]) -> None:
    """Set the ticks of both axes at these fractions, with labels in percent."""
    labels = [f"{100 * tick:.0f}" for tick in ticks]
    axes.set_xticks(ticks, labels)
    axes.set_yticks(ticks, labels)


def draw_accuracy(axes: Axes, table: np.recarray) -> None:
    """Draw accuracy against confidence into `axes`, with labels and a legend.

    Args:
        table: `bin_tables.reliability_table`.
    """
    bins = bin_tables.drawn_bins(table)
    draw_bars(axes, bins, bin_tables.corner([table]))
    entries = {}
    # The patches of the legend, of which only the look counts.
    if (bins["gap"] > 0).any():
        entries["overconfident"] = _gap_patches((0, 0), 1, 1, style.OVER)
    if (bins["gap"] < 0).any():
        entries["underconfident"] = _gap_patches((0, 0), 1, 1, style.UNDER)
    axes.legend(list(entries.values()), list(entries), loc="lower right", handlelength=1.6)
    axes.set(xlabel="Confidence of the top label, %", ylabel="Accuracy of the top label, %")


def draw_bars(axes: Axes, bins: np.recarray, axis_start: float) -> None:
    """Draw a bar per bin on square axes from `axis_start` to 1. It ends at the bin's accuracy; the
    gap to the bin's mean confidence is hatched, and the accuracy has an error bar.

    Args:
        bins: `bin_tables.drawn_bins`.
    """
    from matplotlib.patches import Rectangle

    axes.set(xlim=(axis_start, 1), ylim=(axis_start, 1))
    # Ticks at each tenth, and at every second one if the axes begin at 0.
    tenths = range(math.ceil(10 * axis_start), 11, 1 if axis_start else 2)
    percent_ticks(axes, [tenth / 10 for tenth in tenths])
    axes.set_aspect("equal")
    axes.plot([axis_start, 1], [axis_start, 1], **style.DASHED, zorder=4)
    for row in bins:
        # The gap is drawn from the bin's own mean confidence, which is what ECE compares, not from
        # its middle.
        left = max(row.lower, axis_start)
        width = row.upper - left
        bottom = min(row.confidence, row.accuracy)
        gap = max(row.confidence, row.accuracy) - bottom
        color = style.OVER if row.confidence > row.accuracy else style.UNDER
        below = Rectangle(
            (left, axis_start),
            width,
            max(bottom - axis_start, 0),
            facecolor=style.CALIBRATED,
            alpha=0.45,
            linewidth=0,
        )
        axes.add_patch(below)
        for patch in _gap_patches((left, bottom), width, gap, color):
            axes.add_patch(patch)
        edges = [left, left + width]
        axes.plot(edges, [row.accuracy] * 2, color=style.INK, linewidth=1.7, solid_capstyle="butt")
        if not math.isnan(row.low):
            middle = [left + width / 2] * 2
            axes.plot(
                middle,
                [row.low, row.high],
                marker="_",
                markersize=4,
                color=style.INK,
                linewidth=0.9,
                zorder=5,
            )


def _gap_patches(
    corner: tuple[float, float], width: float, height: float, color: str
) -> tuple[Rectangle, Rectangle]:
    """Return a tinted area and its hatch, which show a gap.

    They are two patches, since an area's transparency would fade its hatch too.

    Args:
        corner: the lower left one.
    """
    from matplotlib.patches import Rectangle

    area = Rectangle(corner, width, height, facecolor=color, alpha=0.28, linewidth=0, zorder=2)
    hatch = Rectangle(
        corner,
        width,
        height,
        fill=False,
        edgecolor=color,
        linewidth=0,
        zorder=2,
        hatch=style.HATCH[color],
    )
    return area, hatch


FIGURE = FigureType(
    "reliability",
    "Reliability",
    "Accuracy of the top label against its confidence, a panel per method on the same axes. A bar "
    "ends at the bin's accuracy; the hatched part is the gap to the bin's mean confidence. The "
    "bars at the foot are the share of pixels per bin: where it is small, a gap adds little to the "
    "ECE.",
    pictures,
    paint,
)
