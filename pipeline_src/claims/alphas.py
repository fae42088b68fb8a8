"""C9: how far learned alphas differ between images, beyond the phase of their saw (docs/theory.md section 5).

Where alpha saws, an image's alpha after one epoch says mostly where in its saw it happens to be. Two windows of
epochs, each several periods long, are at unrelated phases: what the mean alphas of an image over the one and over the
other have in common is the image's own. Their covariance over images is the variance of that part, and the rest of
their variance is what phase alone gives. Images differ if that covariance is above 0 by its interval; how much is
another question, which the size answers. That they do not differ cannot be shown: windows that follow each other cut
a saw at opposite phases, which takes from the covariance (of images of one and the same saw it is a little below 0).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline_src.analysis.alphas import window
from pipeline_src.analysis.estimate import Estimate
from pipeline_src.analysis.intervals import NAN, interval
from pipeline_src.analysis.resampling import image_means, key_of
from pipeline_src.claims.evidence import ABOVE_ZERO, Evidence
from pipeline_src.claims.view import Items, View
from pipeline_src.metrics.metric import Quantity

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 15  # epochs: a window of 3, since the saw's correlation with itself is gone after 3 visits at beta = 1
SPREAD = Quantity(title="spread of alphas", unit="% of the mean alpha", factor=100, digits=1)


def differ(view: View, block: str, rivals: Sequence[str] = ()) -> Items:
    """The alphas of a method differ between images."""
    if not (tables := _tables(view, block)):
        yield view.missing(f"the run of {block}")
    elif (epochs := min(table.shape[1] for table in tables.values())) < FEWEST:
        yield view.missing(f"{FEWEST} epochs (there are {epochs})", "raise “training: epochs:”")
    else:
        yield spread(block, tables)


def read(file: Path) -> pd.DataFrame:
    """The alphas of a run by image (rows) and epoch."""
    import pandas as pd

    return pd.read_csv(file, dtype={"id": str}, index_col="id").sort_index()


def _tables(view: View, block: str) -> dict[int, pd.DataFrame]:
    """Seed -> alphas, of a block of `methods:`."""
    return {seed: table for (method, seed), table in view.alphas.items() if method == block}


def mean_levels(view: View) -> dict[str, float]:
    """Of each method that learns alphas, their mean over images, seeds and the last fifth of the epochs."""
    tables = {block: _tables(view, block) for block in view.facts.methods}
    ends = {block: [_means(table.to_numpy()).mean() for table in of.values()] for block, of in tables.items()}
    return {block: float(np.mean(means)) for block, means in ends.items() if means}


def spread(method: str, tables: Mapping[int, pd.DataFrame]) -> Evidence:
    """Standard deviation over the training images of their own part of alpha, as a share of the mean alpha.

    Args:
        tables: seed -> alphas by image (rows) and epoch. Over several seeds the shares are averaged, on the same
            resamples of the images.
    """
    shares, phases, lasts, resampled = {}, [], [], []
    for seed, table in sorted(tables.items()):
        before, last = (_means(table.to_numpy(), ago) for ago in (1, 0))
        moments = np.stack([before, last, before * last, before**2, last**2], axis=1)
        share, phase = shares_of(moments.mean(axis=0))
        shares[seed] = float(share)
        phases.append(phase)
        lasts.append(_share(table.iloc[:, -1].to_numpy()))
        resampled.append(shares_of(image_means(moments, key_of("train")))[0])
    mean = float(np.mean(list(shares.values())))
    effect = Estimate(shares, *(interval(mean, np.mean(resampled, axis=0), len(before)) or NAN))
    comparison = f"phase alone: {100 * np.mean(phases):.1f} %, the last alphas: {100 * np.mean(lasts):.1f} %"
    what = f"the images' own part of the spread of the alphas of {method} ({comparison})"
    return Evidence(what, {"train": len(before)}, effect, ABOVE_ZERO, SPREAD)


def _share(alphas: np.ndarray) -> float:
    """Standard deviation of alphas (N,) as a share of their mean; 0 without any."""
    return float(alphas.std() / (alphas.mean() or 1))


def _means(alphas: np.ndarray, ago: int = 0) -> np.ndarray:
    """(N,) means of alphas (N, epochs) over the last window of epochs, or over that so many windows `ago`."""
    return alphas[:, window(alphas.shape[1], ago)].mean(axis=1)


def shares_of(moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviations (...) of the images' own part and of the phase, as shares of the mean alpha; 0 without any.

    Args:
        moments: (..., 5) means over images of a, b, ab, a^2, b^2 for the mean alphas a and b over the two windows.
    """
    a, b, ab, aa, bb = np.moveaxis(moments, -1, 0)
    own, whole = ab - a * b, (aa - a**2 + bb - b**2) / 2
    mean = (a + b) / 2
    mean = np.where(mean > 0, mean, 1)
    return np.sqrt(np.maximum(own, 0)) / mean, np.sqrt(np.maximum(whole - own, 0)) / mean
