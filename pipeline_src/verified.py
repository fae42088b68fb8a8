"""SHA-256 of files as they were last read. Files of unchanged size, times and inode are not read again.

The records may be removed at any time. After a clone or a pull there are none, and all files are read once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline_src.files import fault, sha256, state

READINGS = Path(".snakemake/verified")


def digests(folder: Path, names: Iterable[str], record: Path, again: bool = False) -> dict[str, str]:
    """Return the SHA-256 of those files in `folder` that exist, by name; for an unreadable file the reason.

    Args:
        record: file of the earlier digests.
        again: whether to read unchanged files again.
    """
    known, current = _read(record), dict[str, Any]()
    for name in names:
        with suppress(OSError):
            info = state(folder / name)
            unchanged = not again and known.get(name, [None])[0] == info
            current[name] = known[name] if unchanged else [info, fault(folder / name) or sha256(folder / name)]
    if current != known:
        _write(record, current)
    return {name: digest for name, (_, digest) in current.items()}


def _read(record: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        if isinstance(content := json.loads(record.read_bytes()), dict):
            return content
    return {}


def _write(record: Path, content: dict[str, Any]) -> None:
    """Write the record without a wait for the disk. Without a record, files are read again."""
    new = record.with_name(f"{record.name}.{os.getpid()}")
    with suppress(OSError):
        record.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(json.dumps(content), encoding="utf-8")
        os.replace(new, record)
