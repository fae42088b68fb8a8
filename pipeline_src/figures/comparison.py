"""All methods on one data set: their reliability curves and where their pixels lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline_src.figures import style
from pipeline_src.figures.reliability import CONFIDENCE, LEAST, axes_of_unit, drawn


def draw(
    curves: Mapping[str, pd.DataFrame], notes: Mapping[str, str], heading: str, lines: Sequence[str], floor: float
) -> Figure:
    """Draw the comparison from its numbers.

    Args:
        curves: printed name of a method -> its bins, as in `reliability.draw`.
        notes: printed name of a method -> its numbers in words, for the key.
        heading, lines, floor: as in `reliability.draw`.
    """
    key = 0.17 * len(curves)
    height = 4.5 + key
    figure, used = style.new_figure(height, heading, lines)
    top = 1 - (used + key + 0.16) / height
    main, shares = figure.subplots(
        2, 1, sharex=True, height_ratios=(2.4, 1), gridspec_kw={"hspace": 0.1, "top": top, "bottom": 0.47 / height}
    )
    figure.subplots_adjust(left=0.145, right=0.965)
    axes_of_unit(main, floor)
    main.fill_between([LEAST, 1], [LEAST, 1], 1, color=style.UNDER, alpha=0.07, linewidth=0)
    main.fill_between([LEAST, 1], floor, [LEAST, 1], color=style.OVER, alpha=0.07, linewidth=0)
    for x, y, align, colour, text in (
        (0.02, 0.965, "left", style.UNDER, "under-confident"),
        (0.98, 0.035, "right", style.OVER, "over-confident"),
    ):
        main.text(x, y, text, transform=main.transAxes, ha=align, va="top" if y > 0.5 else "bottom", color=colour)
    for position, (name, bins) in enumerate(curves.items()):
        look = style.look(position)
        filled = drawn(bins)
        main.plot(
            filled["confidence"],
            filled["accuracy"],
            **look,
            markersize=4.5,
            markeredgecolor=style.PAPER,
            markeredgewidth=0.5,
            zorder=5,
            clip_on=False,
        )
        _share(shares, filled, position, len(curves), look)
        _key(figure, 1 - (used + 0.1 + 0.17 * position) / height, name, notes[name], look)
    # One pixel in a thousand still shows; a linear scale would show the last bin alone.
    shares.set_yscale("log")
    shares.set_ylim(5e-4, 1.6)
    shares.set_yticks([0.001, 0.01, 0.1, 1], ["0.1", "1", "10", "100"])
    shares.minorticks_off()
    shares.set_ylabel("Pixels, % (log)")
    shares.set_xlabel(CONFIDENCE)
    bins = next(iter(curves.values()))
    for edge in bins["upper"][(bins["upper"] > LEAST) & (bins["upper"] < 1)]:
        shares.axvline(edge, color=style.GRID, linewidth=0.6, zorder=0)
    return figure


def _share(axes: Axes, bins: pd.DataFrame, position: int, among: int, look: Mapping[str, object]) -> None:
    """Stems side by side within each bin: the share of the method's pixels that lie there."""
    left = bins["lower"].clip(lower=LEAST)
    x = left + (bins["upper"] - left) * (position + 1) / (among + 1)
    axes.vlines(x, 1e-6, bins["share"], color=look["color"], linewidth=1.2)
    axes.plot(x, bins["share"], color=look["color"], marker=look["marker"], linestyle="none", markersize=3.6, zorder=5)


def _key(figure: Figure, y: float, name: str, note: str, look: Mapping[str, object]) -> None:
    """One row of the key: the line as drawn, the method, its numbers."""
    figure.add_artist(Line2D([0.035, 0.125], [y, y], **look, markevery=[0], markersize=0))
    figure.add_artist(
        Line2D(
            [0.08],
            [y],
            **{**look, "linestyle": "none"},
            markersize=4.5,
            markeredgecolor=style.PAPER,
            markeredgewidth=0.5,
        )
    )
    figure.text(0.145, y, style.shortened(name, 22), va="center", fontsize=7, parse_math=False)
    figure.text(0.965, y, note, va="center", ha="right", fontsize=7, color=style.MUTED)
