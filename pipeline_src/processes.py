"""Processes that work for a command."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context


@contextmanager
def pool(count: int) -> Iterator[Executor]:
    """Yield so many processes, which import what they work on; an error, Ctrl-C or SIGTERM here ends them at once.

    Not a multiprocessing.Pool, which waits for ever if a worker is killed.
    """
    quiet = (signal.SIGINT, signal.SIG_DFL)  # a terminal sends Ctrl-C to them too, and each would print a traceback
    workers = ProcessPoolExecutor(count, get_context("spawn"), initializer=signal.signal, initargs=quiet)
    try:
        yield workers
    except BaseException:
        for process in active_children():
            process.terminate()
        raise
    finally:
        workers.shutdown(cancel_futures=True)
