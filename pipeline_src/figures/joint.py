"""The joint density of confidence and accuracy over images, as in the paper: a panel per method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from pipeline_src.figures import style
from pipeline_src.figures.panels import bare, name, small_multiples
from pipeline_src.figures.reliability import LEAST

STEP = 0.02  # side of a cell
SHADES = LinearSegmentedColormap.from_list("shades", ["#dbe8f3", "#2f73b3", "#0b2340"])


def prepare(confidence: np.ndarray, accuracy: np.ndarray) -> pd.DataFrame:
    """Images by mean confidence and accuracy of their pixels, a row per cell that holds any.

    Args:
        confidence, accuracy: (N,) of each image, in [0, 1].

    Returns:
        `confidence` and `accuracy`, the lower edges of a cell of side `STEP` (1 belongs to the last cell), `images` and
        `density`, their share per unit of area.
    """
    cells = round(1 / STEP)
    at = [np.minimum((values * cells + 1e-9).astype(int), cells - 1) for values in (confidence, accuracy)]
    found, images = np.unique(at[0] * cells + at[1], return_counts=True)
    table = pd.DataFrame({"confidence": found // cells * STEP, "accuracy": found % cells * STEP, "images": images})
    return table.round({"confidence": 6, "accuracy": 6}).assign(density=images / max(len(confidence), 1) / STEP**2)


def draw(tables: Mapping[str, pd.DataFrame], notes: Mapping[str, str], heading: str, lines: Sequence[str]) -> Figure:
    """Draw the panels from `prepare`, by printed name of the method; `notes` are its numbers in words."""
    every = pd.concat(tables.values())
    least = min(float(np.floor(10 * every["confidence"].min()) / 10), LEAST) if len(every) else LEAST
    low = min(float(np.floor(10 * every["accuracy"].min()) / 10), LEAST) if len(every) else LEAST
    most = np.log10(max(every["images"].max(), 2)) if len(every) else 1
    figure, panels = small_multiples(len(tables), heading, lines)
    for (label, table), (axes, first, last) in zip(tables.items(), panels, strict=True):
        # Squares, not an image: they stay sharp at any size. Shades are logarithmic, since one cell holds most images.
        corners = np.array([[0, 0], [0, STEP], [STEP, STEP], [STEP, 0]])
        squares = table[["confidence", "accuracy"]].to_numpy()[:, None] + corners
        axes.add_collection(PolyCollection(squares, facecolors=SHADES(np.log10(table["images"]) / most), linewidths=0))
        axes.plot([least, 1], [least, 1], color=style.INK, linewidth=0.8, linestyle=(0, (4, 2)))
        axes.set_xlim(least, 1)
        axes.set_ylim(low, 1)
        axes.set_xticks([least, (1 + least) / 2, 1], [f"{least:g}", "", "1"])
        axes.set_yticks([low, (1 + low) / 2, 1], [f"{low:g}", "", "1"])
        bare(axes, first, last, "Confidence", "Accuracy")
        name(axes, label, notes[label])
    return figure
