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
from pipeline_src.figures.bin_tables import LEAST
from pipeline_src.figures.types import (
    Axes,
    Counts,
    Figure,
    FigureType,
    Painted,
    Picture,
    Results,
    Sources,
    stacked,
)

if TYPE_CHECKING:
    from matplotlib.patches import Rectangle

CONFIDENCE = "Confidence of the top label, %"
ACCURACY = "Accuracy of the top label, %"
SIDE = 2.41  # inches, of the axes of a single diagram
FOOT = 0.2  # of the height of the accuracy axis of a panel, for the shares of pixels
BAR: dict[str, Any] = {"facecolor": style.CALIBRATED, "alpha": 0.45, "linewidth": 0}


def pictures(facts: Facts) -> Iterator[Picture]:
    """Yield one figure per dataset and protocol."""
    for part, protocol in product(facts.parts, facts.protocols):
        title, wide = f"All methods on {part}", style.is_wide(len(facts.methods))
        caption = f"{title}, {PROTOCOL_NAMES[protocol]}; {facts.networks_in_words()}."
        yield Picture(FIGURE, (protocol, part), title, caption, protocol, part, wide=wide)


def paint(picture: Picture, results: Results, sources: Sources) -> Painted:
    """Draw a diagram of each method, all on the same axes."""
    facts, protocol, part = results.facts, picture.protocol, picture.part
    by_method = bin_tables.reliability_tables(results, part)
    tables = {method: by_method[protocol, method] for method in facts.methods}
    ece = {method: results.estimate("ece", protocol, method, part).value for method in facts.methods}
    lines = [
        f"{style.size(picture, results)} · {facts.bins} bins · {style.error_bars(facts.seeds)}",
        f"ECE: {style.averaged(facts)} · bars: {facts.networks_in_words()} · below: share of pixels per bin",
    ]
    notes = {method: f"ECE {style.percent(value, 2)}" for method, value in ece.items()}
    low = bin_tables.corner(list(by_method.values()))
    return Painted(draw_panels(tables, notes, picture.title, lines, low), stacked(tables))


