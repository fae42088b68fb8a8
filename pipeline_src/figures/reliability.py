"""The reliability diagram of one method on one data set (docs/protocol.md): accuracy against confidence."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline_src.analysis.facts import Facts
from pipeline_src.figures import bin_tables, style
from pipeline_src.figures.bin_tables import LEAST
from pipeline_src.figures.types import Axes, Counts, DataFrame, Figure, FigureType, Painted, Picture, Results, Sources

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle

CONFIDENCE = "Confidence of the top label, %"
ACCURACY = "Accuracy of the top label, %"
WIDE = 2.41  # inches, of the axes
ISOTONIC = "isotonic"  # ending of a csv file


def pictures(facts: Facts) -> Iterator[Picture]:
    """One of every method on every data set in every protocol."""
    for part, protocol, method in product(facts.clean, facts.protocols, facts.methods):
        title = f"{method} on {part}"
        over = style.whiskers(facts.seeds_of(method))
        caption = (
            f"{title}, {protocol} protocol, {facts.bins} bins; {facts.networks_in_words(method)}. Whiskers: {over}."
        )
        yield Picture(FIGURE, (protocol, method, part), title, caption, protocol, part, method, tables=(ISOTONIC,))


def paint(picture: Picture, results: Results, sources: Sources) -> Painted:
    """The diagram; those of a data set have the same axes, so that they can be compared."""
    facts, method, place = results.facts, picture.method, (picture.protocol, picture.method, picture.part)
    tables = bin_tables.reliability_tables(results, picture.part)
    ece, oe = (style.percent(results.estimate(name, *place).value, 2) for name in ("ece", "oe"))
    errors, networks = f"ECE {ece} · OE {oe}", f"{facts.bins} bins · {facts.networks_in_words(method)}"
    several = len(facts.seeds_of(method)) > 1
    how = [f"{errors} · {style.averaged(facts)}", f"bars: {networks}"] if several else [f"{errors} · {networks}"]
    lines = [style.size(picture, results), *how]
    table, corner = tables[picture.protocol, method], bin_tables.corner_of_part(results, picture.part)
    curve = bin_tables.isotonic_table(results.measured(picture.protocol, picture.part)[method].counts)
    return Painted(draw(table, picture.title, lines, curve, corner), {"": table, ISOTONIC: curve})


def draw_counts(
    counts: Counts, bins: int, title: str, lines: Sequence[str], stem: Path, band: np.ndarray | None = None
) -> None:
    """Draw the diagram of one protocol's counts, with its `accuracy_band` if known, and save it as <stem>.svg, .pdf and
    .png."""
    table = bin_tables.reliability_table(counts, bins, band)
    with style.house():
        style.save(draw(table, title, lines, bin_tables.isotonic_table(counts)), stem)


def draw(
    table: DataFrame, heading: str, lines: Sequence[str], curve: DataFrame, corner: tuple[float, float] | None = None
) -> Figure:
    """Draw the diagram from its numbers.

    Args:
        table: as `bin_tables.reliability_table`.
        heading, lines: what is shown, and its protocol and numbers.
        curve: as `bin_tables.isotonic_table`.
        corner: as `bin_tables.corner`, of the diagrams that have the same axes; of `table` alone by default.
    """
    corner = corner or bin_tables.corner([table])
    high = accuracy_height(WIDE, corner)
    figure, used = style.new_figure(high + 1.44, heading, lines)
    main, shares = (
        style.place(figure, 0.51, used + y, WIDE, inches) for y, inches in ((0.26, high), (high + 0.35, 0.66))
    )
    draw_accuracy(main, table, curve, corner)
    main.tick_params(labelbottom=False, bottom=False)
    shares.set_xlim(main.get_xlim())
    percent_ticks(shares.set_xticks, main.get_xticks())
    draw_shares(shares, table, corner[0])
    shares.set_xlabel(CONFIDENCE)
    return figure


def accuracy_height(wide: float, corner: tuple[float, float]) -> float:
    """Of axes `wide` inches wide: a point of accuracy is as high as one of confidence is wide, so that the diagonal is
    one, unless accuracies down to 0 would make them much higher than wide."""
    least, floor = corner
    return min(wide * (1 - floor) / (1 - least), 1.25 * wide)


def percent_ticks(set_ticks: Callable[..., object], ticks: Iterable[float]) -> None:
    """Fractions as ticks, in percent."""
    set_ticks(ticks, [f"{100 * tick:.0f}" for tick in ticks])


def draw_accuracy(axes: Axes, table: DataFrame, curve: DataFrame, corner: tuple[float, float]) -> None:
    """Accuracy against confidence, as `draw` has it above the shares of pixels; the same arguments."""
    least, floor = corner
    bins = bin_tables.drawn_bins(table)
    draw_bars(axes, bins, floor, least)
    isotonic = axes.plot(curve["confidence"], curve["accuracy"], color=style.INK, linewidth=0.7, zorder=4)[0]
    _legend(axes, bins, isotonic)
    _means(axes, table, floor)


def draw_bars(axes: Axes, bins: DataFrame, floor: float, least: float) -> None:
    """The bars of `bin_tables.drawn_bins`, their gaps and whiskers, from the lower ends of both axes."""
    from matplotlib.patches import Rectangle

    axes.set_xlim(least, 1)
    percent_ticks(axes.set_xticks, [tick / 10 for tick in range(math.ceil(10 * least), 11)])
    axes.set_ylim(floor, 1)
    percent_ticks(axes.set_yticks, [tick / 10 for tick in range(math.ceil(10 * floor), 11, 2 if floor == 0 else 1)])
    axes.set_ylabel(ACCURACY)
    axes.plot([least, 1], [least, 1], color=style.MUTED, linewidth=0.9, linestyle=(0, (4, 2)), zorder=4)
    for row in bins.itertuples():
        # The gap is drawn from the bin's own mean confidence, which is what ECE compares, not from its middle.
        left, width = max(row.lower, least), row.upper - max(row.lower, least)
        low, high = sorted((row.confidence, row.accuracy))
        colour = style.OVER if row.confidence > row.accuracy else style.UNDER
        axes.add_patch(
            Rectangle((left, floor), width, max(low - floor, 0), facecolor=style.CALIBRATED, alpha=0.45, linewidth=0)
        )
        for patch in gap_patches((left, low), width, high - low, colour):
            axes.add_patch(patch)
        axes.plot([left, left + width], [row.accuracy] * 2, color=style.INK, linewidth=1.7, solid_capstyle="butt")
        if not math.isnan(row.low):
            axes.plot([left + width / 2] * 2, [row.low, row.high], color=style.INK, linewidth=0.9, zorder=5)
            axes.plot([left + width / 2] * 2, [row.low, row.high], "_", color=style.INK, markersize=4, zorder=5)


def _legend(axes: Axes, bins: DataFrame, isotonic: Line2D) -> None:
    """What is drawn, and no more."""
    gaps = (("over-confident", style.OVER, bins["gap"] > 0), ("under-confident", style.UNDER, bins["gap"] < 0))
    entries: dict[str, Artist | tuple[Artist, ...]]
    entries = {text: gap_patches((0, 0), 1, 1, colour) for text, colour, where in gaps if where.any()}
    entries |= {"isotonic regression": isotonic} if np.size(isotonic.get_xdata()) else {}
    axes.legend(
        list(entries.values()),
        list(entries),
        loc="lower right",
        handlelength=1.6,
        borderaxespad=0.4,
        frameon=True,
        framealpha=0.8,
        edgecolor="none",
        facecolor=style.PAPER,
    ).set_zorder(6)


def gap_patches(corner: tuple[float, float], width: float, height: float, colour: str) -> tuple[Rectangle, Rectangle]:
    """A tinted area and its hatch: two patches, since an area's transparency would fade its hatch too."""
    from matplotlib.patches import Rectangle

    hatch = style.HATCH[colour]
    return (
        Rectangle(corner, width, height, facecolor=colour, alpha=0.28, linewidth=0, zorder=2),
        Rectangle(corner, width, height, fill=False, edgecolor=colour, hatch=hatch, linewidth=0, zorder=2),
    )


