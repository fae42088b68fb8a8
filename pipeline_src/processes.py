"""Processes that work for a command, and locks between processes. A lock ends with its process."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import active_children, get_context
from pathlib import Path

from filelock import FileLock, Timeout

OWNER = "DENSE_CALIBRATION_OWNER"  # the process id of the Snakemake that a job works for
POLL = 0.3  # seconds
log = logging.getLogger(__name__)


@contextmanager
def alone(name: str, path: Path) -> Iterator[None]:
    """Hold the lock at `path` for the job or dataset `name`; wait if another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("%s is in work by another process; waiting for it", name)
        slurm_job = os.environ.get("SLURM_JOB_ID")
        if slurm_job:  # it would hold a GPU: SLURM ends it, and starts it again later
            with suppress(OSError):  # no scontrol here: it waits
                subprocess.run(["scontrol", "requeue", slurm_job], check=False)
        lock.acquire(poll_interval=POLL)
    try:
        yield
    finally:
        lock.release()


def end_with_owner() -> None:
    """End this process and its children when the Snakemake that started it ends."""
    if OWNER in os.environ:
        _end_without(int(os.environ[OWNER]))


def _end_without(owner: int) -> None:
    """Start a thread that ends this process and its children when the process `owner` is gone."""

    def watch() -> None:
        """Wait until the owner is gone, then end the children and this process."""
        while _is_alive(owner):
            time.sleep(POLL)
        for child in active_children():
            child.kill()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _is_alive(process: int) -> bool:
    """Return whether a process exists, of any user."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _start_worker(owner: int) -> None:
    """Prepare a process of a pool: its owner ends it, also after Ctrl-C, which workers get too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_without(owner)


@contextmanager
def pool(count: int) -> Iterator[Executor]:
    """Yield a pool of `count` spawned processes. An error or Ctrl-C ends them at once.

    A multiprocessing.Pool would wait forever for a worker that was killed.
    """
    workers = ProcessPoolExecutor(
        count, get_context("spawn"), initializer=_start_worker, initargs=(os.getpid(),)
    )
    try:
        yield workers
    except BaseException:
        for process in list((workers._processes or {}).values()):
            process.terminate()
        raise
    finally:
        workers.shutdown(cancel_futures=True)
