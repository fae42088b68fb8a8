"""What may happen to a file."""

from __future__ import annotations

from pathlib import Path


def flipped(file: Path) -> None:
    """A bit in the middle, where the weights are."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1000])
