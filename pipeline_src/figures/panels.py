"""Small multiples: panels of equal axes, by method or by dataset."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pipeline_src.figures import style
from pipeline_src.figures.types import Axes, DataFrame, Figure

LEFT, RIGHT, GAP, TITLE, BOTTOM = 0.52, 0.12, 0.13, 0.4, 0.46  # inches
LARGEST = 2.1
Panel = tuple[Axes, bool, bool]


def small_multiples(
    number: int,
    heading: str,
    lines: Sequence[str],
    *,
    ratio: float = 1.0,
    inches: float | None = None,
    across: int = 7,
    left: float = LEFT,
    gap: float = GAP,
    title: float = TITLE,
    head: float = 0.0,
    foot: float = 0.0,
) -> tuple[Figure, list[Panel]]:
    """A figure with `number` panels in rows of at most `across`.

    Args:
        ratio: height of a panel by its width, unless `inches` is its height.
        left, gap, title: inches before the first panel, between panels, and above each for its name.
        head, foot: inches that stay free above and below the panels.

    Returns:
        the figure, and per panel its axes and whether it is the first of its row and the last of its column.
    """
    width = style.WIDE if style.is_wide(number) else style.WIDTH
    rows = math.ceil(number / (across if number > 2 else 2))
    columns = math.ceil(number / rows)
    wide = (width - left - RIGHT - gap * (columns - 1)) / columns
    if inches is None:
        wide = min(wide, LARGEST)
    high = ratio * wide if inches is None else inches
    first = min(title, 0.34)  # nothing but a name is above the first row
    body = head + first + (rows - 1) * title + rows * high + BOTTOM + foot + 0.06
    figure, used = style.new_figure(body, heading, lines, width)
    panels = []
    for k in range(number):
        row, column = divmod(k, columns)
        x, y = left + column * (wide + gap), used + 0.06 + head + first + row * (title + high)
        panels.append((style.place(figure, x, y, wide, high), column == 0, k + columns >= number))
    return figure, panels


def name_panel(axes: Axes, name: str, note: str, names: Collection[str]) -> None:
    """The name of a panel, different from those of the figure's other panels, and a quieter note below it."""
    inches = axes.get_position().width * axes.figure.figure.get_figwidth()
    texts = style.short_names(names, int(inches / 0.057))[name], style.short_names([note], int(inches / 0.052))[note]
    for text, y, weight, color in ((texts[0], 12, "bold", style.INK), (texts[1], 3, "normal", style.MUTED)):
        axes.annotate(
            text,
            (0, 1),
            xytext=(0, y),
            xycoords="axes fraction",
            textcoords="offset points",
            fontsize=6 if weight == "bold" else 6.5,
            fontweight=weight,
            color=color,
            parse_math=False,
        )


def outer_labels(axes: Axes, first: bool, last: bool, x_label: str = "", y_label: str = "") -> None:
    """Ticks and labels at the outer panels only."""
    axes.tick_params(labelleft=first, labelbottom=last, labelsize=6.5)
    if last:
        outer = axes.get_xticklabels()
        outer[0].set_horizontalalignment("left")  # or numbers of neighboring panels would meet
        outer[-1].set_horizontalalignment("right")
        axes.set_xlabel(x_label, labelpad=3)
    axes.set_ylabel(y_label if first else "", labelpad=3)


