"""A curve per method, each in a panel of its own, faintly with those of all others behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline_src.figures import style
from pipeline_src.figures.panels import bare, name, small_multiples

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def draw(
    curves: Mapping[str, pd.DataFrame],
    notes: Mapping[str, str],
    heading: str,
    lines: Sequence[str],
    axis_labels: tuple[str, str],
    x_range: tuple[float, float],
    y_range: tuple[float, float] | None,
) -> Figure:
    """Draw the panels.

    Args:
        curves: printed name of a method -> `x`, `y`, and `low` and `high` where it has a band.
        notes: printed name of a method -> its number in words.
        y_range: None: the methods' heights cannot be compared, so each panel has a range of its own and no others.
    """
    figure, panels = small_multiples(len(curves), heading, lines)
    for (label, curve), (axes, first, last) in zip(curves.items(), panels, strict=True):
        for other in curves.values() if y_range else ():
            axes.plot(other["x"], other["y"], color=style.GRID, linewidth=0.7)
        if "low" in curve:
            axes.fill_between(curve["x"], curve["low"], curve["high"], color=style.ACCENT, alpha=0.3, linewidth=0)
        axes.plot(curve["x"], curve["y"], color=style.INK, linewidth=1.2)
        axes.set_xlim(*x_range)
        axes.set_xticks([x_range[0], sum(x_range) / 2, x_range[1]], [f"{x_range[0]:g}", "", f"{x_range[1]:g}"])
        axes.yaxis.get_major_locator().set_params(nbins=4)
        if y_range:
            axes.set_ylim(*y_range)
        bare(axes, first and bool(y_range), last, axis_labels[0], axis_labels[1])
        name(axes, label, notes[label])
    return figure