def draw_panels(
    tables: Mapping[str, np.recarray], notes: Mapping[str, str], heading: str, lines: Sequence[str], low: float
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
        look: dict[str, Any] = {"color": style.MUTED, "edgecolor": style.PAPER, "linewidth": min(0.4, 4 / len(table))}
        heights = bins["share"] * foot * 0.8
        axes.bar(left, heights, bins["upper"] - left, low - foot, align="edge", **look)
        axes.axhline(low, color=style.GRID, linewidth=0.6)
        for set_ticks in (axes.set_xticks, axes.set_yticks):
            percent_ticks(set_ticks, [low, (1 + low) / 2, 1])
        style.outer_labels(axes, first, last, "Confidence, %", "Accuracy, %")
        style.name_panel(axes, method, notes[method], tables)
    return figure


def draw_counts(
    counts: Counts, bins: int, title: str, lines: Sequence[str], stem: Path, band: np.ndarray | None = None
) -> None:
    """Draw a single diagram of one protocol's counts, with its `accuracy_band` if known, as <stem>.svg, .pdf, .png."""
    table = bin_tables.reliability_table(counts, bins, band)
    with style.house():
        style.save(draw_single(table, title, lines), stem)


def draw_single(table: np.recarray, heading: str, lines: Sequence[str]) -> Figure:
    """Draw a diagram above the shares of pixels.

    Args:
        table: as `bin_tables.reliability_table`.
        heading, lines: the text above the diagram.
    """
    low = bin_tables.corner([table])
    figure, used = style.new_figure(SIDE + 1.44, heading, lines)
    main, shares = (
        style.place(figure, 0.51, used + y, SIDE, inches) for y, inches in ((0.26, SIDE), (SIDE + 0.35, 0.66))
    )
    draw_accuracy(main, table, low)
    main.tick_params(labelbottom=False, bottom=False)
    shares.set_xlim(main.get_xlim())
    percent_ticks(shares.set_xticks, main.get_xticks())
    _draw_shares(shares, table, low)
    shares.set_xlabel(CONFIDENCE)
    return figure


def percent_ticks(set_ticks: Callable[..., object], ticks: Iterable[float]) -> None:
    """Set fractions as ticks, in percent."""
    set_ticks(ticks, [f"{100 * tick:.0f}" for tick in ticks])


def draw_accuracy(axes: Axes, table: np.recarray, low: float) -> None:
    """Draw accuracy against confidence with both means; both axes begin at `low`."""
    bins = bin_tables.drawn_bins(table)
    draw_bars(axes, bins, low)
    _draw_legend(axes, bins)
    _draw_means(axes, table, low)


def draw_bars(axes: Axes, bins: np.recarray, low: float) -> None:
    """Draw the bars of `bin_tables.drawn_bins`, their gaps and error bars, on square axes from `low` to 1."""
    from matplotlib.patches import Rectangle

    for set_limits, set_ticks in ((axes.set_xlim, axes.set_xticks), (axes.set_ylim, axes.set_yticks)):
        set_limits(low, 1)
        percent_ticks(set_ticks, [tick / 10 for tick in range(math.ceil(10 * low), 11, 1 if low else 2)])
    axes.set_aspect("equal")
    axes.set_ylabel(ACCURACY)
    axes.plot([low, 1], [low, 1], **style.DASHED, zorder=4)
    for row in bins:
        # The gap is drawn from the bin's own mean confidence, which is what ECE compares, not from its middle.
        left, width = max(row.lower, low), row.upper - max(row.lower, low)
        lower, upper = sorted((row.confidence, row.accuracy))
        color = style.OVER if row.confidence > row.accuracy else style.UNDER
        axes.add_patch(Rectangle((left, low), width, max(lower - low, 0), **BAR))
        for patch in _gap_patches((left, lower), width, upper - lower, color):
            axes.add_patch(patch)
        axes.plot([left, left + width], [row.accuracy] * 2, color=style.INK, linewidth=1.7, solid_capstyle="butt")
        if not math.isnan(row.low):
            middle = [left + width / 2] * 2
            axes.plot(middle, [row.low, row.high], color=style.INK, linewidth=0.9, zorder=5)
            axes.plot(middle, [row.low, row.high], "_", color=style.INK, markersize=4, zorder=5)


def _gap_patches(corner: tuple[float, float], width: float, height: float, color: str) -> tuple[Rectangle, Rectangle]:
    """Return a tinted area and its hatch: two patches, since an area's transparency would fade its hatch too."""
    from matplotlib.patches import Rectangle

    look: dict[str, Any] = {"linewidth": 0, "zorder": 2}
    return (
        Rectangle(corner, width, height, facecolor=color, alpha=0.28, **look),
        Rectangle(corner, width, height, fill=False, edgecolor=color, hatch=style.HATCH[color], **look),
    )


def _draw_legend(axes: Axes, bins: np.recarray) -> None:
    """Draw a legend of what this diagram shows, with the same patches."""
    gaps = (("overconfident", style.OVER, bins["gap"] > 0), ("underconfident", style.UNDER, bins["gap"] < 0))
    entries: dict[str, Any] = {text: _gap_patches((0, 0), 1, 1, color) for text, color, where in gaps if where.any()}
    look: dict[str, Any] = {"frameon": True, "framealpha": 0.8, "edgecolor": "none", "facecolor": style.PAPER}
    legend = axes.legend(list(entries.values()), list(entries), loc="lower right", handlelength=1.6, **look)
    legend.set_zorder(6)


def _draw_means(axes: Axes, table: np.recarray, low: float) -> None:
    """Draw both means as dotted lines to the outer edges, where their values stand clear of the bars."""
    confidence, accuracy = table["confidence"][-1], table["accuracy"][-1]
    if math.isnan(confidence):
        return
    height = max(accuracy, low)
    for xs, ys in (([confidence] * 2, [height, 1]), ([confidence, 1], [height] * 2)):
        axes.plot(xs, ys, color=style.INK, linewidth=0.9, linestyle=(0, (1, 1.2)), zorder=5, clip_on=False)
    axes.plot(confidence, height, "o", color=style.PAPER, markeredgecolor=style.INK, markersize=4.5, zorder=6)
    look: dict[str, Any] = {"textcoords": "offset points", "fontsize": 7, "annotation_clip": False}
    side = "right" if confidence > (1 + low) / 2 else "left"
    text = f"mean confidence {style.percent(confidence)}"
    axes.annotate(text, (confidence, 1), xytext=(0, 3), ha=side, va="bottom", **look)
    text = f"mean\naccuracy\n{style.percent(accuracy)}"
    axes.annotate(text, (1, height), xytext=(5, 0), ha="left", va="center", **look)


def _draw_shares(axes: Axes, table: np.recarray, low: float) -> None:
    """Draw the share of pixels in each bin, as a number where it fits."""
    axes.set_ylim(0, 1.18)
    axes.set_yticks([0, 0.5, 1], ["0", "50", "100"])
    axes.set_ylabel("Pixels, %")
    bins, filled = len(table) - 1, bin_tables.drawn_bins(table)
    look: dict[str, Any] = {"color": style.MUTED, "edgecolor": style.PAPER, "linewidth": 10 / bins}
    left, share = np.maximum(filled["lower"], low), filled["share"]
    bars = axes.bar(left, share, filled["upper"] - left, align="edge", **look)
    texts = ["< 0.1 %" if value < 0.0005 else style.percent(value) for value in share]
    if bins > 12 or low < LEAST:  # only one number fits
        texts = [text if row == share.argmax() else "" for row, text in enumerate(texts)]
    axes.bar_label(bars, texts, padding=2, fontsize=6.5)


FIGURE = FigureType(
    "reliability",
    "Reliability",
    "Accuracy of the top label against its confidence, a panel per method on the same axes. A bar ends at the bin's "
    "accuracy; the hatched part is the gap to the bin's mean confidence. The bars at the foot are the share of pixels "
    "per bin: where it is small, a gap adds little to the ECE.",
    pictures,
    paint,
)
