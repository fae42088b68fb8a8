"""Reliability diagrams (docs/protocol.md): accuracy of the top label against its confidence."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline_src.analysis.facts import PROTOCOL_NAMES, Facts
from pipeline_src.figures import bin_tables, style
from pipeline_src.figures.types import (
    Axes,
    DataFrame,
    Figure,
    FigureType,
    Folders,
    Histogram,
    Picture,
    Results,
    stacked,
)

if TYPE_CHECKING:
    from matplotlib.patches import Rectangle

KEY = "red: overconfident · blue: underconfident · below: share of pixels per bin"
FOOT = 0.2  # of the height of the accuracy axis of a panel, for the shares of pixels
BAR: dict[str, Any] = {"facecolor": style.CALIBRATED, "alpha": 0.45, "linewidth": 0}


def pictures(facts: Facts) -> Iterator[Picture]:
    """Yield one figure per dataset and protocol."""
    for part, protocol in product(facts.parts, facts.protocols):
        title, wide = f"All methods on {part}", style.is_wide(len(facts.methods))
        caption = f"{title}, {PROTOCOL_NAMES[protocol]}; {facts.networks_text()}."
        yield Picture(FIGURE, (protocol, part), title, caption, protocol, part, wide=wide)


def paint(picture: Picture, results: Results, folders: Folders) -> tuple[Figure, DataFrame]:
    """Draw a diagram of each method, all on the same axes."""
    facts, protocol, part = results.facts, picture.protocol, picture.part
    by_method = bin_tables.reliability_tables(results, part)
    tables = {method: by_method[protocol, method] for method in facts.methods}
    ece = {
        method: results.estimate("ece", protocol, method, part).value for method in facts.methods
    }
    covered = "images and training seeds" if len(facts.seeds) > 1 else "images"
    lines = [
        f"{style.size(picture, results)} · {facts.bins} bins · error bars: 95 % CI over {covered}",
        f"ECE: {style.averaged(facts)} · bars: {facts.networks_text()}",
        KEY,
    ]
    notes = {method: f"ECE {100 * value:.2f} %" for method, value in ece.items()}
    low = bin_tables.corner(list(by_method.values()))
    return draw_panels(tables, notes, picture.title, lines, low), stacked(tables)


def draw_panels(
    tables: Mapping[str, np.recarray],
    notes: Mapping[str, str],
    heading: str,
    lines: Sequence[str],
    low: float,
) -> Figure:
    """Draw a panel per method, with the shares of pixels at its foot.

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
        look: dict[str, Any] = {
            "color": style.MUTED,
            "edgecolor": style.PAPER,
            "linewidth": min(0.4, 4 / len(table)),
        }
        heights = bins["share"] * foot * 0.8
        axes.bar(left, heights, bins["upper"] - left, low - foot, align="edge", **look)
        axes.axhline(low, color=style.GRID, linewidth=0.6)
        for set_ticks in (axes.set_xticks, axes.set_yticks) if len(tables) > 1 else ():
            percent_ticks(set_ticks, [low, (1 + low) / 2, 1])
        style.outer_labels(axes, first, last, "Confidence, %", "Accuracy, %")
        style.name_panel(axes, method, notes[method], tables)
    return figure


def draw_counts(
    histogram: Histogram,
    bins: int,
    title: str,
    lines: Sequence[str],
    stem: Path,
    band: np.ndarray | None = None,
) -> None:
    """Draw the diagram of one protocol's counts, with its `accuracy_band` if known, as <stem>.svg, .pdf and .png."""
    table = bin_tables.reliability_table(histogram, bins, band)
    with style.house():
        style.save(
            draw_panels({"": table}, {"": ""}, title, [*lines, KEY], bin_tables.corner([table])),
            stem,
        )


def percent_ticks(set_ticks: Callable[..., object], ticks: Iterable[float]) -> None:
    """Set fractions as ticks, in percent."""
    set_ticks(ticks, [f"{100 * tick:.0f}" for tick in ticks])


def draw_accuracy(axes: Axes, table: np.recarray) -> None:
    """Draw accuracy against confidence with a legend."""
    bins = bin_tables.drawn_bins(table)
    draw_bars(axes, bins, bin_tables.corner([table]))
    gaps = (
        ("overconfident", style.OVER, bins["gap"] > 0),
        ("underconfident", style.UNDER, bins["gap"] < 0),
    )
    entries: dict[str, Any] = {
        text: _gap_patches((0, 0), 1, 1, color) for text, color, where in gaps if where.any()
    }
    axes.legend(list(entries.values()), list(entries), loc="lower right", handlelength=1.6)
    axes.set(xlabel="Confidence of the top label, %", ylabel="Accuracy of the top label, %")


def draw_bars(axes: Axes, bins: np.recarray, low: float) -> None:
    """Draw the bars of `bin_tables.drawn_bins`, their gaps and error bars, on square axes from `low` to 1."""
    from matplotlib.patches import Rectangle

    for set_limits, set_ticks in (
        (axes.set_xlim, axes.set_xticks),
        (axes.set_ylim, axes.set_yticks),
    ):
        set_limits(low, 1)
        percent_ticks(
            set_ticks, [tick / 10 for tick in range(math.ceil(10 * low), 11, 1 if low else 2)]
        )
    axes.set_aspect("equal")
    axes.plot([low, 1], [low, 1], **style.DASHED, zorder=4)
    for row in bins:
        # The gap is drawn from the bin's own mean confidence, which is what ECE compares, not from
        # its middle.
        left, width = max(row.lower, low), row.upper - max(row.lower, low)
        lower, upper = sorted((row.confidence, row.accuracy))
        color = style.OVER if row.confidence > row.accuracy else style.UNDER
        axes.add_patch(Rectangle((left, low), width, max(lower - low, 0), **BAR))
        for patch in _gap_patches((left, lower), width, upper - lower, color):
            axes.add_patch(patch)
        axes.plot(
            [left, left + width],
            [row.accuracy] * 2,
            color=style.INK,
            linewidth=1.7,
            solid_capstyle="butt",
        )
        if not math.isnan(row.low):
            middle = [left + width / 2] * 2
            axes.plot(middle, [row.low, row.high], color=style.INK, linewidth=0.9, zorder=5)
            axes.plot(middle, [row.low, row.high], "_", color=style.INK, markersize=4, zorder=5)


def _gap_patches(
    corner: tuple[float, float], width: float, height: float, color: str
) -> tuple[Rectangle, Rectangle]:
    """Return a tinted area and its hatch: two patches, since an area's transparency would fade its hatch too."""
    from matplotlib.patches import Rectangle

    look: dict[str, Any] = {"linewidth": 0, "zorder": 2}
    return (
        Rectangle(corner, width, height, facecolor=color, alpha=0.28, **look),
        Rectangle(
            corner, width, height, fill=False, edgecolor=color, hatch=style.HATCH[color], **look
        ),
    )


FIGURE = FigureType(
    "reliability",
    "Reliability",
    "Accuracy of the top label against its confidence, a panel per method on the same axes. A bar ends at the bin's "
    "accuracy; the hatched part is the gap to the bin's mean confidence. The bars at the foot are the share of pixels "
    "per bin: where it is small, a gap adds little to the ECE.",
    pictures,
    paint,
)
