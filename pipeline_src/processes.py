"""Processes that work for a command."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import active_children, get_context, parent_process


@contextmanager
def pool(count: int) -> Iterator[Executor]:
    """Yield so many processes, which import what they work on; an error, Ctrl-C or SIGTERM here ends them at once.

    Not a multiprocessing.Pool, which waits for ever if a worker is killed.
    """
    # A terminal sends Ctrl-C to them too, and each would print a traceback.
    interrupted = signal.SIG_IGN if signal.getsignal(signal.SIGINT) == signal.SIG_IGN else signal.SIG_DFL
    others = active_children()
    workers = ProcessPoolExecutor(
        count, get_context("spawn"), initializer=_start, initargs=(interrupted,)
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


def _start(interrupted: signal.Handlers) -> None:
    """What a worker does first: SIGINT is handled as `interrupted` says, and the worker ends with its command, be it by
    SIGKILL."""
    signal.signal(signal.SIGINT, interrupted)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := parent_process():
        parent.join()
        os._exit(1)


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
