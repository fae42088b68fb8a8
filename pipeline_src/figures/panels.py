"""Small multiples: panels of equal axes, by method or by dataset."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np

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


def stacked(tables: Mapping[str, DataFrame | np.recarray]) -> DataFrame:
    """One table, with the method in its first column."""
    import pandas as pd

    frames = {method: pd.DataFrame(table) for method, table in tables.items()}
    return pd.concat(frames, names=["method", None]).reset_index("method").reset_index(drop=True)
