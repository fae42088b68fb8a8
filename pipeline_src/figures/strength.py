"""ECE against the strength of static label perturbation: the figure of table T3."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle

from pipeline_src.analysis.facts import LIKE_ID, Facts
from pipeline_src.figures import style
from pipeline_src.figures.types import Drawn, FigureType, Folders, Picture, Results

MARKERS = "os^Dv<>P"  # of matplotlib, one for each beta; repeated if there are more


def pictures(facts: Facts) -> Iterator[Picture]:
    """Yield one figure per test set in distribution and protocol, if the experiment has a grid of
    static label perturbation (SLP) over alpha and beta.
    """
    splits = facts.splits_of(LIKE_ID) if facts.static_grid else []
    title = "Strength of static perturbation on {split}"
    caption = "{title}, {protocol}; error bars are 95 % confidence intervals."
    return FIGURE.by_dataset(facts, splits, title, caption, panels=1)


def paint(picture: Picture, results: Results, folders: Folders) -> Drawn:
    """Draw the ECE of each entry of the grid against its strength s, a curve per beta; return also
    the numbers behind it.

    An entry perturbs the mask of an image with probability alpha, by an amount beta.
    """
    import pandas as pd

    facts = results.facts
    rows = []
    for method, (alpha, beta) in facts.static_grid.items():
        ece = results.estimate("ece", picture.protocol, method, picture.split)
        rows.append((method, alpha, beta, facts.static[method], ece.value, ece.low, ece.high))
    columns = ["method", "alpha", "beta", "strength", "ece", "low", "high"]
    table = pd.DataFrame(rows, columns=columns)
    lines = [
        f"{style.size(picture, results)} · {facts.networks_text(style.MEANS)}",
        "s = 2 α β: twice the share that the expected label loses",
    ]
    figure, (panel,) = style.small_multiples({"": ""}, picture.title, lines, ratio=0.7)
    for (beta, curve), marker in zip(table.groupby("beta"), cycle(MARKERS), strict=False):
        values = curve["ece"]
        panel.axes.errorbar(
            curve["strength"],
            100 * values,
            [100 * (values - curve["low"]), 100 * (curve["high"] - values)],
            marker=marker,
            label=f"β = {beta:.3g}",
        )
    if facts.baseline:
        ece = results.estimate("ece", picture.protocol, facts.baseline, picture.split)
        panel.axes.axhline(100 * ece.value, label="baseline", **style.DASHED)
    panel.axes.set(xlabel="Strength s", ylabel="ECE, %")
    panel.axes.legend()
    return figure, table


FIGURE = FigureType(
    "strength",
    "Strength of static perturbation",
    "ECE against the strength of static label perturbation, a curve per beta along alpha "
    "(table T3).",
    pictures,
    paint,
)
