"""What may happen to a file, and to a process that writes it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

MOMENTS = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree")  # as Python's audit names them


def flipped(file: Path) -> None:
    """A bit in the middle, where the weights are."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1000])


def is_killed(work: Callable[[], object], moment: int) -> bool:
    """Let a process do some work and kill it before its operation of that number on files and folders. False if it ends
    without so many."""
    if not (child := os.fork()):
        numbers = count()

        def kill(event: str, _: object) -> None:
            if event in MOMENTS and next(numbers) == moment:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(kill)
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)
