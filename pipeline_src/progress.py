"""How far long work is: a line in the log now and then."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

log = logging.getLogger(__name__)
EVERY = 10  # seconds between lines
Item = TypeVar("Item")


def with_progress(images: Iterable[Item], number: int) -> Iterator[Item]:
    """The `number` images; short work logs nothing."""
    started = logged = time.perf_counter()
    for count, image in enumerate(images, 1):
        yield image
        if (now := time.perf_counter()) - logged > EVERY:
            logged, left = now, (now - started) / count * (number - count)
            log.info("image %d/%d  %.1f images/s  %.0f s left", count, number, count / (now - started), left)


def epoch_line(name: str, row: Mapping[str, float], epochs: int, left: int) -> str:
    """The line of an epoch, of at most 80 columns unless `name` is long.

    Args:
        row: values of `history.csv`. Accuracy and ECE are of the validation images.
        left: seconds until the end of the training.
    """
    alpha = "" if math.isnan(row["mean_alpha"]) else f"  alpha {row['mean_alpha']:.3f}"
    return (
        f"{name}  {row['epoch']:>{len(str(epochs))}}/{epochs}  loss {row['loss']:.3f}  "
        f"acc {row['val_accuracy']:.1%}  ECE {row['val_ece']:.2%}{alpha}  {left // 60}:{left % 60:02d} left"
    )
