"""Calibration and overlap class by class: a panel per method, a row per class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from pipeline_src.analysis.facts import LIKE_ID, Facts
from pipeline_src.figures import style
from pipeline_src.figures.panels import bare, name_panel, small_multiples, stacked
from pipeline_src.figures.types import DataFrame, Figure, FigureType, Painted, Picture, Results, Sources

METRICS = {"ece": "ECE", "iou": "IoU"}  # of a single class, in the order of `Measurement.arrays["class_metrics"]`
MOST_ROWS = 24  # classes for whose names a column has room


def pictures(facts: Facts) -> Iterator[Picture]:
    """One of every test set and metric where there are several classes and images hold them."""
    for part in facts.parts_of(LIKE_ID) if facts.class_names else ():
        for metric, label in METRICS.items():
            title, wide = f"{label} class by class on {part}", style.is_wide(len(facts.methods))
            how = f"raw protocol, {facts.bins} bins; {style.averaged(facts)}; 95 % intervals over images or groups"
            caption = f"{title}, a panel per method, {how}."
            yield Picture(FIGURE, (metric, part), title, caption, "raw", part, metric=metric, wide=wide)


def paint(picture: Picture, results: Results, sources: Sources) -> Painted:
    """All methods, the csv with all classes."""
    facts, metric = results.facts, picture.metric
    tables = {
        method: prepare(one.arrays["class_metrics"], facts.class_names)
        for method, one in results.measured(picture.protocol, picture.part).items()
    }
    first = next(iter(facts.methods))
    over = f"95 % intervals over {style.units(results, [picture.part])}"
    how = f"{style.averaged(facts)} · strokes: {over} · grey: {first}"
    lines = [style.size(picture, results), how]
    left_out = len(facts.class_names) - MOST_ROWS
    if left_out > 0:
        lines.append(f"the {MOST_ROWS} worst classes by the mean over methods; the csv has the {left_out} others too")
    figure = draw(
        tables,
        metric,
        {m: f"mean {style.percent(table[metric].mean(), 2)}" for m, table in tables.items()},
        picture.title,
        lines,
    )
    return Painted(figure, {"": stacked(tables)})


def prepare(class_metrics: np.ndarray, class_names: Sequence[str]) -> DataFrame:
    """A row per class: `class`, its pixels' `ece` and `iou` as means over seeds, and the ends of their intervals
    (`ece_low`...; NaN where a resample lacks the class)."""
    import pandas as pd

    columns = [f"{metric}{end}" for metric in METRICS for end in ("", "_low", "_high")]
    table = pd.DataFrame(np.concatenate(class_metrics, axis=1), columns=columns)
    table.insert(0, "class", list(class_names))
    return table


def drawn_classes(tables: Mapping[str, DataFrame], metric: str) -> list[str]:
    """The classes to draw, in the order of the data set: all, or so many as `MOST_ROWS` that are least calibrated or
    worst segmented by the mean over methods."""
    mean = sum(table.set_index("class")[metric].fillna(0) for table in tables.values()) / len(tables)
    worst = mean.sort_values(ascending=metric == "iou", kind="stable").index[:MOST_ROWS]
    return [label for label in mean.index if label in worst]


def draw(
    tables: Mapping[str, DataFrame], metric: str, notes: Mapping[str, str], heading: str, lines: Sequence[str]
) -> Figure:
    """Draw the panels.

    Args:
        tables: method -> table as `prepare`; the first is shown in all panels.
        metric: of `METRICS`.
        notes: method -> its mean over classes in words.
    """
    shown = drawn_classes(tables, metric)
    figure, panels = small_multiples(len(tables), heading, lines, inches=0.14 * len(shown) + 0.08)
    of_metric = {
        method: 100 * table.set_index("class").loc[shown, [metric, f"{metric}_low", f"{metric}_high"]]
        for method, table in tables.items()
    }
    first_values = next(iter(of_metric.values()))[metric]
    most = max(float(values.max(axis=None, skipna=True)) for values in of_metric.values())
    rows = range(len(shown))
    for (method, values), (axes, first, last) in zip(of_metric.items(), panels, strict=True):
        axes.plot(first_values, rows, linestyle="none", marker="|", color=style.MUTED, markersize=6, clip_on=False)
        axes.hlines(rows, values[f"{metric}_low"], values[f"{metric}_high"], color=style.ACCENT, linewidth=0.9)
        axes.plot(values[metric], rows, linestyle="none", marker="o", color=style.INK, markersize=2.6, clip_on=False)
        axes.set_xlim(0, 100 if metric == "iou" else max(1.04 * most, 0.1))
        axes.locator_params("x", nbins=3, integer=True)
        style.name_rows(axes, shown, 10)
        bare(axes, first, last, f"{METRICS[metric]}, %")
        axes.tick_params(axis="y", labelsize=5.5)  # ten letters have the room of a number
        name_panel(axes, method, notes[method], tables)
    return figure


FIGURE = FigureType(
    "classes",
    "Class by class",
    "A panel per method, a row per class. ECE is that of the class's probability against whether a pixel is of the "
    "class; IoU is intersection over union. Grey strokes are the first method's values.",
    pictures,
    paint,
)
