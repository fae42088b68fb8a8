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
    Drawn,
    Figure,
    FigureType,
    Folders,
    Picture,
    Results,
    stacked,
)

CELLS = 50  # number of cells of each axis, 2 % wide
EDGES = [cell / CELLS for cell in range(CELLS + 1)]
# Parts of a panel, as shares of its side: the density is a square at the lower left, with the
# marginal of confidence above it and that of accuracy on its right.
DENSITY = 0.8
MARGINAL_START = 0.83
MARGINAL_HEIGHT = 0.17


def pictures(facts: Facts) -> Iterator[Picture]:
    """Yield one figure per test set and protocol."""
    title = "Confidence and accuracy of the images of {split}"
    caption = "{title}: their joint density, {protocol}; {networks}."
    return FIGURE.by_dataset(facts, facts.tests, title, caption, panels=len(facts.methods))


def paint(picture: Picture, results: Results, folders: Folders) -> Drawn:
    """Draw a panel of each method, with the images of all seeds; return also the number of images
    by method and cell.
    """
    cells = {}
    for method, run in results.measured(picture.protocol, picture.split).items():
        # (2, seeds, N) -> (2, seeds * N): an image counts once for each seed.
        confidence, accuracy = run.arrays["image_means"].reshape(2, -1)
        cells[method] = image_cells(confidence, accuracy)
    lines = [
        f"{style.size(picture, results)} · {results.facts.networks_text()}",
        "an image counts with the means of its pixels; below the diagonal it is overconfident",
        "shades: number of images in a cell, logarithmic · above and right: the marginals",
    ]
    return draw(cells, picture.title, lines), stacked(cells)


def image_cells(confidence: np.ndarray, accuracy: np.ndarray) -> DataFrame:
    """Return a row per cell that holds images: the middles of its `confidence` and `accuracy`, and
    its number of `images`.

    Args:
        confidence, accuracy: (n,) means over the pixels of each image, in [0, 1]; images with NaN
            do not count.
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
    low = math.floor(10 * min(0.5, least)) / 10  # where both axes begin
    most = max(table["images"].max() for table in cells.values())
    for (method, table), panel in zip(cells.items(), panels, strict=True):
        color = style.METHOD_COLORS[style.color_number(method)]
        images = table["images"]
        axes = panel.axes.inset_axes((0, 0, DENSITY, DENSITY))
        axes.hist2d(
            table["confidence"],
            table["accuracy"],
            bins=EDGES,
            weights=images,
            cmin=1,  # empty cells are not drawn
            # From a faint tint of the method's color, for one image, to nearly black, for `most`.
            cmap=LinearSegmentedColormap.from_list("", [f"{color}50", color, style.INK]),
            norm=LogNorm(1, max(2, most)),
            rasterized=True,  # in SVG all cells would be drawn
        )
        axes.plot([low, 1], [low, 1], **style.DASHED)
        axes.set(xlim=(low, 1), ylim=(low, 1))
        axes.grid(visible=False)
        percent_ticks(axes, [low, (1 + low) / 2, 1])
        style.outer_labels(axes, panel, "Confidence, %", "Accuracy, %")
        # The marginal distributions.
        above = panel.axes.inset_axes((0, MARGINAL_START, DENSITY, MARGINAL_HEIGHT), sharex=axes)
        above.hist(table["confidence"], EDGES, weights=images, color=color)
        right = panel.axes.inset_axes((MARGINAL_START, 0, MARGINAL_HEIGHT, DENSITY), sharey=axes)
        right.hist(table["accuracy"], EDGES, weights=images, color=color, orientation="horizontal")
        for frame in (panel.axes, above, right):  # only the density keeps its axes
            frame.set_axis_off()
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
