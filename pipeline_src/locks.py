"""Locks: a result is made by one process at a time. A lock ends with its process."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline_src.errors import UserError

log = logging.getLogger(__name__)
POLL = 0.5  # seconds


@contextmanager
def alone(name: str, path: Path, busy: UserError | None = None) -> Iterator[None]:
    """Hold the lock at `path`, for the job or data set `name`. Where another process has it, wait, or raise `busy` if
    that is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if busy:
            raise busy from None
        log.info("%s is being made by another process; waiting for it", name)
        lock.acquire(poll_interval=POLL)
    try:
        yield
    finally:
        if busy:
            path.unlink(missing_ok=True)
        lock.release()
