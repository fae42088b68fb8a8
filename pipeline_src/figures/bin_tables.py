"""The bins of confidence that reliability diagrams show, as tables.

Snakemake imports this module at every start, to list the names of all figures. So slow imports
stand inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from pipeline_src.figures.types import Histogram, Results

# The least confidence in the top label of two classes. Bins below it have no pixels.
LEAST = 0.5


@lru_cache(maxsize=16)  # several figures need these small tables
def reliability_tables(results: Results, split: str) -> dict[tuple[str, str], np.recarray]:
    """Return the numbers of the reliability diagrams of all methods on a dataset: (protocol,
    method) -> a row per bin (`reliability_table`), with error bars.
    """
    facts = results.facts
    tables = {}
    for protocol in facts.protocols:
        for method, run in results.measured(protocol, split).items():
            band = run.arrays.get("accuracy_band")  # (bins + 1, 2), of the error bars
            tables[protocol, method] = reliability_table(run.histogram, facts.bins, band)
    return tables


def reliability_table(
    histogram: Histogram, bins: int, band: np.ndarray | None = None
) -> np.recarray:
    """Return the numbers of a reliability diagram.

    Args:
        band: (bins + 1, 2) confidence limits of the accuracy in each bin and over all pixels, if
            known.

    Returns:
        a row per right-closed bin: `bin`, its number from 1, `lower`, `upper`, `pixels`, `share`,
        mean `confidence` and `accuracy`, `gap` (positive where overconfident), NaN where the bin is
        empty, and `low` and `high`, the confidence limits of the accuracy. In the last row `bin` is
        "all", and the numbers cover all pixels.
    """
    from pipeline_src.counting.bins import top_label

    by_bin = top_label(histogram, bins)
    total = top_label(histogram, 1)
    edges = np.arange(bins + 1) / bins
    # Columns of the result: (bins,) values of the bins, then the one of all pixels.
    pixels = np.append(by_bin.count, total.count)
    divisor = np.where(pixels > 0, pixels, np.nan)
    confidence = np.append(by_bin.score, total.score) / divisor
    accuracy = np.append(by_bin.hits, total.hits) / divisor
    if band is None:
        band = np.full((bins + 1, 2), np.nan)
    columns = {
        "bin": np.array([*map(str, range(1, bins + 1)), "all"]),
        "lower": np.append(edges[:-1], 0),
        "upper": np.append(edges[1:], 1),
        "pixels": pixels,
        "share": pixels / max(int(pixels[-1]), 1),
        "confidence": confidence,
        "accuracy": accuracy,
        "gap": confidence - accuracy,
        "low": band[:, 0],
        "high": band[:, 1],
    }
    dtype = np.dtype([(name, column.dtype) for name, column in columns.items()])
    return np.rec.fromarrays(list(columns.values()), dtype=dtype)


def corner(tables: Sequence[np.recarray]) -> float:
    """Return the lower end of both axes for the reliability diagrams of `tables`: 0.5, 0.4 or 0.

    It is the largest of these that is not above any confidence, accuracy or error bar in the
    diagrams. Both axes have one range, so the diagonal has 45 degrees.
    """
    drawn = np.concatenate([drawn_bins(table) for table in tables])
    numbers = [drawn["confidence"], drawn["accuracy"], drawn["low"]]
    lowest = np.fmin.reduce(numbers, axis=None, initial=LEAST)  # the minimum; ignores NaN
    if lowest < 0.4:
        return 0.0
    return 0.4 if lowest < LEAST else LEAST


def drawn_bins(table: np.recarray) -> np.recarray:
    """Return the bins that a diagram shows.

    It shows all bins with pixels above a confidence of 0.5. It also shows those up to 0.5 if they
    hold 0.1 % of the pixels or more. With two classes, such bins can only hold the few pixels of a
    confidence of exactly 0.5, because bins are right-closed; a bar for these would distract.

    Args:
        table: a row per bin and one for all pixels (`reliability_table`).
    """
    up_to_half = table["upper"] <= LEAST
    seen = ~up_to_half | (table["share"][up_to_half].sum() >= 0.001)
    drawn: np.recarray = table[(table["bin"] != "all") & (table["share"] > 0) & seen]
    return drawn
