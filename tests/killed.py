"""A process that is killed at a chosen moment, as `kill -9` does: nothing of it runs any more."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from itertools import count

MOMENTS = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree")  # as Python's audit names them


def is_killed(work: Callable[[], object], moment: int) -> bool:
    """Let a process do some work and kill it before its operation of that number on files and folders. False if it ends
    without so many."""
    if not (child := os.fork()):
        numbers = count()

        def hook(event: str, _: object) -> None:
            if event in MOMENTS and next(numbers) == moment:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)
