"""What may happen to a file, and to a disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def flipped(file: Path) -> None:
    """A bit in the middle, where the weights are."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1000])


def written_into(file: Path, at: int = -1) -> None:
    """Another byte in the same file: size, inode and mtime are as before."""
    before, content = file.stat(), bytearray(file.read_bytes())
    content[at] ^= 1
    with open(file, "r+b") as opened:
        opened.write(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = file.stat()
    assert (after.st_size, after.st_ino, after.st_mtime_ns) == (before.st_size, before.st_ino, before.st_mtime_ns)


@contextmanager
def full_disk(after: int) -> Iterator[None]:
    """A disk that is full when so many files have been flushed to it."""
    flushed: list[object] = []

    def fsync(file: object) -> None:
        if len(flushed) == after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flushed.append(file)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        yield


class Trap:
    """Pickled, it would run code when it is read."""

    def __reduce__(self):
        return exec, ("raise SystemExit('the code of a file was run')",)
