"""Locks: a result is made by one process at a time, on one machine or on several that share a file system."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLease, Timeout

from pipeline_src.errors import UserError

MISSING = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # of Lustre without `flock`, of NFS without its lock daemon
LEASE = 120.0  # seconds
POLL = 1.0  # seconds
log = logging.getLogger(__name__)


@contextmanager
def alone(name: str, path: Path, busy: UserError | None = None) -> Iterator[None]:
    """Hold the lock at `path`, for the job or data set `name`; say so if another process has it (the child of a killed
    engine, or a job with the same contract), and wait, or raise `busy` if that is given. Where nobody waits, nothing
    needs the lock's file to stay, and it is removed.

    Where the file system has no locks, a file beside `path` takes their place. Its owner renews it, and it counts for
    nothing when that has not been done for `LEASE` seconds: a machine that died holds up nobody for longer.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock = _taken(name, FileLock(path, fallback_to_soft=False), busy)
        while not path.exists():  # who held it removed it meanwhile
            lock.release()
            lock = _taken(name, lock, busy)
    except OSError as error:
        if error.errno not in MISSING:
            raise
        _warn(path.parent, error.strerror)
        lock = _taken(name, SoftFileLease(path.with_name(f"{path.name}.lease"), lease_duration=LEASE), busy)
    try:
        yield
    finally:
        if busy:
            path.unlink(missing_ok=True)
        lock.release()


def _taken(name: str, lock: BaseFileLock, busy: UserError | None) -> BaseFileLock:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if busy:
            raise busy from None
        log.info("%s is being made by another process; waiting for it", name)
        lock.acquire(poll_interval=POLL)
    return lock


@cache
def _warn(folder: Path, why: str) -> None:
    """Once for each folder."""
    log.warning(
        "%s/: the file system has no locks (%s). Files that are renewed take their place: what a machine was making "
        "when it died is free after %.0f s.",
        folder,
        why,
        LEASE,
    )
