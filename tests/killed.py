"""A process that is killed at a chosen moment, as `kill -9` does: nothing of it runs any more; or interrupted there."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from itertools import count

MOMENTS = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree")  # as Python's audit names them
ENDED, INTERRUPTED = 0, 3  # exit codes


def is_killed(work: Callable[[], object], moment: int) -> bool:
    """Let a process do some work and kill it before its operation of that number on files and folders. False if it ends
    without so many."""
    status = _status(work, moment, lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == ENDED
    return os.WIFSIGNALED(status)


def is_interrupted(work: Callable[[], object], moment: int, error: BaseException) -> bool:
    """Let a process do some work, in which an operation fails once."""
    reached = False

    def fail() -> None:
        nonlocal reached
        reached = True
        raise error

    def until_then() -> None:
        try:
            work()
        finally:
            if reached:
                os._exit(INTERRUPTED)

    status = _status(until_then, moment, fail)
    assert os.WIFEXITED(status) and os.WEXITSTATUS(status) in (ENDED, INTERRUPTED)
    return os.WEXITSTATUS(status) == INTERRUPTED


def _status(work: Callable[[], object], moment: int, then: Callable[[], None]) -> int:
    if not (child := os.fork()):
        numbers = count()

        def hook(event: str, _: object) -> None:
            if event in MOMENTS and next(numbers) == moment:
                then()

        sys.addaudithook(hook)
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(ENDED)
    return os.waitpid(child, 0)[1]
