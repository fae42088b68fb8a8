"""Small multiples: a panel per method, all on the same axes."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from pipeline_src.figures import style
from pipeline_src.figures.names import labels, shortened
from pipeline_src.figures.types import Axes, DataFrame, Figure

LEFT, RIGHT, GAP, TITLE, BOTTOM = 0.52, 0.12, 0.13, 0.4, 0.46  # inches
LARGEST = 2.1


def small_multiples(
    number: int, heading: str, lines: Sequence[str], ratio: float = 1.0, inches: float | None = None, foot: float = 0.0
) -> tuple[Figure, list[tuple[Axes, bool, bool]]]:
    """`number` panels in rows of seven at most, `ratio` times as high as wide, or `inches` high, above `foot` inches
    that are free.

    Returns:
        the figure, and per panel its axes and whether they are the first of their row and the last of their column,
        which alone need ticks and labels.
    """
    width = style.WIDE if style.is_wide(number) else style.WIDTH
    rows = math.ceil(number / (7 if number > 2 else 2))
    columns = math.ceil(number / rows)
    wide = min((width - LEFT - RIGHT - GAP * (columns - 1)) / columns, LARGEST)
    high = ratio * wide if inches is None else inches
    figure, used = style.new_figure(rows * (TITLE + high) + BOTTOM + foot + 0.06, heading, lines, width)
    panels = []
    for k in range(number):
        row, column = divmod(k, columns)
        x, y = LEFT + column * (wide + GAP), used + 0.06 + (row + 1) * TITLE + row * high
        panels.append((style.place(figure, x, y, wide, high), column == 0, k + columns >= number))
    return figure, panels


def name_panel(axes: Axes, method: str, note: str, methods: Collection[str]) -> None:
    """The method of a panel, in letters that tell it from the figure's other `methods`, and its number below."""
    inches = axes.get_position().width * axes.figure.figure.get_figwidth()
    label = dict(zip(methods, labels(methods, int(inches / 0.057)), strict=True))[method]
    shown = label, shortened(note, int(inches / 0.052))
    for text, y, weight, colour in ((shown[0], 12, "bold", style.INK), (shown[1], 3, "normal", style.MUTED)):
        axes.annotate(
            text,
            (0, 1),
            xytext=(0, y),
            xycoords="axes fraction",
            textcoords="offset points",
            fontsize=6 if weight == "bold" else 6.5,
            fontweight=weight,
            color=colour,
            linespacing=0.95,
            parse_math=False,
        )


def bare(axes: Axes, first: bool, last: bool, x_label: str = "", y_label: str = "") -> None:
    """Ticks and labels at the outer panels alone."""
    axes.tick_params(labelleft=first, labelbottom=last, labelsize=6.5)
    if last:
        outer = axes.get_xticklabels()
        outer[0].set(ha="left")  # so that neighbouring panels' numbers do not meet
        outer[-1].set(ha="right")
    if first and y_label:
        axes.set_ylabel(y_label, labelpad=3)
    if last and x_label:
        axes.set_xlabel(x_label, labelpad=3)


def draw_curves(
    curves: Mapping[str, DataFrame],
    notes: Mapping[str, str],
    heading: str,
    lines: Sequence[str],
    axis_labels: tuple[str, str],
    x_range: tuple[float, float],
    y_range: tuple[float, float] | None,
) -> Figure:
    """A curve per method, each in a panel of its own, faintly with those of all others behind it.

    Args:
        curves: method -> `x`, `y`, and `low` and `high` where it has a band.
        notes: method -> its number in words.
        y_range: None: the methods' heights cannot be compared, so each panel has a range of its own, without numbers,
            and no others' curves.
    """
    figure, panels = small_multiples(len(curves), heading, lines)
    for (method, curve), (axes, first, last) in zip(curves.items(), panels, strict=True):
        for other in curves.values() if y_range else ():
            axes.plot(other["x"], other["y"], color=style.FAINT, linewidth=0.4)
        if "low" in curve:
            axes.fill_between(curve["x"], curve["low"], curve["high"], color=style.ACCENT, alpha=0.3, linewidth=0)
        axes.plot(curve["x"], curve["y"], color=style.INK, linewidth=1.2)
        axes.set_xlim(*x_range)
        axes.set_xticks([x_range[0], sum(x_range) / 2, x_range[1]], [f"{x_range[0]:g}", "", f"{x_range[1]:g}"])
        if y_range:
            axes.locator_params("y", nbins=4)
            axes.set_ylim(*y_range)
        else:
            axes.set_yticks([])
        bare(axes, first and bool(y_range), last, axis_labels[0], axis_labels[1])
        name_panel(axes, method, notes[method], curves)
    return figure


def stacked(tables: Mapping[str, DataFrame]) -> DataFrame:
    """One table, with the method in its first column."""
    import pandas as pd

    return pd.concat(tables, names=["method", None]).reset_index("method").reset_index(drop=True)
