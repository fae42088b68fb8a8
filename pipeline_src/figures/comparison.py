"""All methods on one data set: a small reliability diagram of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from pipeline_src.analysis.facts import Facts
from pipeline_src.figures import bin_tables, style
from pipeline_src.figures.panels import bare, name_panel, small_multiples, stacked
from pipeline_src.figures.types import DataFrame, Figure, FigureType, Painted, Picture, Results, Sources

FOOT = 0.2  # of the height of the accuracy axis, for the shares of pixels


def pictures(facts: Facts) -> Iterator[Picture]:
    """One of every data set in every protocol."""
    for part, protocol in product(facts.clean, facts.protocols):
        title = f"All methods on {part}"
        caption = f"{title}, {protocol} protocol, {facts.bins} bins; {facts.networks_in_words()}."
        caption += f" Bands: {style.whiskers(facts.seeds)}."
        wide = style.is_wide(len(facts.methods))
        yield Picture(FIGURE, (protocol, part), title, caption, protocol, part, wide=wide)


def paint(picture: Picture, results: Results, sources: Sources) -> Painted:
    """All panels on the same axes, with the first method's curve in each."""
    facts, protocol, part = results.facts, picture.protocol, picture.part
    every = bin_tables.reliability_tables(results, part)
    tables = {method: every[protocol, method] for method in facts.methods}
    ece = {method: results.estimate("ece", protocol, method, part).value for method in facts.methods}
    first = next(iter(facts.methods))
    figure = draw(
        tables,
        {method: f"ECE {style.percent(value, 2)}" for method, value in ece.items()},
        picture.title,
        [style.size(picture, results), *_how(facts, first)],
        bin_tables.corner_of_part(results, part)[1],
    )
    return Painted(figure, {"": stacked(tables)})


def _how(facts: Facts, first: str) -> list[str]:
    """What the numbers and the lines are of: errors of seeds of opposite sign cancel where pixels are pooled."""
    if len(facts.seeds) == 1:
        return [f"{facts.networks_in_words()} · {facts.bins} bins · grey line: {first}"]
    return [
        f"number: mean ECE of the networks of seeds {', '.join(map(str, facts.seeds))} · {facts.bins} bins",
        f"line: their pixels pooled, where errors of opposite sign cancel · grey line: {first}",
    ]


def draw(
    tables: Mapping[str, DataFrame], notes: Mapping[str, str], heading: str, lines: Sequence[str], floor: float
) -> Figure:
    """Draw the panels from their numbers.

    Args:
        tables: method -> table as `bin_tables.reliability_table`; the first is shown in all panels.
        notes: method -> its numbers in words.
        floor: lower end of the accuracy axis.
    """
    figure, panels = small_multiples(len(tables), heading, lines, ratio=1.15)
    least = bin_tables.least_of(list(tables.values()))
    reference = bin_tables.drawn_bins(next(iter(tables.values())))
    foot = FOOT * (1 - floor)
    for (method, table), (axes, first, last) in zip(tables.items(), panels, strict=True):
        bins = bin_tables.drawn_bins(table)
        axes.set_xlim(least, 1)
        axes.set_ylim(floor - foot, 1)
        axes.plot([least, 1], [least, 1], color=style.MUTED, linewidth=0.7, linestyle=(0, (4, 2)))
        axes.plot(reference["confidence"], reference["accuracy"], color=style.FAINT, linewidth=1.2)
        x, y = bins["confidence"], bins["accuracy"]
        for colour, where in ((style.OVER, x > y), (style.UNDER, x < y)):
            axes.fill_between(x, y, x, where=where, interpolate=True, color=colour, alpha=0.35, linewidth=0)
        axes.fill_between(x, bins["low"], bins["high"], color=style.INK, alpha=0.15, linewidth=0)
        axes.plot(x, y, color=style.INK, linewidth=1.1, marker="o", markersize=2.2, clip_on=False)
        left = bins["lower"].clip(lower=least)
        axes.bar(
            left,
            bins["share"] * foot * 0.8,
            bins["upper"] - left,
            floor - foot,
            align="edge",
            color=style.MUTED,
            edgecolor=style.PAPER,
            linewidth=min(0.4, 4 / len(table)),
        )
        axes.axhline(floor, color=style.GRID, linewidth=0.6)
        axes.set_xticks([least, (1 + least) / 2, 1], [f"{100 * x:.2g}" for x in (least, (1 + least) / 2)] + ["100"])
        axes.set_yticks([0.5, 0.75, 1] if floor else [0, 0.5, 1], ["50", "75", "100"] if floor else ["0", "50", "100"])
        bare(axes, first, last, "Confidence, %", "Accuracy, %")
        name_panel(axes, method, notes[method], tables)
    return figure


FIGURE = FigureType(
    "comparison",
    "Methods compared",
    "A small reliability diagram per method, all on the same axes: the line is the accuracy in each bin of confidence, "
    "its band the 95 % interval, of several seeds over training too, the tinted area its gap to the diagonal. The bars "
    "at the foot are the share of pixels per bin.",
    pictures,
    paint,
)
