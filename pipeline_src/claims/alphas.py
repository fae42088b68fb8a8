"""C9: how far learned alphas differ between images (docs/theory.md section 4).

Alpha, the probability that an image's label is perturbed, does not settle at beta > 0.5: it rises
by a small step at each visit of the image until it exceeds the target level, falls by several steps
at once, and rises again. Images do so at different phases. So alphas after one epoch differ between
images even if all images oscillate about the same level.

The claim is about this level, the image-specific part of alpha. Means over two consecutive windows
of epochs share the level but not the phase. So their covariance over images is the variance of the
levels. Without a difference of levels, it is 0 or slightly below: where the first window ends high
in an oscillation, the second begins low. The check can show that levels differ, not that they are
equal.
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
from pipeline_src.metrics.metric import NOT_NEGATIVE, Quantity

if TYPE_CHECKING:
    import pandas as pd

WINDOWS = 5  # windows of equal length, into which the epochs are cut; the last two are compared
# Epochs that the check needs: windows of 3. In shorter windows, images are at related phases, which
# makes the covariance of images of equal level clearly negative at beta = 1.
FEWEST_EPOCHS = 15
SPREAD = Quantity(title="spread of alphas", unit="% of the mean alpha", factor=100, digits=1)


def differ(view: View, entry: str) -> Items:
    """Check that the alphas of a method differ between images.

    The result is a `Missing` without a run of the method, or with fewer than `FEWEST_EPOCHS`.

    Args:
        view: the experiment, with the alphas of its runs (`View.alphas`).
        entry: the name of the method in `methods:` of params.yaml.
    """
    tables = {seed: table for (method, seed), table in view.alphas.items() if method == entry}
    if not tables:
        yield view.missing(f"the run of {entry}")
        return
    epochs = min(table.shape[1] for table in tables.values())
    if epochs < FEWEST_EPOCHS:
        yield view.missing(
            f"{FEWEST_EPOCHS} epochs (there are {epochs})", "raise “training: epochs:”"
        )
    else:
        yield spread(entry, tables)


def read_alphas(file: Path) -> pd.DataFrame:
    """Return the alphas of a run by image (rows) and epoch."""
    import pandas as pd

    return pd.read_csv(file, dtype={"id": str}, index_col="id").sort_index()


def spread(method: str, tables: Mapping[int, pd.DataFrame]) -> Evidence:
    """Return the evidence on the standard deviation over the training images of the image-specific
    part of alpha, as a share of the mean alpha. The claim wants it above 0.

    Args:
        method: its name in the experiment.
        tables: seed -> alphas by image (rows) and epoch. Shares are averaged over seeds, on the
            same resamples.
    """
    shares = {}
    resampled = []  # of each seed: the shares of all resamples
    for seed, table in sorted(tables.items()):
        alphas = table.to_numpy()  # by image and epoch
        length = max(1, alphas.shape[1] // WINDOWS)
        earlier = alphas[:, -2 * length : -length].mean(axis=1)
        last = alphas[:, -length:].mean(axis=1)
        # The covariance follows from the means over images of these columns, also on resamples.
        moments = np.stack([earlier, last, earlier * last], axis=1)
        shares[seed] = float(_shares(moments.mean(axis=0)))
        resampled.append(_shares(image_means(moments, key_of("train"))))
    images = len(earlier)
    mean = float(np.mean(list(shares.values())))
    # `interval` returns None where it is undefined.
    low, high = interval(mean, np.mean(resampled, axis=0), images) or NAN
    return Evidence(
        what=f"image-specific spread of the alphas of {method}",
        sets={"train": images},
        effect=Estimate(shares, low, high, units=images, range=NOT_NEGATIVE),
        target=ABOVE_ZERO,
        quantity=SPREAD,
    )


def _shares(moments: np.ndarray) -> np.ndarray:
    """Return the standard deviations (...) of the image-specific part, as shares of the mean alpha.

    They are 0 where the mean alpha or the covariance is not above 0.

    Args:
        moments: (..., 3) means over images of a, b and ab, where a and b are an image's mean alphas
            over the two windows.
    """
    a = moments[..., 0]
    b = moments[..., 1]
    covariance = moments[..., 2] - a * b
    mean = (a + b) / 2
    return np.sqrt(np.maximum(covariance, 0)) / np.where(mean > 0, mean, 1)
