"""SHA-256 of files as they were last read, so that what nothing has touched since is not read again.

Records may be removed at any time. After a clone or a pull there are none, and all files are read once.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from pipeline_src.files import fault, sha256, state

RECORDS = Path(".snakemake")  # among Snakemake's own, which may be removed at any time
READINGS = RECORDS / "verified"
TICK_NS = 20_000_000  # clocks of file systems stand still for 1 to 10 ms


class Reading(NamedTuple):
    """What was last read of a file.

    Attributes:
        state: `files.state`; empty where it could not be read.
        sha256: `hash_or_fault`.
        time: when it was read (UTC).
    """

    state: list[int]
    sha256: str
    time: str


def readings(folder: Path, names: Iterable[str], record: Path, again: bool = False) -> dict[str, Reading]:
    """What was read of the files in `folder` that are there, by name.

    Args:
        record: where it is kept.
        again: whether to read all of them, whatever is kept.
    """
    kept, current = _read(record), {}
    for name in names:
        if state := _state(folder / name):
            before = kept.get(name)
            current[name] = before if before and before.state == state and not again else _look(folder / name, state)
    if current != kept:
        _write(record, current)
    return current


def now() -> str:
    """The time, as stamps have it."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _state(file: Path) -> list[int] | None:
    try:
        return state(file)
    except OSError:
        return None


def _look(file: Path, state: list[int]) -> Reading:
    while 0 <= (age := time.time_ns() - max(state[1:3])) < TICK_NS:  # one more change would not show in its times
        time.sleep((TICK_NS - age) / 1e9)
    hashed = hash_or_fault(file)
    return Reading(state if is_hash(hashed) else [], hashed, now())


def hash_or_fault(file: Path) -> str:
    """64 hex digits of a file's bytes, or why they cannot be read."""
    try:
        return fault(file) or sha256(file)
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def is_hash(text: str) -> bool:
    """Whether `hash_or_fault` is of a file that was read."""
    return re.fullmatch("[0-9a-f]{64}", text) is not None


def _read(record: Path) -> dict[str, Reading]:
    try:
        return {name: Reading(*each) for name, each in json.loads(record.read_bytes()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _write(record: Path, files: dict[str, Reading]) -> None:
    """Put it in place at once, without waiting for the disk; where that can't be, files are read again next time."""
    new = record.with_name(f"{record.name}.{os.getpid()}")
    with suppress(OSError):
        record.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(json.dumps(files), encoding="utf-8")
        os.replace(new, record)
