"""Calibration and overlap class by class: a panel per method, a row per class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from pipeline_src.analysis.facts import LIKE_ID, Facts
from pipeline_src.figures import style
from pipeline_src.figures.types import DataFrame, Figure, FigureType, Painted, Picture, Results, Sources, stacked

METRICS = {"ece": "ECE", "iou": "IoU"}  # of a single class, in the order of `Measurement.arrays["class_metrics"]`
MOST_ROWS = 24  # classes that fit into a column


def pictures(facts: Facts) -> Iterator[Picture]:
    """Yield one figure per test set and metric if the masks have several classes."""
    for part in facts.parts_of(LIKE_ID) if facts.class_names else ():
        for metric, label in METRICS.items():
            title, wide = f"{label} class by class on {part}", style.is_wide(len(facts.methods))
            yield Picture(FIGURE, (metric, part), title, f"{title}.", "raw", part, metric=metric, wide=wide)


def paint(picture: Picture, results: Results, sources: Sources) -> Painted:
    """All methods; the csv has all classes."""
    facts, metric = results.facts, picture.metric
    tables = {
        method: prepare(run.arrays["class_metrics"], facts.class_names)
        for method, run in results.measured(picture.protocol, picture.part).items()
    }
    first = next(iter(facts.methods))
    lines = [
        f"{style.size(picture, results)} · {style.averaged(facts)} · {style.error_bars(facts.seeds)} · gray: {first}"
    ]
    if len(facts.class_names) > MOST_ROWS:
        lines.append(f"the {MOST_ROWS} worst of {len(facts.class_names)} classes by the mean over methods")
    notes = {method: f"mean {style.percent(table[metric].mean(), 2)}" for method, table in tables.items()}
    return Painted(draw(tables, metric, notes, picture.title, lines), stacked(tables))


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
        notes: method -> the text below its name.
    """
    shown = drawn_classes(tables, metric)
    figure, panels = style.small_multiples(len(tables), heading, lines, inches=0.14 * len(shown) + 0.08)
    columns = [metric, f"{metric}_low", f"{metric}_high"]
    values_of = {method: 100 * table.set_index("class").loc[shown, columns] for method, table in tables.items()}
    reference = next(iter(values_of.values()))[metric]
    most = max(float(values.max(axis=None, skipna=True)) for values in values_of.values())
    rows = range(len(shown))
    for (method, values), (axes, first, last) in zip(values_of.items(), panels, strict=True):
        axes.plot(reference, rows, linestyle="none", marker="|", color=style.MUTED, markersize=6, clip_on=False)
        axes.hlines(rows, values[f"{metric}_low"], values[f"{metric}_high"], color=style.UNDER, linewidth=0.9)
        axes.plot(values[metric], rows, linestyle="none", marker="o", color=style.INK, markersize=2.6, clip_on=False)
        axes.set_xlim(0, 100 if metric == "iou" else max(1.04 * most, 0.1))
        axes.locator_params("x", nbins=3, integer=True)
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_yticks(rows, list(style.short_names(shown, 10).values()))
        for label in axes.get_yticklabels():
            label.set_parse_math(False)
        style.outer_labels(axes, first, last, f"{METRICS[metric]}, %")
        axes.tick_params(axis="y", labelsize=5.5)  # ten letters fit into the space of a number
        style.name_panel(axes, method, notes[method], tables)
    return figure


FIGURE = FigureType(
    "classes",
    "Class by class",
    "A panel per method, a row per class: the ECE of the class's probability, or its intersection over union (IoU). "
    "Gray marks are the first method's values.",
    pictures,
    paint,
)
