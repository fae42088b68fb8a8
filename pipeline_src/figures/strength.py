"""ECE against the strength of static label perturbation: the figure of table T3."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from pipeline_src.analysis.facts import LIKE_ID, PROTOCOL_NAMES, Facts
from pipeline_src.figures import style
from pipeline_src.figures.types import DataFrame, Figure, FigureType, Folders, Picture, Results
from pipeline_src.metrics.registry import METRICS

MARKERS = "os^Dv<>P"
LEFT, BOTTOM, HEIGHT = 0.15, 0.45, 2.4  # of the axes: their left, as a share of the width; inches


def pictures(facts: Facts) -> Iterator[Picture]:
    """Yield one figure per test set in distribution and protocol, where the experiment has a grid."""
    for part, protocol in product(facts.parts_of(LIKE_ID), facts.protocols) if facts.static_grid else ():
        title = f"Strength of static perturbation on {part}"
        caption = f"{title}, {PROTOCOL_NAMES[protocol]}; error bars are 95 % confidence intervals."
        yield Picture(FIGURE, (protocol, part), title, caption, protocol, part)


def paint(picture: Picture, results: Results, folders: Folders) -> tuple[Figure, DataFrame]:
    """Draw the ECE of each entry of the grid, and of the baseline, which has the strength 0."""
    import pandas as pd

    facts = results.facts
    rows = []
    for method, (alpha, beta) in facts.static_grid.items():
        error = results.estimate("ece", picture.protocol, method, picture.part)
        rows.append((method, alpha, beta, facts.static[method], error.value, error.low, error.high))
    table = pd.DataFrame(rows, columns=["method", "alpha", "beta", "strength", "ece", "low", "high"])
    lines = [
        f"{style.size(picture, results)} · {style.averaged(facts)}",
        "s = 2 α β: twice the share that the expected label loses",
    ]
    figure = draw(table, picture.title, lines)
    if facts.baseline:
        error = results.estimate("ece", picture.protocol, facts.baseline, picture.part)
        figure.axes[0].axhline(METRICS["ece"].factor * error.value, label="baseline", **style.DASHED)
    figure.axes[0].legend(title="β")
    return figure, table


def draw(table: DataFrame, heading: str, lines: Sequence[str]) -> Figure:
    """Draw a curve per beta, in the order of the strength, from the table of `paint`."""
    figure, _ = style.new_figure(BOTTOM + HEIGHT, heading, lines)
    height = figure.get_figheight()
    axes = figure.add_axes((LEFT, BOTTOM / height, 0.97 - LEFT, (HEIGHT - 0.1) / height))
    for (beta, rows), marker in zip(table.groupby("beta"), MARKERS, strict=False):
        value, low, high = (METRICS["ece"].factor * rows[name] for name in ("ece", "low", "high"))
        look: dict[str, Any] = {"marker": marker, "markersize": 4, "capsize": 2, "label": f"{beta:.3g}"}
        axes.errorbar(rows["strength"], value, [value - low, high - value], linewidth=0.9, **look)
    axes.set(xlabel="Strength s", ylabel=METRICS["ece"].column)
    return figure


FIGURE = FigureType(
    "strength",
    "Strength of static perturbation",
    "ECE against the strength of static label perturbation, a curve per beta along alpha (table T3).",
    pictures,
    paint,
)
