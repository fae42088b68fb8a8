"""The joint density of confidence and accuracy over images, as the released program draws it, with both marginals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from pipeline_src.analysis.facts import PROTOCOL_NAMES, Facts
from pipeline_src.figures import style
from pipeline_src.figures.reliability import percent_ticks
from pipeline_src.figures.types import Axes, DataFrame, Figure, FigureType, Folders, Picture, Results, stacked

CELLS = 50  # of each axis, 2 % wide
MAIN, GAP = 0.8, 0.03  # share of a panel that the density takes, and what separates it from the marginals
OTHER = 1 - MAIN - GAP


def pictures(facts: Facts) -> Iterator[Picture]:
    """Yield one figure per test set and protocol."""
    wide = style.is_wide(len(facts.methods))
    for part, protocol in product(facts.tests, facts.protocols):
        title = f"Confidence and accuracy of the images of {part}"
        caption = f"{title}: their joint density, {PROTOCOL_NAMES[protocol]}; {facts.networks_text()}."
        yield Picture(FIGURE, (protocol, part), title, caption, protocol, part, wide=wide)


def paint(picture: Picture, results: Results, folders: Folders) -> tuple[Figure, DataFrame]:
    """Draw a panel of each method, with the images of all seeds."""
    facts = results.facts
    densities = {}
    notes = {}
    for method, run in results.measured(picture.protocol, picture.part).items():
        confidence, accuracy = run.arrays["image_means"].reshape(2, -1)
        defined = ~np.isnan(confidence)
        densities[method] = joint_density(confidence[defined], accuracy[defined])
        notes[method] = f"{100 * (confidence > accuracy)[defined].mean():.0f} % overconfident"
    lines = [
        f"{style.size(picture, results)} · {facts.networks_text()}",
        "an image counts with the means of its pixels; below the diagonal it is overconfident",
        "shades: share of the images in a cell, logarithmic · above and right: the marginals",
    ]
    figure = draw(densities, notes, picture.title, lines)
    return figure, stacked({method: as_table(density) for method, density in densities.items()})


def joint_density(confidence: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
    """Return the share of the images in each cell of confidence (rows) and accuracy, (CELLS, CELLS); cells are closed
    on their left, the last ones on both sides.

    Args:
        confidence, accuracy: (n,) of each image, in [0, 1].
    """
    edges = np.arange(CELLS + 1) / CELLS
    number, _, _ = np.histogram2d(confidence, accuracy, bins=[edges, edges])
    return np.asarray(number / max(len(confidence), 1))


def as_table(density: np.ndarray) -> DataFrame:
    """Return a row per cell that holds images: the lower ends of its `confidence` and `accuracy`, and its `share`."""
    import pandas as pd

    rows, columns = np.nonzero(density)
    return pd.DataFrame({"confidence": rows / CELLS, "accuracy": columns / CELLS, "share": density[rows, columns]})


def draw(densities: Mapping[str, np.ndarray], notes: Mapping[str, str], heading: str, lines: Sequence[str]) -> Figure:
    """Draw a panel per method, all on the same axes and with the same shades.

    Args:
        densities: method -> `joint_density`.
        notes: method -> the text below its name.
    """
    figure, panels = style.small_multiples(len(densities), heading, lines)
    filled = np.sum(list(densities.values()), axis=0)
    low_x = _start(filled.sum(axis=1))
    low_y = _start(filled.sum(axis=0))
    most = max((density.max() for density in densities.values()), default=1) or 1
    for (method, density), (panel, first, last) in zip(densities.items(), panels, strict=True):
        color = style.METHOD_COLORS[style.color_number(method)]
        panel.set_axis_off()
        axes = panel.inset_axes((0, 0, MAIN, MAIN))
        _draw_density(axes, density, color, most)
        axes.plot([0, 1], [0, 1], **style.DASHED)
        axes.set_xlim(low_x, 1)
        axes.set_ylim(low_y, 1)
        percent_ticks(axes.set_xticks, [low_x, (1 + low_x) / 2, 1])
        percent_ticks(axes.set_yticks, [low_y, (1 + low_y) / 2, 1])
        style.outer_labels(axes, first, last, "Confidence, %", "Accuracy, %")
        places = (np.arange(CELLS) + 0.5) / CELLS
        look: dict[str, Any] = {"color": color, "linewidth": 0}
        above = panel.inset_axes((0, MAIN + GAP, MAIN, OTHER), sharex=axes)
        above.bar(places, density.sum(axis=1), 0.8 / CELLS, **look)
        right = panel.inset_axes((MAIN + GAP, 0, OTHER, MAIN), sharey=axes)
        right.barh(places, density.sum(axis=0), 0.8 / CELLS, **look)
        for marginal in (above, right):
            marginal.set_axis_off()
        style.name_panel(panel, method, notes[method], densities)
    return figure


def _draw_density(axes: Axes, density: np.ndarray, color: str, most: float) -> None:
    """Draw the cells that hold images in shades of a color, down to a hundredth of the share `most`."""
    from matplotlib.colors import LinearSegmentedColormap, LogNorm

    shades = LinearSegmentedColormap.from_list("", [color + "50", color, style.INK])
    edges = np.arange(CELLS + 1) / CELLS
    shown = np.where(density.T > 0, density.T, np.nan)
    axes.pcolormesh(edges, edges, shown, cmap=shades, norm=LogNorm(most / 100, most, clip=True), rasterized=True)
    axes.grid(visible=False)


def _start(marginal: np.ndarray) -> float:
    """Return where an axis begins: a tenth below all images, at most 0.5."""
    first = int(np.flatnonzero(marginal).min(initial=CELLS))
    return min(0.5, first * 10 // CELLS / 10)


FIGURE = FigureType(
    "joint",
    "Joint density of confidence and accuracy",
    "Images by the mean confidence and the accuracy of their pixels, a panel per method on the same axes; darker cells "
    "hold more images. Bars above and on the right are the marginal distributions. A method is overconfident on the "
    "images below the diagonal.",
    pictures,
    paint,
)
