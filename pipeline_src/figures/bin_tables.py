"""The bins of confidence that reliability diagrams show, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from pipeline_src.figures.types import Counts, DataFrame, Results

# A binary top label is never less confident than this, so the lower half of [0, 1] can hold no
# pixel.
LEAST = 0.5


@lru_cache(maxsize=16)  # small, and needed by several figures
def reliability_tables(results: Results, part: str) -> dict[tuple[str, str], DataFrame]:
    """Return `reliability_table` with its band for all methods on a dataset.

    Keys are (protocol, method).
    """
    facts = results.facts
    tables = {}
    for protocol in facts.protocols:
        for method, run in results.measured(protocol, part).items():
            band = run.arrays.get("accuracy_band")
            tables[protocol, method] = reliability_table(run.counts, facts.bins, band)
    return tables


def reliability_table(counts: Counts, bins: int, band: np.ndarray | None = None) -> DataFrame:
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
    import pandas as pd

    from pipeline_src.counting.score_histogram import top_label

    by_bin = top_label(counts).binned(bins)
    total = top_label(counts).binned(1)
    edges = np.arange(bins + 1) / bins
    pixels = np.append(by_bin.count, total.count)
    known = np.where(pixels > 0, pixels, np.nan)
    table = pd.DataFrame(
        {
            "bin": [*map(str, range(1, bins + 1)), "all"],
            "lower": np.append(edges[:-1], 0),
            "upper": np.append(edges[1:], 1),
            "pixels": pixels,
            "share": pixels / max(int(pixels[-1]), 1),
            "confidence": np.append(by_bin.score, total.score) / known,
            "accuracy": np.append(by_bin.hits, total.hits) / known,
        }
    )
    table["gap"] = table["confidence"] - table["accuracy"]
    table[["low", "high"]] = np.nan if band is None else band
    return table


def corner(tables: Sequence[DataFrame]) -> float:
    """Return where both axes of diagrams of `tables` begin: 0.5, 0.4 or 0.

    They share one range, so the diagonal has 45 degrees.
    """
    import pandas as pd

    drawn = pd.concat(map(drawn_bins, tables))
    lowest = drawn[["confidence", "accuracy", "low"]].min(axis=None)
    if lowest < 0.4:
        return 0.0
    return 0.4 if lowest < LEAST else LEAST


def drawn_bins(table: DataFrame) -> DataFrame:
    """Return the bins that a diagram shows.

    They are those with pixels, except one up to 0.5 with less than 0.1 % of them. That right-closed
    bin holds confidences of exactly 0.5 of two classes, which would only distract.
    """
    seen = (table["upper"] > LEAST) | (table["share"] >= 0.001)
    return table[(table["bin"] != "all") & (table["share"] > 0) & seen]
