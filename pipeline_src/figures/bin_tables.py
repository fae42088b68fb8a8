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
    """`reliability_table` with its band for all methods on a data set, by (protocol, method)."""
    return {
        (protocol, method): reliability_table(one.counts, results.facts.bins, one.arrays.get("accuracy_band"))
        for protocol in results.facts.protocols
        for method, one in results.measured(protocol, part).items()
    }


def reliability_table(counts: Counts, bins: int, band: np.ndarray | None = None) -> DataFrame:
    """The numbers of a diagram.

    Args:
        band: (bins + 1, 2) ends of the interval of the accuracy in each bin and of all pixels, if known.

    Returns:
        a row per bin, right-closed: `bin`, its number from 1, `lower`, `upper`, `pixels`, `share`, mean `confidence`
        and `accuracy`, `gap` (positive where over-confident), NaN where the bin is empty, and `low` and `high`, the
        ends of the accuracy's interval; in the last row `bin` is "all" and the others are of all pixels together.
    """
    import pandas as pd

    from pipeline_src.counting.score_histogram import top_label

    tables = []
    for number in (bins, 1):
        of, edges = top_label(counts).binned(number), np.arange(number + 1) / number
        n = np.where(of.count > 0, of.count, np.nan)
        table = pd.DataFrame({"lower": edges[:-1], "upper": edges[1:], "pixels": of.count})
        table["share"] = of.count / max(int(of.count.sum()), 1)
        table["confidence"], table["accuracy"] = of.score / n, of.hits / n
        table["gap"] = table["confidence"] - table["accuracy"]
        tables.append(table)
    table = pd.concat(tables, ignore_index=True)
    table.insert(0, "bin", [*map(str, range(1, bins + 1)), "all"])
    low, high = np.full((2, bins + 1), np.nan) if band is None else band.T
    return table.assign(low=low, high=high)


def isotonic_table(counts: Counts) -> DataFrame:
    """Isotonic regression of the accuracy on the `confidence` of the top label, ascending: ends of blocks of equal
    `accuracy`; empty without pixels."""
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
def corner_of_part(results: Results, part: str) -> tuple[float, float]:
    """The `corner` of all diagrams of a data set, so that they can be compared."""
    return corner(list(reliability_tables(results, part).values()))


def corner(tables: Sequence[DataFrame]) -> tuple[float, float]:
    """Lower ends of the axes of confidence and of accuracy that suit all `tables`: both 0.5 where no accuracy of two
    classes is lower."""
    lowest = min((drawn_bins(table)[["accuracy", "low"]].min(axis=None) for table in tables), default=1.0)
    least = least_of(tables)
    floors = (floor for floor in (least, 0.4) if math.isnan(lowest) or lowest >= floor + (floor < least) * 0.02)
    return least, next(floors, 0.0)


def least_of(tables: Sequence[DataFrame]) -> float:
    """Lower end of the confidence axis that suits all `tables`: 0.5, or a bin's edge below where there are more than
    two classes."""
    bins = [drawn_bins(table) for table in tables]
    return float(min([LEAST, *(lower for table in bins for lower in table.loc[table["confidence"] < LEAST, "lower"])]))


def drawn_bins(table: DataFrame) -> DataFrame:
    """The bins that a diagram shows: those with pixels, but not the few whose confidence is 0.5 to the last bit.

    These are alone in the right-closed bin that ends at 0.5, left of the axis; below 0.1 % they would only distract.
    """
    seen = (table["upper"] > LEAST) | (table["share"] >= 0.001)
    return table[(table["bin"] != "all") & (table["share"] > 0) & seen]
