"""Processes that work for a command."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import active_children, get_context

OWNER = "DENSE_CALIBRATION_OWNER"  # the process id of the Snakemake that a job works for
POLL = 0.3  # seconds


def end_with_owner() -> None:
    """End this process and its children when the Snakemake that started it ends, even by SIGKILL."""
    if owner := os.environ.get(OWNER):
        _end_without(int(owner))


def _end_without(owner: int) -> None:
    """End this process group or process as soon as another process has ended."""

    def watch() -> None:
        while _is_alive(owner):
            time.sleep(POLL)
        for child in active_children():
            child.kill()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _start_worker(interrupted: signal.Handlers, owner: int) -> None:
    signal.signal(signal.SIGINT, interrupted)
    _end_without(owner)


@contextmanager
def pool(count: int) -> Iterator[Executor]:
    """Yield so many processes, which import what they work on; an error, Ctrl-C or SIGTERM here ends them at once.

    Not a multiprocessing.Pool, which waits for ever if a worker is killed.
    """
    # A terminal sends Ctrl-C to them too, and each would print a traceback.
    interrupted = signal.SIG_IGN if signal.getsignal(signal.SIGINT) == signal.SIG_IGN else signal.SIG_DFL
    others = active_children()
    workers = ProcessPoolExecutor(
        count, get_context("spawn"), initializer=_start_worker, initargs=(interrupted, os.getpid())
    )
    with _sigterm_as_interrupt():
        try:
            yield workers
        except BaseException:
            for process in active_children():
                if process not in others:
                    process.terminate()
            # A worker that ended within a result leaves the half of it, of which the end is awaited as long as this
            # process could write it itself.
            with suppress(AttributeError, OSError):
                workers._result_queue._writer.close()  # type: ignore[attr-defined]
            raise
        finally:
            workers.shutdown(cancel_futures=True)


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt at SIGTERM, which else would leave the workers behind."""
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
