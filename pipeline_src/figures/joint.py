"""The joint density of confidence and accuracy over images, with both marginals.

The program that the paper's authors released draws the same figure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from pipeline_src.analysis.facts import Facts
from pipeline_src.figures import style
from pipeline_src.figures.reliability import percent_ticks
from pipeline_src.figures.types import (
    DataFrame,
    Figure,
    FigureType,
    Folders,
    Picture,
    Results,
    stacked,
)

CELLS = 50  # of each axis, 2 % wide
EDGES = [cell / CELLS for cell in range(CELLS + 1)]
# Shares of a panel: side of the density; begin and height of the marginals.
MAIN = 0.8
BEGIN = 0.83
REST = 0.17


def pictures(facts: Facts) -> Iterator[Picture]:
    """Yield one figure per test set and protocol."""
    title = "Confidence and accuracy of the images of {split}"
    caption = "{title}: their joint density, {protocol}; {networks}."
    return FIGURE.by_dataset(facts, facts.tests, title, caption, panels=len(facts.methods))


def paint(picture: Picture, results: Results, folders: Folders) -> tuple[Figure, DataFrame]:
    """Draw a panel of each method, with the images of all seeds; return also its numbers."""
    cells = {}
    for method, run in results.measured(picture.protocol, picture.split).items():
        confidence, accuracy = run.arrays["image_means"].reshape(2, -1)
        cells[method] = image_cells(confidence, accuracy)
    lines = [
        f"{style.size(picture, results)} · {results.facts.networks_text()}",
        "an image counts with the means of its pixels; below the diagonal it is overconfident",
        "shades: number of images in a cell, logarithmic · above and right: the marginals",
    ]
    return draw(cells, picture.title, lines), stacked(cells)


def image_cells(confidence: np.ndarray, accuracy: np.ndarray) -> DataFrame:
    """Return a row per cell that holds images.

    Its columns are the middles of its `confidence` and `accuracy`, and its `images`.

    Args:
        confidence, accuracy: (n,) of each image, in [0, 1]; images of NaN do not count.
    """
    import pandas as pd

    means = pd.DataFrame({"confidence": confidence, "accuracy": accuracy}).dropna()
    middles = (np.minimum(np.floor(means * CELLS), CELLS - 1) + 0.5) / CELLS  # 1 is in the last
    return middles.value_counts().sort_index().reset_index(name="images")


def draw(cells: Mapping[str, DataFrame], heading: str, lines: Sequence[str]) -> Figure:
    """Draw a panel per method, all on the same axes and with the same shades.

    Args:
        cells: method -> `image_cells`.
    """
    from matplotlib.colors import LinearSegmentedColormap, LogNorm

    figure, panels = style.small_multiples(dict.fromkeys(cells, ""), heading, lines)
    least = min(table[["confidence", "accuracy"]].min(axis=None) for table in cells.values())
    low = math.floor(10 * min(0.5, least)) / 10  # where the axes begin
    most = max(table["images"].max() for table in cells.values())
    for (method, table), panel in zip(cells.items(), panels, strict=True):
        color = style.METHOD_COLORS[style.color_number(method)]
        images = table["images"]
        axes = panel.axes.inset_axes((0, 0, MAIN, MAIN))
        axes.hist2d(
            table["confidence"],
            table["accuracy"],
            EDGES,
            weights=images,
            cmin=1,  # empty cells are not drawn
            cmap=LinearSegmentedColormap.from_list("", [f"{color}50", color, style.INK]),
            norm=LogNorm(1, max(2, most)),
            rasterized=True,  # in SVG all cells would be drawn
        )
        axes.plot([low, 1], [low, 1], **style.DASHED)
        axes.set(xlim=(low, 1), ylim=(low, 1))
        axes.grid(visible=False)
        percent_ticks(axes, [low, (1 + low) / 2, 1])
        style.outer_labels(axes, panel, "Confidence, %", "Accuracy, %")
        above = panel.axes.inset_axes((0, BEGIN, MAIN, REST), sharex=axes)
        above.hist(table["confidence"], EDGES, weights=images, color=color)
        right = panel.axes.inset_axes((BEGIN, 0, REST, MAIN), sharey=axes)
        right.hist(table["accuracy"], EDGES, weights=images, color=color, orientation="horizontal")
        for around in (panel.axes, above, right):
            around.set_axis_off()
    return figure


FIGURE = FigureType(
    "joint",
    "Joint density of confidence and accuracy",
    "Images by the mean confidence and the accuracy of their pixels, a panel per method on the "
    "same axes; darker cells hold more images. Bars above and on the right are the marginal "
    "distributions. A method is overconfident on the images below the diagonal.",
    pictures,
    paint,
)
