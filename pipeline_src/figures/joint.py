"""The joint density of confidence and accuracy over images, as in the paper: a panel per method."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from pipeline_src.analysis.facts import Facts
from pipeline_src.figures import style
from pipeline_src.figures.bin_tables import LEAST
from pipeline_src.figures.panels import bare, name_panel, small_multiples, stacked
from pipeline_src.figures.types import DataFrame, Figure, FigureType, Painted, Picture, Results, Sources

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

STEP = 0.02  # side of a cell
SHADES = ("#dbe8f3", "#2f73b3", "#0b2340")


def pictures(facts: Facts) -> Iterator[Picture]:
    """One of every test set in every protocol."""
    for part, protocol in product(facts.tests, facts.protocols):
        title, wide = f"Confidence and accuracy of the images of {part}", style.is_wide(len(facts.methods))
        how = f"a panel per method, {protocol} protocol; {facts.networks_in_words()}"
        yield Picture(
            FIGURE, (protocol, part), title, f"{title}: their joint density, {how}.", protocol, part, wide=wide
        )


def paint(picture: Picture, results: Results, sources: Sources) -> Painted:
    """All methods, the images of all seeds."""
    facts, tables, notes = results.facts, {}, {}
    for method, one in results.measured(picture.protocol, picture.part).items():
        confidence, accuracy = one.image_means("confidence"), one.image_means("correct")
        tables[method] = prepare(confidence, accuracy)
        share = (confidence > accuracy).mean() if len(confidence) else np.nan
        notes[method] = f"{100 * share:.0f} % below"
    lines = [
        f"{style.size(picture, results)} · {facts.networks_in_words()}",
        "images by mean confidence and accuracy · share of them below the diagonal (over-confident)",
    ]
    return Painted(draw(tables, notes, picture.title, lines), {"": stacked(tables).drop(columns="density")})


def prepare(confidence: np.ndarray, accuracy: np.ndarray) -> DataFrame:
    """Images by mean confidence and accuracy of their pixels, a row per cell that holds any.

    Args:
        confidence, accuracy: (N,) of each image, in [0, 1].

    Returns:
        `confidence` and `accuracy`, the lower edges of a cell of side `STEP` (1 belongs to the last cell), `images` and
        `density`, their share per unit of area.
    """
    import pandas as pd

    cells = round(1 / STEP)
    at = [np.minimum((values * cells + 1e-9).astype(int), cells - 1) for values in (confidence, accuracy)]
    cell, images = np.unique(at[0] * cells + at[1], return_counts=True)
    table = pd.DataFrame({"confidence": cell // cells * STEP, "accuracy": cell % cells * STEP, "images": images})
    return table.round({"confidence": 6, "accuracy": 6}).assign(density=images / max(len(confidence), 1) / STEP**2)


def draw(tables: Mapping[str, DataFrame], notes: Mapping[str, str], heading: str, lines: Sequence[str]) -> Figure:
    """Draw the panels from `prepare`, by method; `notes` are its numbers in words."""
    import pandas as pd
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import LinearSegmentedColormap

    every, shades = pd.concat(tables.values()), LinearSegmentedColormap.from_list("shades", SHADES)
    least = min(float(np.floor(10 * every["confidence"].min()) / 10), LEAST) if len(every) else LEAST
    low = min(float(np.floor(10 * every["accuracy"].min()) / 10), LEAST) if len(every) else LEAST
    low_density, high_density = (every["density"].min(), every["density"].max()) if len(every) else (1, 1)
    span = np.log10(high_density / low_density) or 1.0
    figure, panels = small_multiples(len(tables), heading, lines, foot=0.25)
    for (method, table), (axes, first, last) in zip(tables.items(), panels, strict=True):
        # Squares, not an image: they stay sharp at any size. Shades are logarithmic, since one cell holds most images.
        corners = np.array([[0, 0], [0, STEP], [STEP, STEP], [STEP, 0]])
        squares = table[["confidence", "accuracy"]].to_numpy()[:, None] + corners
        colours = shades(np.log10(table["density"] / low_density) / span)
        axes.add_collection(PolyCollection(squares, facecolors=colours, linewidths=0))
        axes.plot([least, 1], [least, 1], color=style.INK, linewidth=0.8, linestyle=(0, (4, 2)))
        axes.set_xlim(least, 1)
        axes.set_ylim(low, 1)
        axes.set_xticks([least, (1 + least) / 2, 1], [f"{100 * least:.0f}", "", "100"])
        axes.set_yticks([low, (1 + low) / 2, 1], [f"{100 * low:.0f}", "", "100"])
        bare(axes, first, last, "Confidence, %", "Accuracy, %")
        name_panel(axes, method, notes[method], tables)
    if len(every):
        _key(figure, shades, low_density * STEP**2, high_density * STEP**2)
    return figure


def _key(figure: Figure, shades: Colormap, low: float, high: float) -> None:
    """The shades of the least and the largest share of a method's images in a cell."""
    x, wide, steps = 2.35, 0.6, 30
    y = figure.get_figheight() - 0.2
    style.write(figure, 0.1, y, "share of the images, log scale:")
    style.write(figure, x - 0.06, y, _share(low), ha="right")
    axes = style.place(figure, x, y - 0.05, wide, 0.1)
    axes.bar(np.arange(steps), 1, 1.02, align="edge", color=shades(np.arange(steps) / (steps - 1)))
    axes.set_xlim(0, steps)
    axes.set_ylim(0, 1)
    axes.axis("off")
    style.write(figure, x + wide + 0.06, y, _share(high))


def _share(value: float) -> str:
    return f"{100 * value:.2g} %" if value < 0.995 else "100 %"


FIGURE = FigureType(
    "joint",
    "Joint density of confidence and accuracy",
    "Images by the mean confidence and the accuracy of their pixels; darker cells hold a larger share of a "
    "method's images, on a logarithmic scale. Images below the diagonal are judged over-confidently.",
    pictures,
    paint,
)
