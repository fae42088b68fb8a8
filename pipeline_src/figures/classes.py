"""Calibration and overlap class by class: a panel per method, a row per class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from pipeline_src.figures import style
from pipeline_src.figures.catalogue import CLASS_METRICS
from pipeline_src.figures.panels import bare, name, small_multiples

MOST = 24  # classes that can be told apart in one column


def chosen(tables: Mapping[str, pd.DataFrame], metric: str) -> list[str]:
    """The classes to draw, in the order of the data set: all, or those of `MOST` least calibrated or worst segmented
    ones by the mean over methods."""
    mean = sum(table.set_index("class")[metric].fillna(0) for table in tables.values()) / len(tables)
    worst = mean.sort_values(ascending=metric == "iou", kind="stable").index[:MOST]
    return [label for label in mean.index if label in worst]


def draw(
    tables: Mapping[str, pd.DataFrame], metric: str, notes: Mapping[str, str], heading: str, lines: Sequence[str]
) -> Figure:
    """Draw the panels.

    Args:
        tables: printed name of a method -> table as `numbers.Measured.classes`; the first is shown in all panels.
        metric: of `catalogue.CLASS_METRICS`.
        notes: printed name of a method -> its mean over classes in words.
    """
    shown = chosen(tables, metric)
    figure, panels = small_multiples(len(tables), heading, lines, inches=0.14 * len(shown) + 0.08)
    of_metric = {
        label: 100 * table.set_index("class").loc[shown, [metric, f"{metric}_low", f"{metric}_high"]]
        for label, table in tables.items()
    }
    first_values = next(iter(of_metric.values()))[metric]
    most = max(float(values.max(axis=None, skipna=True)) for values in of_metric.values())
    rows = range(len(shown))
    for (label, values), (axes, first, last) in zip(of_metric.items(), panels, strict=True):
        axes.plot(first_values, rows, linestyle="none", marker="|", color=style.MUTED, markersize=6, clip_on=False)
        axes.hlines(rows, values[f"{metric}_low"], values[f"{metric}_high"], color=style.ACCENT, linewidth=0.9)
        axes.plot(values[metric], rows, linestyle="none", marker="o", color=style.INK, markersize=2.6, clip_on=False)
        axes.set_xlim(0, 100 if metric == "iou" else max(1.04 * most, 0.1))
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.xaxis.get_major_locator().set_params(nbins=3, integer=True)
        axes.set_yticks(rows, [style.shortened(text, 10) for text in shown])
        for text in axes.get_yticklabels():
            text.set_parse_math(False)
        bare(axes, first, last, f"{CLASS_METRICS[metric]}, %")
        axes.tick_params(axis="y", labelsize=5.5)  # ten letters have the room of a number
        name(axes, label, notes[label])
    return figure