def _means(axes: Axes, table: DataFrame, floor: float) -> None:
    """Both means as lines to the outer edges, where their values stand clear of the bars."""
    confidence, accuracy = table.loc[table["bin"] == "all", ["confidence", "accuracy"]].iloc[0]
    if math.isnan(confidence):
        return
    for xs, ys in (([confidence] * 2, [accuracy, 1]), ([confidence, 1], [max(accuracy, floor)] * 2)):
        axes.plot(xs, ys, color=style.INK, linewidth=0.9, linestyle=(0, (1, 1.2)), zorder=5, clip_on=False)
    axes.plot(
        [confidence],
        [max(accuracy, floor)],
        "o",
        color=style.PAPER,
        markeredgecolor=style.INK,
        markersize=4.5,
        zorder=6,
    )
    axes.annotate(
        f"mean confidence {style.percent(confidence)}",
        (confidence, 1),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right" if confidence > 0.75 else "left",
        va="bottom",
        fontsize=7,
    )
    axes.annotate(
        f"mean\naccuracy\n{style.percent(accuracy)}",
        (1, max(accuracy, floor)),
        xytext=(5, 0),
        textcoords="offset points",
        ha="left",
        va="center",
        fontsize=7,
        annotation_clip=False,
    )


def draw_shares(axes: Axes, table: DataFrame, least: float) -> None:
    """The share of pixels in each bin, as a number where there is room."""
    axes.set_ylim(0, 1.18)
    axes.set_yticks([0, 0.5, 1], ["0", "50", "100"])
    axes.set_ylabel("Pixels, %")
    bins, filled = len(table) - 1, bin_tables.drawn_bins(table)
    for row in filled.itertuples():
        left = max(row.lower, least)
        axes.bar(
            left,
            row.share,
            row.upper - left,
            align="edge",
            color=style.MUTED,
            edgecolor=style.PAPER,
            linewidth=10 / bins,
        )
        if (bins > 12 or least < LEAST) and row.Index != filled["share"].idxmax():
            continue  # no room for more than one number
        axes.annotate(
            "< 0.1 %" if row.share < 0.0005 else style.percent(row.share),
            ((left + row.upper) / 2, row.share),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=6.5,
        )


FIGURE = FigureType(
    "reliability",
    "Reliability",
    "Accuracy of the top label against its confidence, in bins of confidence. A bar ends at the bin's accuracy, its "
    "whisker is the 95 % interval, of several seeds over training too; the hatched part is the gap to the bin's mean "
    "confidence. The thin line is the isotonic regression of all pixels, which needs no bins. The circle marks the "
    "means over all pixels. The panel below has the share of pixels per bin: where it is small, the gap above weighs "
    "little in the ECE.",
    pictures,
    paint,
)
