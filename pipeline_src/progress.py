"""How far long work is: a line in the log now and then."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
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
