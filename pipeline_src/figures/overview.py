"""Where the ECE of every method on every data set comes from: the signed share of each bin in it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from pipeline_src.analysis.facts import Facts
from pipeline_src.figures import bin_tables, style
from pipeline_src.figures.figure_types import Axes, DataFrame, Figure, FigureType, Painted, Picture, Results, Sources

LABEL_WIDTH, NUMBER_WIDTH, EDGE_WIDTH = 1.28, 0.34, 0.1  # inches


def pictures(facts: Facts) -> Iterator[Picture]:
    """One of all test sets in every protocol."""
    for protocol in facts.protocols if facts.tests else ():
        how = f"{protocol} protocol, {facts.bins} bins; {facts.networks_in_words()}"
        caption = f"What each bin of confidence adds to the ECE of each method on each test set, {how}."
        yield Picture(FIGURE, (protocol,), "Where the ECE comes from", caption, protocol, wide=True)


def paint(picture: Picture, results: Results, sources: Sources) -> Painted:
    """All methods on all test sets."""
    facts, protocol = results.facts, picture.protocol
    tables = {
        (method, part): bin_tables.reliability_tables(results, part)[protocol, method]
        for method in facts.methods
        for part in facts.tests
    }
    ece = {(method, part): results.estimate("ece", protocol, method, part).value for method, part in tables}
    table, least = prepare(tables, ece), bin_tables.least_of(list(tables.values()))
    lines = [f"{protocol} protocol · {facts.bins} bins · {facts.networks_in_words()}"]
    return Painted(draw(table, facts.methods, picture.title, lines, least), {"": table})


def prepare(tables: Mapping[tuple[str, str], DataFrame], ece: Mapping[tuple[str, str], float]) -> DataFrame:
    """A row per method, part and bin with pixels: `contribution` is share x (confidence - accuracy), whose absolute
    values sum to the ECE of the pixels of all seeds together; `ece` is that of the tables.

    Args:
        tables: (method, part) -> table as `bin_tables.reliability_table`.
        ece: (method, part) -> ECE, the mean over seeds.
    """
    import pandas as pd

    rows = []
    for (method, part), table in tables.items():
        bins = bin_tables.drawn_bins(table)[["lower", "upper", "share", "gap"]]
        contribution = bins["share"] * bins["gap"]
        rows.append(bins.assign(method=method, part=part, contribution=contribution, ece=ece[method, part]))
    columns = ["method", "part", "lower", "upper", "share", "gap", "contribution", "ece"]
    return pd.concat(rows, ignore_index=True)[columns]


def draw(table: DataFrame, methods: Collection[str], heading: str, lines: Sequence[str], least: float) -> Figure:
    """Draw the matrix from `prepare`.

    Args:
        methods: in the order of the rows.
        least: lower end of the confidence axis.
    """
    parts = list(dict.fromkeys(table["part"]))
    step = 0.26 if len(methods) > 8 else 0.36
    high = len(methods) * step
    figure, used = style.new_figure(0.36 + high + 0.62, heading, lines, style.WIDE)
    column = (style.WIDE - LABEL_WIDTH - EDGE_WIDTH) / len(parts)
    wide = min(column - NUMBER_WIDTH - 0.1, 1.6)
    for c, part in enumerate(parts):
        axes = style.place(figure, LABEL_WIDTH + c * column, used + 0.36, wide, high)
        _draw_set(axes, table[table["part"] == part], methods, least)
        axes.tick_params(labelleft=c == 0)
        title = style.shortened(part, int(column / 0.068), parts)
        axes.set_title(title, loc="left", fontsize=7, fontweight="bold", parse_math=False)
    foot = used + 0.36 + high + 0.42
    entries = [
        ("over-confident", {"marker": "s", "color": style.OVER}),
        ("under-confident", {"marker": "s", "color": style.UNDER}),
    ]
    style.key(figure, entries, 0.15, foot, 1.05)
    text = "by confidence in %, left to right · numbers: ECE in % · heights compare in a column"
    style.write(figure, 2.4, foot, text)
    return figure


def _draw_set(axes: Axes, table: DataFrame, methods: Collection[str], least: float) -> None:
    """The bars and numbers of a data set. A row is 1 high, downwards; its bars reach at most 0.45 from its middle."""
    rows = {method: k for k, method in enumerate(methods)}
    reach = max(float(table["contribution"].abs().max()), 1e-9)
    left = table["lower"].clip(lower=least)
    axes.bar(
        left,
        -0.45 * table["contribution"] / reach,
        table["upper"] - left,
        table["method"].map(rows),
        align="edge",
        color=np.where(table["contribution"] > 0, style.OVER, style.UNDER),
        linewidth=0,
    )
    axes.hlines(range(len(rows)), least, 1, color=style.MUTED, linewidth=0.6)
    axes.set_xlim(least, 1)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.set_xticks([least, 1], [f"{100 * least:.2g}", "100"], color=style.MUTED)
    axes.tick_params(bottom=False)
    for text, align in zip(axes.get_xticklabels(), ("left", "right"), strict=True):
        text.set_ha(align)
    style.name_rows(axes, methods)
    wide = axes.get_position().width * axes.figure.get_figwidth()  # inches
    for method, ece in table.groupby("method")["ece"].first().items():
        axes.text(1 + 0.05 * (1 - least) / wide, rows[method], f"{100 * ece:.2f}", va="center", fontsize=7)


FIGURE = FigureType(
    "overview",
    "Where the error comes from",
    "What each bin of confidence adds to the ECE: its share of pixels times confidence minus accuracy. Bars up are "
    "over-confident, bars down under-confident; together they are the ECE of all seeds' pixels. The number to their "
    "right is the ECE of the tables, the mean over seeds.",
    pictures,
    paint,
)
