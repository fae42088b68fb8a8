"""Selective prediction: the error among the most confident pixels, by how many of them are kept."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from pipeline_src.analysis.facts import PROTOCOL_NAMES, Facts
from pipeline_src.figures import style
from pipeline_src.figures.panels import draw_curves
from pipeline_src.figures.types import Counts, DataFrame, FigureType, Painted, Picture, Results, Sources

POINTS = 100


def pictures(facts: Facts) -> Iterator[Picture]:
    """Yield one figure per test set and protocol."""
    for part, protocol in product(facts.tests, facts.protocols):
        title, wide = f"Error by coverage on {part}", style.is_wide(len(facts.methods))
        caption = (
            f"Error among the most confident pixels of {part}, {PROTOCOL_NAMES[protocol]}; {facts.networks_in_words()}."
        )
        yield Picture(FIGURE, (protocol, part), title, caption, protocol, part, wide=wide)


def paint(picture: Picture, results: Results, sources: Sources) -> Painted:
    """All methods, in percent."""
    import pandas as pd

    measured = results.measured(picture.protocol, picture.part)
    tables = {method: prepare(run.counts) for method, run in measured.items()}
    risks = {method: table.set_index("coverage")["risk"] for method, table in tables.items()}
    shown = {method: table.rename(columns={"coverage": "x", "risk": "y"}) * 100 for method, table in tables.items()}
    notes = {m: f"mean {table['y'].mean():.2f} %" if len(table) else "no pixels" for m, table in shown.items()}
    top = max((float(table["y"].max()) for table in shown.values() if len(table)), default=1.0)
    lines = [f"{style.size(picture, results)} · {results.facts.networks_in_words()}"]
    y_range = (0, 1.04 * max(top, 0.01))
    figure = draw_curves(shown, notes, picture.title, lines, ("Pixels kept, %", "Error, %"), (0, 100), y_range)
    return Painted(figure, {"": pd.concat(risks, axis=1).reset_index(allow_duplicates=True)})


def prepare(counts: Counts) -> DataFrame:
    """`risk`, the share of wrong pixels among the share `coverage` of the most confident ones; both in [0, 1].

    Tied pixels are taken in equal parts. Empty without pixels.
    """
    import pandas as pd

    from pipeline_src.counting.score_histogram import top_label
    from pipeline_src.metrics.estimators import risk_coverage

    if not counts.pixels:
        return pd.DataFrame({"coverage": [], "risk": []})
    selected, errors = risk_coverage(top_label(counts).bins)
    coverage = np.arange(1, POINTS + 1) / POINTS
    number = coverage * selected[-1]
    return pd.DataFrame({"coverage": coverage, "risk": np.interp(number, selected, errors) / number})


FIGURE = FigureType(
    "risk",
    "Selective prediction",
    "The error among the most confident pixels over the share of pixels that is kept: lower is better. Faint curves "
    "are the other methods'; the number is the mean over all shares.",
    pictures,
    paint,
)
