"""Log lines: progress of long work, and libraries that log less."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

log = logging.getLogger(__name__)
INTERVAL = 10  # seconds between two lines
Item = TypeVar("Item")


@contextmanager
def quiet(*loggers: logging.Logger, level: int = logging.ERROR) -> Iterator[None]:
    """Discard messages of these loggers below `level`."""
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(level)
    try:
        yield
    finally:
        for logger, earlier in zip(loggers, levels, strict=True):
            logger.setLevel(earlier)


def with_progress(images: Iterable[Item], number: int) -> Iterator[Item]:
    """Yield the `number` images, with a log line every `INTERVAL` seconds."""
    started = logged = time.perf_counter()
    for count, image in enumerate(images, 1):
        yield image
        if (now := time.perf_counter()) - logged > INTERVAL:
            logged, left = now, (now - started) / count * (number - count)
            log.info("image %d/%d  %.1f images/s  %.0f s left", count, number, count / (now - started), left)


def epoch_line(name: str, row: Mapping[str, float], epochs: int, left: int) -> str:
    """Return the log line of an epoch.

    Args:
        row: values of `history.csv`. Accuracy and ECE are of the validation images.
        left: seconds until the end of the training.
    """
    alpha = "" if math.isnan(row["mean_alpha"]) else f"  alpha {row['mean_alpha']:.3f}"
    return (
        f"{name}  {row['epoch']:>{len(str(epochs))}}/{epochs}  loss {row['loss']:.3f}  "
        f"acc {row['val_accuracy']:.1%}  ECE {row['val_ece']:.2%}{alpha}  {left // 60}:{left % 60:02d} left"
    )
