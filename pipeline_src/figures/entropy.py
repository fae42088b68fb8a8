"""Predictive entropy of images, in distribution against out of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from pipeline_src.analysis.facts import PROTOCOL_NAMES, ROLES, Facts
from pipeline_src.figures import style
from pipeline_src.figures.types import DataFrame, Figure, FigureType, Painted, Picture, Results, Sources

ENTROPY_BINS = 35
HIGHEST_ENTROPY = math.log(2)  # of two classes, in nats
ALPHA = 0.65  # of the areas, here and in the legend


def pictures(facts: Facts) -> Iterator[Picture]:
    """Yield one figure per protocol if the experiment has test sets in and out of distribution."""
    for protocol in facts.protocols if {"id", "ood"} <= set(facts.tests.values()) else ():
        caption = f"Mean predictive entropy of the images in and out of distribution, {PROTOCOL_NAMES[protocol]}."
        yield Picture(FIGURE, (protocol,), "Entropy in and out of distribution", caption, protocol)


def paint(picture: Picture, results: Results, sources: Sources) -> Painted:
    """All methods, the images of all seeds."""
    facts, protocol = results.facts, picture.protocol
    sets = {role: facts.parts_of([role]) for role in ("id", "ood")}
    entropies = {
        (method, role): np.concatenate(
            [results.measured(protocol, part)[method].image_means("entropy") for part in parts]
        )
        for method in facts.methods
        for role, parts in sets.items()
    }
    table = prepare(entropies)
    lines = [f"{PROTOCOL_NAMES[protocol]} · images of all seeds · lines: medians · each row has its own scale"]
    lines += [f"{ROLES[role]}: {', '.join(parts)}" for role, parts in sets.items()]
    return Painted(draw(table, picture.title, lines), {"": table})


def prepare(entropies: Mapping[tuple[str, str], np.ndarray]) -> DataFrame:
    """Images by mean entropy of their pixels.

    Args:
        entropies: (method, role) -> (N,) nats per image, of all datasets of the role.

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
    from matplotlib.patches import Patch

    methods = list(table["method"].unique())
    high = (0.26 if len(methods) > 8 else 0.42) * len(methods) + 0.1
    figure, used = style.new_figure(high + 0.8, heading, lines)
    axes = style.place(figure, 1.3, used + 0.28, 2.05, high)
    for k, method in enumerate(methods):
        of_method = table[table["method"] == method]
        tallest = max(float(of_method["share"].max()), 1e-9)
        for role, sign in (("id", -1), ("ood", 1)):
            bins = of_method[of_method["role"] == role]
            heights, edges = k + sign * 0.46 * bins["share"] / tallest, [*bins["lower"], bins["upper"].iloc[-1]]
            axes.stairs(heights, edges, baseline=k, fill=True, color=style.ROLE_COLORS[role], alpha=ALPHA)
            axes.plot([bins["median"].iloc[0]] * 2, [k, k + sign * 0.46], color=style.INK, linewidth=1.1)
    style.name_rows(axes, methods)
    filled = table.loc[table["images"] > 0, "upper"]
    axes.set_xlim(0, max(0.1, float(filled.max())) if len(filled) else HIGHEST_ENTROPY)
    axes.grid(True, axis="x")
    axes.grid(False, axis="y")
    axes.set_xlabel("Mean entropy of an image's pixels, nats")
    patches = [Patch(color=style.ROLE_COLORS[role], alpha=ALPHA, label=ROLES[role]) for role in ("id", "ood")]
    axes.legend(handles=patches, loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=2, handlelength=1)
    return figure


FIGURE = FigureType(
    "entropy",
    "Predictive entropy in and out of distribution",
    "Images by the mean entropy of their pixels: upwards in distribution, downwards out of it. Heights compare within "
    "a row. A method that recognizes unknown images has the lower histogram further to the right.",
    pictures,
    paint,
)
