"""The bins of confidence that reliability diagrams show, as tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from pipeline_src.figures.types import Histogram, Results

# A binary top label is never less confident than this, so the lower half of [0, 1] can hold no
# pixel.
LEAST = 0.5
COLUMNS = [
    "bin",
    "lower",
    "upper",
    "pixels",
    "share",
    "confidence",
    "accuracy",
    "gap",
    "low",
    "high",
]


@lru_cache(maxsize=16)  # small, and needed by several figures
def reliability_tables(results: Results, part: str) -> dict[tuple[str, str], np.recarray]:
    """Return `reliability_table` with its band for all methods on a dataset, by (protocol, method)."""
    return {
        (protocol, method): reliability_table(
            run.histogram, results.facts.bins, run.arrays.get("accuracy_band")
        )
        for protocol in results.facts.protocols
        for method, run in results.measured(protocol, part).items()
    }


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

    binned = [top_label(histogram, number) for number in (bins, 1)]
    pixels, score, hits = (
        np.concatenate([getattr(cells, name) for cells in binned])
        for name in ("count", "score", "hits")
    )
    lower, upper = ([*np.arange(start, start + bins) / bins, start] for start in (0, 1))
    share = pixels / max(int(pixels[-1]), 1)
    n = np.where(pixels > 0, pixels, np.nan)
    confidence, accuracy = score / n, hits / n
    low, high = np.full((2, bins + 1), np.nan) if band is None else band.T
    names = np.array([*map(str, range(1, bins + 1)), "all"])
    columns = [
        names,
        lower,
        upper,
        pixels,
        share,
        confidence,
        accuracy,
        confidence - accuracy,
        low,
        high,
    ]
    table: np.recarray = np.rec.fromarrays(columns, names=COLUMNS)  # type: ignore[call-overload]
    return table


def corner(tables: Sequence[np.recarray]) -> float:
    """Return where both axes of diagrams of `tables` begin, 0.5, 0.4 or 0: one range gives a diagonal of 45 degrees."""
    drawn = [
        drawn_bins(table)[name] for table in tables for name in ("confidence", "accuracy", "low")
    ]
    lowest = min(
        (value for column in drawn for value in column if not math.isnan(value)), default=LEAST
    )
    return next((low for low in (LEAST, 0.4) if lowest >= low), 0.0)


def drawn_bins(table: np.recarray) -> np.recarray:
    """Return the bins that a diagram shows: those with pixels, except one up to 0.5 with less than
    0.1 % of them.

    That right-closed bin holds confidences of exactly 0.5 of two classes, which would only
    distract.
    """
    seen = (table["upper"] > LEAST) | (table["share"] >= 0.001)
    drawn: np.recarray = table[(table["bin"] != "all") & (table["share"] > 0) & seen]
    return drawn
