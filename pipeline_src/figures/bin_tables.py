"""The bins of confidence that reliability diagrams show, as tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from pipeline_src.figures.types import Counts, DataFrame, Results

# A binary top label is never less confident than this, so the lower half of [0, 1] can hold no pixel.
LEAST = 0.5


@lru_cache(maxsize=16)  # small, and needed by several figures
def reliability_tables(results: Results, part: str) -> dict[tuple[str, str], DataFrame]:
    """`reliability_table` with its band for all methods on a dataset, by (protocol, method)."""
    return {
        (protocol, method): reliability_table(run.counts, results.facts.bins, run.arrays.get("accuracy_band"))
        for protocol in results.facts.protocols
        for method, run in results.measured(protocol, part).items()
    }


def reliability_table(counts: Counts, bins: int, band: np.ndarray | None = None) -> DataFrame:
    """Return the numbers of a reliability diagram.

    Args:
        band: (bins + 1, 2) confidence limits of the accuracy in each bin and over all pixels, if known.

    Returns:
        a row per right-closed bin: `bin`, its number from 1, `lower`, `upper`, `pixels`, `share`, mean `confidence`
        and `accuracy`, `gap` (positive where overconfident), NaN where the bin is empty, and `low` and `high`, the
        confidence limits of the accuracy. In the last row `bin` is "all", and the numbers cover all pixels.
    """
    import pandas as pd

    from pipeline_src.counting.score_histogram import top_label

    tables = []
    for number in (bins, 1):
        bins_of, edges = top_label(counts).binned(number), np.arange(number + 1) / number
        n = np.where(bins_of.count > 0, bins_of.count, np.nan)
        table = pd.DataFrame({"lower": edges[:-1], "upper": edges[1:], "pixels": bins_of.count})
        table["share"] = bins_of.count / max(int(bins_of.count.sum()), 1)
        table["confidence"], table["accuracy"] = bins_of.score / n, bins_of.hits / n
        table["gap"] = table["confidence"] - table["accuracy"]
        tables.append(table)
    table = pd.concat(tables, ignore_index=True)
    table.insert(0, "bin", [*map(str, range(1, bins + 1)), "all"])
    low, high = np.full((2, bins + 1), np.nan) if band is None else band.T
    return table.assign(low=low, high=high)


def isotonic_table(counts: Counts) -> DataFrame:
    """Return the isotonic regression of accuracy on the `confidence` of the top label: the ends of its blocks of equal
    `accuracy`, ascending; empty without pixels."""
    import pandas as pd

    from pipeline_src.counting.score_histogram import top_label
    from pipeline_src.metrics.estimators import recalibrated

    if not counts.pixels:
        return pd.DataFrame(columns=["confidence", "accuracy"], dtype=float)
    cells = top_label(counts).bins
    met, rate = recalibrated(cells)
    change = np.flatnonzero(np.diff(rate) > 0)
    ends = np.unique([0, *change, *(change + 1), len(rate) - 1])
    return pd.DataFrame({"confidence": (cells.score[met] / cells.count[met])[ends], "accuracy": rate[ends]})


@lru_cache(maxsize=16)
def corner_of_part(results: Results, part: str) -> float:
    """Return the common `corner` of all diagrams of a dataset, which makes them comparable."""
    return corner(list(reliability_tables(results, part).values()))


def corner(tables: Sequence[DataFrame]) -> float:
    """Return where both axes of diagrams of `tables` begin, 0.5, 0.4 or 0: one range gives a diagonal of 45 degrees."""
    columns = ["confidence", "accuracy", "low"]
    lowest = min((drawn_bins(table)[columns].min(axis=None) for table in tables), default=math.nan)
    return next((low for low in (LEAST, 0.4) if math.isnan(lowest) or lowest >= low), 0.0)


def drawn_bins(table: DataFrame) -> DataFrame:
    """The bins that a diagram shows: those with pixels, except a bin that ends at 0.5 with less than 0.1 % of them.

    That right-closed bin holds confidences of exactly 0.5 of two classes, which would only distract.
    """
    seen = (table["upper"] > LEAST) | (table["share"] >= 0.001)
    return table[(table["bin"] != "all") & (table["share"] > 0) & seen]
