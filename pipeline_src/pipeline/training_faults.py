"""Warnings of runs that end without an error. Their code is in no fingerprint."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline_src.pipeline.job import Job

log = logging.getLogger(__name__)
LOW = 0.2  # validation accuracy below which masks may be inverted
LARGE = 1e3  # training loss of a diverged training


def warn_of_accuracy(job: Job, folder: Path) -> None:
    """Warn of inverted masks and of divergence, by the last epoch of the history in `folder`.

    Args:
        job: of the training.
    """
    import pandas as pd

    last = pd.read_csv(folder / "history.csv").iloc[-1]
    title = job.options["title"]
    accuracy = float(last["val_accuracy"])
    loss = float(last["loss"])
    if not loss < LARGE:  # also true of NaN
        log.warning(
            "%s: the training diverged: loss %.3g, validation accuracy %.1f %%",
            title,
            loss,
            100 * accuracy,
        )
    elif accuracy < LOW and job.parameters["classes"] == 2:
        log.warning(
            "%s: validation accuracy %.1f %%. Masks may be inverted.", title, 100 * accuracy
        )
