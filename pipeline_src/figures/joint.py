"""The joint density of confidence and accuracy over images, as in the paper: a panel per method."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np

from pipeline_src.analysis.facts import PROTOCOL_NAMES, Facts
from pipeline_src.figures import style
from pipeline_src.figures.bin_tables import LEAST
from pipeline_src.figures.panels import name_panel, outer_labels, small_multiples, stacked
from pipeline_src.figures.types import DataFrame, Figure, FigureType, Painted, Picture, Results, Sources

STEP = 0.02  # side of a cell
SHADES = "Blues"  # from light to dark


def pictures(facts: Facts) -> Iterator[Picture]:
    """Yield one figure per test set and protocol."""
    for part, protocol in product(facts.tests, facts.protocols):
        title, wide = f"Confidence and accuracy of the images of {part}", style.is_wide(len(facts.methods))
        caption = f"{title}: their joint density, {PROTOCOL_NAMES[protocol]}; {facts.networks_in_words()}."
        yield Picture(FIGURE, (protocol, part), title, caption, protocol, part, wide=wide)


def paint(picture: Picture, results: Results, sources: Sources) -> Painted:
    """All methods, the images of all seeds."""
    facts, tables, notes = results.facts, {}, {}
    for method, run in results.measured(picture.protocol, picture.part).items():
        confidence, accuracy = run.image_means("confidence"), run.image_means("correct")
        tables[method] = prepare(confidence, accuracy)
        notes[method] = f"{100 * (confidence > accuracy).mean() if len(confidence) else np.nan:.0f} % below"
    lines = [
        f"{style.size(picture, results)} · {facts.networks_in_words()}",
        "below the diagonal: share of overconfident images",
    ]
    return Painted(draw(tables, notes, picture.title, lines), stacked(tables).drop(columns="density"))


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
    places = [np.minimum((values * cells + 1e-9).astype(int), cells - 1) for values in (confidence, accuracy)]
    cell, images = np.unique(places[0] * cells + places[1], return_counts=True)
    table = pd.DataFrame({"confidence": cell // cells * STEP, "accuracy": cell % cells * STEP, "images": images})
    return table.round({"confidence": 6, "accuracy": 6}).assign(density=images / max(len(confidence), 1) / STEP**2)


def draw(tables: Mapping[str, DataFrame], notes: Mapping[str, str], heading: str, lines: Sequence[str]) -> Figure:
    """Draw the panels from `prepare`, by method; `notes` are the texts below their names."""
    import pandas as pd
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import PercentFormatter

    cells = pd.concat(tables.values())
    share = cells["density"] * STEP**2
    # Shades are logarithmic, since one cell holds most images.
    norm = LogNorm(min(share.min(), share.max() / 10), share.max()) if len(cells) else LogNorm(0.01, 1)
    least, low = (_lower_end(cells[name].to_numpy()) for name in ("confidence", "accuracy"))
    figure, panels = small_multiples(len(tables), heading, lines, ratio=(1 - low) / (1 - least), foot=0.3)
    corners = np.array([[0, 0], [0, STEP], [STEP, STEP], [STEP, 0]])
    for (method, table), (axes, first, last) in zip(tables.items(), panels, strict=True):
        squares = table[["confidence", "accuracy"]].to_numpy()[:, None] + corners  # sharp at any size
        axes.add_collection(PolyCollection(squares, array=table["density"] * STEP**2, cmap=SHADES, norm=norm))
        axes.plot([0, 1], [0, 1], color=style.INK, linewidth=0.8, linestyle=(0, (4, 2)))
        for limits, ticks, end in ((axes.set_xlim, axes.set_xticks, least), (axes.set_ylim, axes.set_yticks, low)):
            limits(end, 1)
            ticks([end, (1 + end) / 2, 1], [f"{100 * end:.0f}", "", "100"])
        outer_labels(axes, first, last, "Confidence, %", "Accuracy, %")
        name_panel(axes, method, notes[method], tables)
    bar = style.place(figure, 0.52, figure.get_figheight() - 0.28, 1.2, 0.08)
    figure.colorbar(ScalarMappable(norm, colormaps[SHADES]), bar, orientation="horizontal", format=PercentFormatter(1))
    bar.minorticks_off()
    bar.tick_params(labelsize=6)
    style.write(figure, 1.8, figure.get_figheight() - 0.24, "of the images, log scale")
    return figure


def _lower_end(values: np.ndarray) -> float:
    """The end of an axis below all values: 0.5, or a lower tenth."""
    return min(LEAST, float(np.floor(10 * values.min()) / 10)) if len(values) else LEAST


FIGURE = FigureType(
    "joint",
    "Joint density of confidence and accuracy",
    "Images by the mean confidence and the accuracy of their pixels; darker cells hold a larger share of a method's "
    "images. The method is overconfident on images below the diagonal.",
    pictures,
    paint,
)
