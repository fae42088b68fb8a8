"""Where the ECE of every method on every data set comes from: the signed share of each bin in it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from pipeline_src.analysis.facts import Facts
from pipeline_src.figures import bin_tables, style
from pipeline_src.figures.names import shortened
from pipeline_src.figures.types import Axes, DataFrame, Figure, FigureType, Painted, Picture, Results, Sources

LABEL_WIDTH, NUMBER_WIDTH, EDGE_WIDTH = 1.28, 0.34, 0.1  # inches
REACH = 0.45  # of a row's height: the longest bar of a column, up or down


def pictures(facts: Facts) -> Iterator[Picture]:
    """One of all test sets in every protocol."""
    for protocol in facts.protocols if facts.tests else ():
        how = f"{protocol} protocol, {facts.bins} bins; {style.averaged(facts)}"
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
    seeds = {(m, part): results.measured(protocol, part)[m].arrays["seed_bins"] for m, part in tables}
    table, least = prepare(tables, seeds, ece), bin_tables.least_of(list(tables.values()))
    lines = [f"{protocol} protocol · {facts.bins} bins · {style.averaged(facts)}"]
    return Painted(draw(table, facts.methods, picture.title, lines, least), {"": table})


def prepare(
    tables: Mapping[tuple[str, str], DataFrame],
    seeds: Mapping[tuple[str, str], np.ndarray],
    ece: Mapping[tuple[str, str], float],
) -> DataFrame:
    """A row per method, part and bin with pixels: `over` and `under`, means over seeds of share x (confidence -
    accuracy) where a seed is over- or under-confident in the bin. They sum to `ece`.

    Args:
        tables: (method, part) -> table as `bin_tables.reliability_table`.
        seeds: (method, part) -> (S, 3, bins) pixels, hits and excess of each seed.
        ece: (method, part) -> ECE, the mean over seeds.
    """
    import pandas as pd

    rows = []
    for (method, part), table in tables.items():
        bins = bin_tables.drawn_bins(table)[["lower", "upper", "share"]]
        pixels, _, excess = np.moveaxis(seeds[method, part], 1, 0)
        added = (excess / np.maximum(pixels.sum(axis=1, keepdims=True), 1))[:, bins.index]
        over, under = (np.maximum(sign * added, 0).mean(axis=0) for sign in (1, -1))
        rows.append(bins.assign(method=method, part=part, over=over, under=under, ece=ece[method, part]))
    columns = ["method", "part", "lower", "upper", "share", "over", "under", "ece"]
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
    figure, used = style.new_figure(0.36 + high + 0.86, heading, lines, style.WIDE)
    column = (style.WIDE - LABEL_WIDTH - EDGE_WIDTH) / len(parts)
    wide = min(column - NUMBER_WIDTH - 0.1, 1.6)
    for c, part in enumerate(parts):
        axes = style.place(figure, LABEL_WIDTH + c * column, used + 0.36, wide, high)
        of_set = table[table["part"] == part]
        reach = max(float(of_set[["over", "under"]].max(axis=None)), 1e-9)
        _draw_set(axes, of_set, methods, least, reach)
        _draw_scale(figure, LABEL_WIDTH + c * column, used + 0.36 + high + 0.34, step, reach)
        axes.tick_params(labelleft=c == 0)
        title = shortened(part, int(column / 0.068), parts)
        axes.set_title(title, loc="left", fontsize=7, fontweight="bold", parse_math=False)
    foot = used + 0.36 + high + 0.66
    entries = [
        ("over-confident", {"marker": "s", "color": style.OVER}),
        ("under-confident", {"marker": "s", "color": style.UNDER}),
    ]
    style.key(figure, entries, 0.15, foot, 1.05)
    text = "by confidence in %, left to right · numbers: ECE in % · below a column: its scale, in points"
    style.write(figure, 2.4, foot, text)
    return figure


def _draw_set(axes: Axes, table: DataFrame, methods: Collection[str], least: float, reach: float) -> None:
    """The bars and numbers of a data set. A row is 1 high, downwards; bars of `reach` end `REACH` from its middle."""
    rows = {method: k for k, method in enumerate(methods)}
    for name, towards, colour in (("over", -1, style.OVER), ("under", 1, style.UNDER)):
        shown = table[table[name] > 0]
        left, heights = shown["lower"].clip(lower=least), towards * REACH * shown[name] / reach
        middles = shown["method"].map(rows)
        axes.bar(left, heights, shown["upper"] - left, middles, align="edge", color=colour, linewidth=0)
    axes.hlines(range(len(rows)), least, 1, color=style.MUTED, linewidth=0.6)
    axes.set_xlim(least, 1)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.set_xticks([least, 1], [f"{100 * least:.2g}", "100"], color=style.MUTED)
    axes.tick_params(bottom=False)
    for text, align in zip(axes.get_xticklabels(), ("left", "right"), strict=True):
        text.set(ha=align)
    style.name_rows(axes, methods)
    wide = axes.get_position().width * axes.figure.figure.get_figwidth()  # inches
    for method, ece in table.groupby("method")["ece"].first().items():
        axes.text(1 + 0.05 * (1 - least) / wide, rows[method], f"{100 * ece:.2f}", va="center", fontsize=7)


def _draw_scale(figure: Figure, x: float, y: float, step: float, reach: float) -> None:
    """An upright line at `x`, `y` inches from the upper left corner, as long as a bar of a round number of points."""
    from matplotlib.lines import Line2D

    points = round_below(100 * reach)
    half = REACH * step * points / (100 * reach) / 2
    wide, high = figure.get_figwidth(), figure.get_figheight()
    at = x + 0.03
    ends = [1 - (y - half) / high, 1 - (y + half) / high]
    figure.add_artist(Line2D([at / wide] * 2, ends, color=style.INK, linewidth=1.6, solid_capstyle="butt"))
    style.write(figure, at + 0.05, y, f"{points:g} points" if reach > 1e-6 else "0", fontsize=6.5)


def round_below(number: float) -> float:
    """The largest of 1, 2 and 5 times powers of ten that is not above a positive number."""
    power = 10.0 ** math.floor(math.log10(number))
    return max(step * power for step in (1, 2, 5) if step * power <= number * (1 + 1e-9))


FIGURE = FigureType(
    "overview",
    "Where the error comes from",
    "What each bin of confidence adds to the ECE: its share of pixels times confidence minus accuracy. Bars up are "
    "over-confident, bars down under-confident; both are means over seeds, and together they are the ECE of the "
    "tables, the number to their right. Each column has a scale of its own, which the line below it shows.",
    pictures,
    paint,
)
