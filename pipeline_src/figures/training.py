"""Training curves, from history.csv of the runs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd


def prepare(histories: Sequence[pd.DataFrame], column: str) -> pd.DataFrame:
    """`epoch`, and the `mean`, `least` and `most` of a column over the seeds that have come so far.

    Args:
        histories: one table per seed as in history.csv.
    """
    together = pd.concat(histories).groupby("epoch")[column]
    table = together.agg(["mean", "min", "max"]).rename(columns={"min": "least", "max": "most"})
    return table.reset_index()
