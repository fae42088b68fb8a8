"""Processes that work for a command and end with it, and locks between processes."""

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
POLL = 0.3  # seconds between two looks at a lock or a process
log = logging.getLogger(__name__)


@contextmanager
def alone(name: str, path: Path) -> Iterator[None]:
    """Hold the lock at `path` for the job or dataset `name`; wait while another process holds it.

    The lock of a process that is killed is released.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("%s is in work by another process; waiting for it", name)
        slurm_job = os.environ.get("SLURM_JOB_ID")
        # A waiting job of SLURM would hold its GPU. So SLURM is asked to end it, and to start it
        # again later.
        if slurm_job:
            with suppress(OSError):  # without the program scontrol the job waits
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
    """Return whether there is a process with this id, of any user."""
    try:
        os.kill(process, 0)  # signal 0 does nothing but check that the process exists
    except ProcessLookupError:
        return False
    except PermissionError:  # it exists, and belongs to another user
        pass
    return True


def _start_worker(owner: int) -> None:
    """Prepare a process of a pool: it ignores Ctrl-C, and ends when the process `owner` ends.

    Ctrl-C reaches all processes of a command; the owner reacts to it, and ends its workers.
    """
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
