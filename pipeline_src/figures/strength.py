"""ECE against the strength of static label perturbation: the figure of table T3."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from pipeline_src.analysis.facts import LIKE_ID, PROTOCOL_NAMES, Facts
from pipeline_src.figures import style
from pipeline_src.figures.types import DataFrame, Figure, FigureType, Folders, Picture, Results

MARKERS = "os^Dv<>P"  # of each beta


def pictures(facts: Facts) -> Iterator[Picture]:
    """Yield one figure per test set in distribution and protocol, where the experiment has a grid."""
    for part, protocol in (
        product(facts.parts_of(LIKE_ID), facts.protocols) if facts.static_grid else ()
    ):
        title = f"Strength of static perturbation on {part}"
        caption = f"{title}, {PROTOCOL_NAMES[protocol]}; error bars are 95 % confidence intervals."
        yield Picture(FIGURE, (protocol, part), title, caption, protocol, part)


def paint(picture: Picture, results: Results, folders: Folders) -> tuple[Figure, DataFrame]:
    """Draw the ECE of each entry of the grid, a curve per beta."""
    import pandas as pd

    facts = results.facts
    rows = []
    for method, (alpha, beta) in facts.static_grid.items():
        error = results.estimate("ece", picture.protocol, method, picture.part)
        rows.append((method, alpha, beta, facts.static[method], error.value, error.low, error.high))
    table = pd.DataFrame(
        rows, columns=["method", "alpha", "beta", "strength", "ece", "low", "high"]
    )
    lines = [
        f"{style.size(picture, results)} · {style.averaged(facts)}",
        "s = 2 α β: twice the share that the expected label loses",
    ]
    figure, ((axes, _, _),) = style.small_multiples(1, picture.title, lines, ratio=0.7)
    for (beta, curve), marker in zip(table.groupby("beta"), MARKERS, strict=False):
        bars = [curve["ece"] - curve["low"], curve["high"] - curve["ece"]]
        axes.errorbar(
            curve["strength"],
            100 * curve["ece"],
            [100 * bar for bar in bars],
            marker=marker,
            label=f"β = {beta:.3g}",
        )
    if facts.baseline:
        error = results.estimate("ece", picture.protocol, facts.baseline, picture.part)
        axes.axhline(100 * error.value, label="baseline", **style.DASHED)
    axes.set(xlabel="Strength s", ylabel="ECE, %")
    axes.legend()
    return figure, table


FIGURE = FigureType(
    "strength",
    "Strength of static perturbation",
    "ECE against the strength of static label perturbation, a curve per beta along alpha (table T3).",
    pictures,
    paint,
)