def draw_curves(
    curves: Mapping[str, DataFrame],
    notes: Mapping[str, str],
    heading: str,
    lines: Sequence[str],
    axis_labels: tuple[str, str],
    x_range: tuple[float, float],
    y_range: tuple[float, float] | None,
) -> Figure:
    """A panel per method with its curve in its color, faintly with those of all others behind it.

    Args:
        curves: all methods -> `x`, `y`, and `low` and `high` where there is a band.
        notes: method -> the text below its name.
        y_range: None where heights of methods cannot be compared: each panel has a range of its own.
    """
    figure, panels = small_multiples(len(curves), heading, lines)
    looks = style.method_looks(curves)
    for (method, curve), (axes, first, last) in zip(curves.items(), panels, strict=True):
        for other in curves.values() if y_range else ():
            axes.plot(other["x"], other["y"], color=style.FAINT, linewidth=0.4)
        color = looks[method]["color"]
        if "low" in curve:
            axes.fill_between(curve["x"], curve["low"], curve["high"], color=color, alpha=0.3, linewidth=0)
        axes.plot(curve["x"], curve["y"], color=color, linewidth=1.4)
        axes.set_xlim(*x_range)
        axes.set_xticks([x_range[0], sum(x_range) / 2, x_range[1]], [f"{x_range[0]:g}", "", f"{x_range[1]:g}"])
        if y_range:
            axes.locator_params("y", nbins=4)
            axes.set_ylim(*y_range)
        else:
            axes.set_yticks([])
        outer_labels(axes, first, last, *axis_labels)
        name_panel(axes, method, notes[method], curves)
    return figure


def draw_lines(
    table: DataFrame,
    looks: Mapping[str, Mapping[str, Any]],
    names: tuple[str, str, str],
    x_label: str,
    spread: float,
    heading: str,
    lines: Sequence[str],
    reference: Mapping[tuple[str, str], float] | None = None,
) -> Figure:
    """Metrics over a parameter: a row of panels per `metric`, a column per panel name, a line per series.

    Args:
        table: `metric`, `value`, `low`, `high`, and the columns of `names`.
        looks: series -> color, marker and the like, in the order of the legend.
        names: the columns of `table` that hold the panel, the series and the parameter.
        spread: distance along the parameter over which series stand side by side.
        reference: (panel, metric) -> height of a dashed line.
    """
    panel_name, series_name, x = names
    columns, metrics = list(dict.fromkeys(table[panel_name])), list(dict.fromkeys(table["metric"]))
    across = 4 if style.is_wide(len(columns) * len(metrics)) else 2
    rows = math.ceil(len(looks) / across)
    number, head = len(columns) * len(metrics), 0.15 * rows
    sizes = {"inches": 1.1, "gap": 0.36, "title": 0.2, "head": head}
    figure, panels = small_multiples(number, heading, lines, across=len(columns), **sizes)
    top = (1 - panels[0][0].get_position().y1) * figure.get_figheight() - 0.2 - head
    for k, (name, shown) in enumerate(style.short_names(looks, 24).items()):
        style.key(figure, [(shown, looks[name])], 0.2 + k % across * 1.7, top + 0.07 + k // across * 0.15, 1)
    titles = style.short_names([name.replace("_", " ") for name in columns], 24)
    for k, (axes, first, last) in enumerate(panels):
        metric, column = metrics[k // len(columns)], columns[k % len(columns)]
        if reference and (column, metric) in reference:
            axes.axhline(100 * reference[column, metric], **style.DASHED)
        for place, (name, look) in enumerate(looks.items()):
            chosen = (table[panel_name] == column) & (table[series_name] == name) & (table["metric"] == metric)
            line = table[chosen].sort_values(x)
            xs = line[x] + spread * ((place + 0.5) / len(looks) - 0.5)
            axes.vlines(xs, 100 * line["low"], 100 * line["high"], color=look["color"], linewidth=0.7)
            axes.plot(xs, 100 * line["value"], linewidth=1, markersize=3, **look)
        axes.margins(y=0.1)
        axes.locator_params("y", nbins=4)
        axes.tick_params(labelbottom=last, labelsize=6.5)
        axes.set_ylabel(style.AXES[metric] if first else "")
        axes.set_xlabel(x_label if last else "")
        if k < len(columns):
            axes.set_title(
                titles[column.replace("_", " ")], fontsize=7, fontweight="bold", loc="left", parse_math=False
            )
    return figure


def stacked(tables: Mapping[str, DataFrame]) -> DataFrame:
    """One table, with the method in its first column."""
    import pandas as pd

    return pd.concat(tables, names=["method", None]).reset_index("method").reset_index(drop=True)
