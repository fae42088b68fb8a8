"""C9: how far learned alphas differ between images (docs/theory.md section 5).

An image's alpha after one epoch depends on the phase of its oscillation. Two windows of epochs,
each several periods long, are at unrelated phases: the covariance over images of the mean alphas
over both is the variance of the image-specific part, and the rest of their variance is that of the
phase. Consecutive windows cut an oscillation at opposite phases, so images of equal alpha give a
covariance of 0 or slightly below. The check cannot show equality.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline_src.analysis.estimate import Estimate
from pipeline_src.analysis.intervals import NAN, interval
from pipeline_src.analysis.resampling import image_means, key_of
from pipeline_src.claims.checks import View
from pipeline_src.claims.verdict import ABOVE_ZERO, Evidence, Items
from pipeline_src.metrics.metric import Quantity

if TYPE_CHECKING:
    import pandas as pd

WINDOWS = 5  # into which the epochs are cut
FEWEST = 15  # epochs: a window of 3, after which at beta = 1 the oscillation's autocorrelation is 0
SPREAD = Quantity(title="spread of alphas", unit="% of the mean alpha", factor=100, digits=1)


def differ(view: View, entry: str) -> Items:
    """Check that the alphas of a method differ between images.

    Args:
        entry: the name of the method in `methods:` of params.yaml.
    """
    tables = {}
    for (method, seed), table in view.alphas.items():
        if method == entry:
            tables[seed] = table
    if not tables:
        yield view.missing(f"the run of {entry}")
        return
    epochs = min(table.shape[1] for table in tables.values())
    if epochs < FEWEST:
        yield view.missing(f"{FEWEST} epochs (there are {epochs})", "raise “training: epochs:”")
    else:
        yield spread(entry, tables)


def read_alphas(file: Path) -> pd.DataFrame:
    """Return the alphas of a run by image (rows) and epoch."""
    import pandas as pd

    return pd.read_csv(file, dtype={"id": str}, index_col="id").sort_index()


def spread(method: str, tables: Mapping[int, pd.DataFrame]) -> Evidence:
    """Return the standard deviation over the training images of the image-specific part of alpha.

    It is a share of the mean alpha, tested to be above 0.

    Args:
        method: its name in the experiment.
        tables: seed -> alphas by image (rows) and epoch. Shares are averaged over seeds, on the
            same resamples.
    """
    shares = {}
    resampled = []
    for seed, table in sorted(tables.items()):
        earlier = _means(table, windows_ago=1)
        last = _means(table, windows_ago=0)
        # Means over images of these columns give the covariance, also on resamples.
        moments = np.stack([earlier, last, earlier * last], axis=1)
        shares[seed] = float(_shares(moments.mean(axis=0)))
        resampled.append(_shares(image_means(moments, key_of("train"))))
    images = len(earlier)
    mean = float(np.mean(list(shares.values())))
    low, high = interval(mean, np.mean(resampled, axis=0), images) or NAN  # None: no interval
    return Evidence(
        what=f"image-specific spread of the alphas of {method}",
        sets={"train": images},
        effect=Estimate(shares, low, high),
        target=ABOVE_ZERO,
        quantity=SPREAD,
    )


def _means(table: pd.DataFrame, windows_ago: int) -> np.ndarray:
    """Return the means (N,) of the alphas of N images over a window of epochs.

    Args:
        table: alphas by image (rows) and epoch.
        windows_ago: 0 for the last window, 1 for the one before it.
    """
    epochs = table.shape[1]
    length = max(1, epochs // WINDOWS)
    end = epochs - windows_ago * length
    means: np.ndarray = table.to_numpy()[:, end - length : end].mean(axis=1)
    return means


def _shares(moments: np.ndarray) -> np.ndarray:
    """Return the standard deviations (...) of the image-specific part, as shares of the mean alpha.

    They are 0 where the mean alpha is 0.

    Args:
        moments: (..., 3) means over images of a, b, ab for the mean alphas a and b over the two
            windows.
    """
    a = moments[..., 0]
    b = moments[..., 1]
    covariance = moments[..., 2] - a * b
    mean = (a + b) / 2
    shares: np.ndarray = np.sqrt(np.maximum(covariance, 0)) / np.where(mean > 0, mean, 1)
    return shares
