"""What may happen to a file."""

from __future__ import annotations

import os
from pathlib import Path


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


class Trap:
    """Pickled, it would run code when it is read."""

    def __reduce__(self):
        return exec, ("raise SystemExit('the code of a file was run')",)
