"""Predictive entropy of images, in distribution against out of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from pipeline_src.analysis.facts import ROLES, Facts
from pipeline_src.figures import style
from pipeline_src.figures.types import DataFrame, Figure, FigureType, Painted, Picture, Results, Sources

ENTROPY_BINS = 35
HIGHEST_ENTROPY = math.log(2)  # of two classes, in nats


def pictures(facts: Facts) -> Iterator[Picture]:
    """One in every protocol where there are test sets in and out of distribution."""
    for protocol in facts.protocols if {"id", "ood"} <= set(facts.tests.values()) else ():
        title = "Entropy in and out of distribution"
        caption = f"Mean predictive entropy of the images in and out of distribution, {protocol} protocol."
        yield Picture(FIGURE, (protocol,), title, caption, protocol)


def paint(picture: Picture, results: Results, sources: Sources) -> Painted:
    """All methods, the images of all seeds."""
    facts, protocol = results.facts, picture.protocol
    table = prepare(
        {
            (method, role): np.concatenate(
                [results.measured(protocol, part)[method].image_means("entropy") for part in facts.parts_of([role])]
            )
            for method in facts.methods
            for role in ("id", "ood")
        }
    )
    how = [f"{protocol} protocol · images of all seeds", "strokes: medians · each row has its own scale"]
    lines = how + style.sets_by_role(facts)
    return Painted(draw(table, picture.title, lines), {"": table})


def prepare(entropies: Mapping[tuple[str, str], np.ndarray]) -> DataFrame:
    """Images by mean entropy of their pixels.

    Args:
        entropies: (method, role) -> (N,) nats per image, of all data sets of the role.

    Returns:
        a row per method, role and bin: `lower`, `upper` (nats), `images`, `share`, and the `median` of all images.
    """
    import pandas as pd

    most, tables = max([HIGHEST_ENTROPY, *(values.max() for values in entropies.values() if len(values))]), []
    for (method, role), values in entropies.items():
        counts, edges = np.histogram(values, bins=ENTROPY_BINS, range=(0, most))
        bins = pd.DataFrame({"lower": edges[:-1], "upper": edges[1:], "images": counts})
        bins.insert(0, "role", role)
        bins.insert(0, "method", method)
        median = float(np.median(values)) if len(values) else np.nan
        tables.append(bins.assign(share=counts / max(len(values), 1), median=median))
    return pd.concat(tables, ignore_index=True)


def draw(table: DataFrame, heading: str, lines: Sequence[str]) -> Figure:
    """Draw from `prepare`: per method a histogram upwards in distribution and one downwards out of it."""
    methods = table["method"].unique()
    step = 0.26 if len(methods) > 8 else 0.42
    high = step * len(methods) + 0.1
    figure, used = style.new_figure(high + 0.8, heading, lines)
    axes = style.place(figure, 1.3, used + 0.28, 2.05, high)
    for k, method in enumerate(methods):
        here = table[table["method"] == method]
        tallest = max(float(here["share"].max()), 1e-9)
        for role, sign in (("id", -1), ("ood", 1)):
            bins, colour = here[here["role"] == role], style.ROLE_STYLES[role]["color"]
            heights = k + sign * 0.46 * bins["share"] / tallest
            edges = [*bins["lower"], bins["upper"].iloc[-1]]
            axes.stairs(heights, edges, baseline=k, fill=True, color=colour, alpha=0.65)
            axes.plot([bins["median"].iloc[0]] * 2, [k, k + sign * 0.46], color=style.INK, linewidth=1.1)
    style.name_rows(axes, methods)
    axes.set_xlim(0, max(0.1, _end(table)))
    axes.grid(True, axis="x")
    axes.grid(False, axis="y")
    axes.set_xlabel("Mean entropy of an image's pixels, nats")
    keys = [(ROLES[role], style.ROLE_STYLES[role] | {"marker": "s"}) for role in ("id", "ood")]  # of areas
    style.key(figure, keys, 1.35, used + 0.14, 0.98)
    return figure


def _end(table: DataFrame) -> float:
    return float(table.loc[table["images"] > 0, "upper"].max()) if table["images"].any() else HIGHEST_ENTROPY


FIGURE = FigureType(
    "entropy",
    "Predictive entropy in and out of distribution",
    "Images by the mean entropy of their pixels: upwards those in distribution, downwards those out of it; the strokes "
    "are medians. Heights compare within a row, not between rows. A method that knows what it does not know has the "
    "images out of distribution, below the line, further to the right than those in distribution.",
    pictures,
    paint,
)
