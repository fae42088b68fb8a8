"""Selective prediction: the error among the most confident pixels, by how many of them are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

import numpy as np

from pipeline_src.analysis.facts import Facts
from pipeline_src.figures import style
from pipeline_src.figures.panels import draw_curves
from pipeline_src.figures.types import Counts, DataFrame, FigureType, Painted, Picture, Results, Sources

POINTS = 100


def pictures(facts: Facts) -> Iterator[Picture]:
    """One of every test set in every protocol."""
    for part, protocol in product(facts.tests, facts.protocols):
        title, wide = f"Error by pixels kept on {part}", style.is_wide(len(facts.methods))
        how = f"a panel per method, {protocol} protocol; {facts.networks_in_words()}"
        caption = f"Error among the most confident pixels of {part}, {how}."
        yield Picture(FIGURE, (protocol, part), title, caption, protocol, part, wide=wide)


def paint(picture: Picture, results: Results, sources: Sources) -> Painted:
    """All methods, each in percent."""
    facts, measured = results.facts, results.measured(picture.protocol, picture.part)
    tables = {method: prepare(one.counts) for method, one in measured.items()}
    numbers = _side_by_side(tables)
    shown = {method: table.rename(columns={"coverage": "x", "risk": "y"}) * 100 for method, table in tables.items()}
    notes = {m: f"mean {table['y'].mean():.2f} %" if len(table) else "no pixels" for m, table in shown.items()}
    top = max((float(table["y"].max()) for table in shown.values() if len(table)), default=1.0)
    lines = [f"{style.size(picture, results)} · {facts.networks_in_words()}"]
    alike = {value for table in shown.values() for value in table["y"]}
    if alike in ({0.0}, {100.0}):
        words = "Every method is right on every pixel." if alike == {0.0} else "Every method is wrong on every pixel."
        return Painted(style.only_words(picture.title, [*lines, words]), {"": numbers})
    figure = draw_curves(
        shown, notes, picture.title, lines, ("Pixels kept, %", "Error, %"), (0, 100), (0, 1.04 * max(top, 0.01))
    )
    return Painted(figure, {"": numbers})


def prepare(counts: Counts) -> DataFrame:
    """`risk`, the share of wrong pixels among the share `coverage` of the most confident ones; both in [0, 1].

    Tied pixels are taken in equal parts. Empty without pixels.
    """
    import pandas as pd

    from pipeline_src.counting.score_histogram import top_label
    from pipeline_src.metrics.selective import cumulative

    if not counts.pixels:
        return pd.DataFrame({"coverage": [], "risk": []})
    kept, errors = cumulative(top_label(counts).bins)
    coverage = np.arange(1, POINTS + 1) / POINTS
    number = coverage * kept[-1]
    return pd.DataFrame({"coverage": coverage, "risk": np.interp(number, kept, errors) / number})


def _side_by_side(tables: Mapping[str, DataFrame]) -> DataFrame:
    """`coverage`, and the risk of each method in a column of its name."""
    import pandas as pd

    risks = {method: table.set_index("coverage")["risk"] for method, table in tables.items()}
    return pd.concat(risks, axis=1).reset_index(allow_duplicates=True)


FIGURE = FigureType(
    "risk",
    "Selective prediction",
    "The error among the most confident pixels, by the share of pixels that is kept: the lower, the better confidence "
    "tells right from wrong. The faint curves are the other methods'; the number is the mean over all shares.",
    pictures,
    paint,
)
