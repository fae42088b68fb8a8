"""ECE against accuracy of all methods on one data set, with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from pipeline_src.analysis.facts import Facts
from pipeline_src.figures import style
from pipeline_src.figures.figure_types import FigureType, Painted, Picture, Sources

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from pipeline_src.analysis.estimate import Estimate
    from pipeline_src.analysis.results import Results

METRICS = ("ece", "accuracy")
LINE = 0.155  # inches between names


def pictures(facts: Facts) -> Iterator[Picture]:
    """One of every test set in every protocol."""
    for part, protocol in product(facts.tests, facts.protocols):
        how = f"{protocol} protocol, {facts.bins} bins; 95 % intervals"
        caption = f"ECE against accuracy of all methods on {part}, {how}."
        yield Picture(FIGURE, (protocol, part), f"ECE and accuracy on {part}", caption, protocol, part)


def paint(picture: Picture, results: Results, sources: Sources) -> Painted:
    """All methods, coloured by family."""
    facts = results.facts
    estimates = {
        (method, metric): results.estimate(metric, picture.protocol, method, picture.part)
        for method in facts.methods
        for metric in METRICS
    }
    table = prepare(estimates, {method: facts.family(method) for method in facts.methods})
    lines = [style.size(picture, results), "strokes: 95 % over images"]
    return Painted(draw(table, picture.title, lines), {"": table})


def prepare(estimates: Mapping[tuple[str, str], Estimate], families: Mapping[str, str]) -> pd.DataFrame:
    """A row per method: its family, and ECE and accuracy with the ends of their intervals.

    Args:
        estimates: by (method, metric).
        families: method -> key of `style.FAMILIES`; their order is that of the rows.
    """
    import pandas as pd

    rows = []
    for method, family in families.items():
        row: dict[str, object] = {"method": method, "family": family}
        for metric in METRICS:
            number = estimates[method, metric]
            row |= {metric: number.value, f"{metric}_low": number.low, f"{metric}_high": number.high}
        rows.append(row)
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame, heading: str, lines: Sequence[str]) -> Figure:
    """Draw from `prepare`; names stand at the right, in the order of accuracy, with a line to their point."""
    from matplotlib.lines import Line2D

    families = [name for name in style.FAMILIES if name in set(table["family"])]
    column = max(2.3, LINE * len(table))
    keys = -(-len(families) // 2) * 0.16
    figure, used = style.new_figure(column + 0.5 + keys + 0.1, heading, lines)
    axes = style.place(figure, 0.52, used + 0.06, 1.72, column)
    x, y = 100 * table["ece"], 100 * table["accuracy"]
    for k, row in table.iterrows():
        look = style.FAMILIES[row["family"]]
        thin = {"color": look["color"], "linewidth": 0.7, "alpha": 0.5}
        axes.plot([100 * row["ece_low"], 100 * row["ece_high"]], [y[k]] * 2, **thin)
        axes.plot([x[k]] * 2, [100 * row["accuracy_low"], 100 * row["accuracy_high"]], **thin)
        axes.plot([x[k]], [y[k]], **look, markersize=4.2, markeredgecolor=style.PAPER, markeredgewidth=0.5, zorder=5)
    axes.set_xlim(left=0)
    axes.margins(0.06)
    axes.grid(True, axis="both")
    axes.xaxis.get_major_locator().set_params(nbins=4)
    axes.set_xlabel("ECE, %  (less is better)")
    axes.set_ylabel("Accuracy, %  (more is better)")
    figure.canvas.draw()  # places are known only now
    whole = figure.get_figwidth(), figure.get_figheight()
    order = y.sort_values(ascending=False, kind="stable").index
    box = axes.get_window_extent()
    points = [axes.transData.transform((x[k], y[k]))[1] / figure.dpi for k in order]
    tops = spread(points, box.y0 / figure.dpi + LINE / 2, box.y1 / figure.dpi)
    for k, at in zip(order, tops, strict=True):
        point = axes.transData.transform((x[k], y[k])) / figure.dpi
        xs, ys = (point[0], 2.3, 2.4), (point[1], at, at)
        figure.add_artist(
            Line2D(
                [v / whole[0] for v in xs], [v / whole[1] for v in ys], color=style.CALIBRATED, linewidth=0.5, zorder=0
            )
        )
        colour = style.FAMILIES[table.loc[k, "family"]]["color"]
        name = style.shortened(table.loc[k, "method"], 19)
        style.write(figure, 2.43, whole[1] - at, name, fontsize=6.5, color=colour)
    for k, name in enumerate(families):
        style.key(figure, [(name, style.FAMILIES[name])], 0.2 + k % 2 * 1.7, used + column + 0.58 + k // 2 * 0.16, 1)
    return figure


def spread(heights: Sequence[float], low: float, high: float) -> np.ndarray:
    """Descending heights, moved little, so that neighbours are at least `LINE` apart and all lie in [low, high]."""
    from scipy.optimize import isotonic_regression

    below = LINE * np.arange(len(heights))
    moved = isotonic_regression(np.add(heights, below), increasing=False).x - below
    return np.maximum(np.minimum(moved, high - below), low + below[::-1])


FIGURE = FigureType(
    "tradeoff",
    "Calibration and accuracy",
    "ECE against accuracy, a point per method; the strokes are 95 % intervals. The best place is the upper left.",
    pictures,
    paint,
)
