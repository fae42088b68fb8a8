"""Selective prediction: the error among the most confident pixels, by how many of them are kept."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline_src.counting.counts import Counts
from pipeline_src.counting.views import top_label

POINTS = 100


def prepare(counts: Counts) -> pd.DataFrame:
    """`risk`, the share of wrong pixels among the share `coverage` of the most confident ones; both in [0, 1].

    Tied pixels are taken in equal parts. Empty without pixels.
    """
    view = top_label(counts)
    count, wrong = view.count[::-1], (view.count - view.hits)[::-1]
    there = count > 0
    if not there.any():
        return pd.DataFrame({"coverage": [], "risk": []})
    kept, errors = (np.concatenate([[0], np.cumsum(a[there])]).astype(float) for a in (count, wrong))
    coverage = np.arange(1, POINTS + 1) / POINTS
    pixels = coverage * kept[-1]
    return pd.DataFrame({"coverage": coverage, "risk": np.interp(pixels, kept, errors) / pixels})
