"""Warnings about training runs that end without an error but with a network that is of no use.

This code is in no fingerprint, so a change of it re-runs no training.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline_src.pipeline.job import Job

log = logging.getLogger(__name__)
LOW_ACCURACY = 0.2  # share of correct validation pixels, below which masks may be inverted
LARGE_LOSS = 1e3  # training loss, from which a training counts as diverged


def warn_of_accuracy(job: Job, folder: Path) -> None:
    """Log a warning if the training in `folder` diverged, or if the masks may be inverted.

    Both show in the last epoch of history.csv. With two classes, a network that learned from
    inverted masks is wrong on most pixels.

    Args:
        job: the job that trained.
    """
    import pandas as pd

    last = pd.read_csv(folder / "history.csv").iloc[-1]
    title = job.options["title"]
    accuracy = float(last["val_accuracy"])
    loss = float(last["loss"])
    if not loss < LARGE_LOSS:  # also true of NaN
        log.warning(
            "%s: the training diverged: loss %.3g, validation accuracy %.1f %%",
            title,
            loss,
            100 * accuracy,
        )
    elif accuracy < LOW_ACCURACY and job.parameters["classes"] == 2:
        log.warning(
            "%s: validation accuracy %.1f %%. Masks may be inverted.", title, 100 * accuracy
        )
