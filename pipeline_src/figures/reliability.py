"""The reliability diagram of one method on one data set (docs/protocol.md): accuracy against confidence."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from pipeline_src.figures import style

CONFIDENCE = "Confidence of the top label"
ACCURACY = "Accuracy (top label)"
# A binary top label is never less confident than this, so the lower half of [0, 1] can hold no pixel.
LEAST = 0.5


def least_of(tables: Sequence[pd.DataFrame]) -> float:
    """Lower end of the confidence axis that suits all `tables`: 0.5, or a bin's edge below where there are more than
    two classes."""
    bins = pd.concat([drawn(split(table)[0]) for table in tables])
    return float(min([LEAST, *bins.loc[bins["confidence"] < LEAST, "lower"]]))


def floor_of(tables: Sequence[pd.DataFrame]) -> float:
    """Lower end of the accuracy axis that suits all `tables` of a data set, so that its diagrams can be compared."""
    least = min((drawn(split(table)[0])[["accuracy", "low"]].min().min() for table in tables), default=1.0)
    return 0.4 if math.isnan(least) or least >= 0.42 else 0.0


def draw(table: pd.DataFrame, heading: str, lines: Sequence[str], floor: float, least: float = LEAST) -> Figure:
    """Draw the diagram from its numbers.

    Args:
        table: as `numbers.Measured.reliability`.
        heading, lines: what is shown, and its protocol and numbers.
        floor, least: lower ends of the axes of accuracy and confidence.
    """
    bins, whole = split(table)
    figure, used = style.new_figure(3.75, heading, lines)
    main, shares = (style.place(figure, 0.51, used + y, 2.41, high) for y, high in ((0.26, 2.31), (2.66, 0.66)))
    _accuracy(main, drawn(bins), floor, least)
    _means(main, whole, floor)
    shares.set_xlim(main.get_xlim())
    shares.set_xticks(main.get_xticks())
    _shares(shares, bins, least)
    shares.set_xlabel(CONFIDENCE)
    return figure


def split(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """The bins, and all pixels together."""
    whole = table["bin"] == "all"
    return table[~whole], table[whole].iloc[0]


def _accuracy(axes: Axes, bins: pd.DataFrame, floor: float, least: float) -> None:
    axes.set_xlim(least, 1)
    axes.set_xticks([tick / 10 for tick in range(math.ceil(10 * least), 11)])
    axes.set_ylim(floor, 1)
    axes.set_yticks([tick / 10 for tick in range(round(10 * floor), 11, 2 if floor == 0 else 1)])
    axes.set_ylabel(ACCURACY)
    axes.plot([least, 1], [least, 1], color=style.MUTED, linewidth=0.9, linestyle=(0, (4, 2)), zorder=4)
    axes.tick_params(labelbottom=False, bottom=False)
    for row in bins.itertuples():
        # The gap is drawn from the bin's own mean confidence, which is what ECE compares, not from its middle.
        left, width = max(row.lower, least), row.upper - max(row.lower, least)
        low, high = sorted((row.confidence, row.accuracy))
        colour = style.OVER if row.confidence > row.accuracy else style.UNDER
        axes.add_patch(
            Rectangle((left, floor), width, max(low - floor, 0), facecolor=style.CALIBRATED, alpha=0.45, linewidth=0)
        )
        for patch in _gap((left, low), width, high - low, colour):
            axes.add_patch(patch)
        axes.plot([left, left + width], [row.accuracy] * 2, color=style.INK, linewidth=1.7, solid_capstyle="butt")
        if row.low == row.low:
            axes.plot([left + width / 2] * 2, [row.low, row.high], color=style.INK, linewidth=0.9, zorder=5)
            axes.plot([left + width / 2] * 2, [row.low, row.high], "_", color=style.INK, markersize=4, zorder=5)
    axes.legend(
        [_gap((0, 0), 1, 1, colour) for colour in (style.OVER, style.UNDER)],
        ["over-confident", "under-confident"],
        loc="lower right",
        handlelength=1.6,
        borderaxespad=0.4,
        frameon=True,
        framealpha=0.8,
        edgecolor="none",
        facecolor=style.PAPER,
    ).set_zorder(6)


def _gap(corner: tuple[float, float], width: float, height: float, colour: str) -> tuple[Rectangle, Rectangle]:
    """A tinted area and its hatch: two patches, since an area's transparency would fade its hatch too."""
    hatch = style.HATCH[colour]
    return (
        Rectangle(corner, width, height, facecolor=colour, alpha=0.28, linewidth=0, zorder=2),
        Rectangle(corner, width, height, fill=False, edgecolor=colour, hatch=hatch, linewidth=0, zorder=2),
    )


def _means(axes: Axes, whole: pd.Series, floor: float) -> None:
    """Both means as lines to the outer edges, where their values stand clear of the bars."""
    confidence, accuracy = whole["confidence"], whole["accuracy"]
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


def drawn(bins: pd.DataFrame) -> pd.DataFrame:
    """The bins that a diagram shows: those with pixels, but not the few whose confidence is 0.5 to the last bit.

    These are alone in the right-closed bin that ends at 0.5, left of the axis; below 0.1 % they would only distract.
    """
    return bins[(bins["share"] > 0) & ((bins["upper"] > LEAST) | (bins["share"] >= 0.001))]


def _shares(axes: Axes, bins: pd.DataFrame, least: float) -> None:
    axes.set_ylim(0, 1.18)
    axes.set_yticks([0, 0.5, 1], ["0", "50", "100"])
    axes.set_ylabel("Pixels, %")
    filled = drawn(bins)
    for row in filled.itertuples():
        left = max(row.lower, least)
        axes.bar(
            left,
            row.share,
            row.upper - left,
            align="edge",
            color=style.MUTED,
            edgecolor=style.PAPER,
            linewidth=10 / len(bins),
        )
        if (len(bins) > 12 or least < LEAST) and row.Index != filled["share"].idxmax():
            continue  # no room for more than one number
        axes.annotate(
            "< 0.1 %" if row.share < 0.0005 else style.percent(row.share),
            ((left + row.upper) / 2, row.share),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=6.5,
        )
