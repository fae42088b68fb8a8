"""Manifests: the provenance record of each result, in its folder, and facts of this machine."""

from __future__ import annotations

import json
import os
import platform
import resource
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from pipeline_src.files import Content, sha256, write_text
from pipeline_src.pipeline.fingerprint import digest

STORE = Path("results/.store")
NAME = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """The provenance record of a result. Its file also has a `digest` of the whole record.

    Attributes:
        fingerprint: 16 hex digits for `ingredients`.
        ingredients: `kind`, `parameters`, `inputs` (role -> fingerprint), `code` (file -> digest),
            `files` (role -> digest of a file that counts by its content).
        files: name -> `size` in bytes and `sha256`. Files of `Job.depends_on` also have their
            `roles` there, the `seconds` that they took, and `kept` of the result that they were
            copied from.
        inputs: role -> `name` of the job and `digest` of the content that was read.
        made: `job`, `time` (UTC), `seconds`, whether it `resumed`, `machine`, `gpu`, peak `memory`
            in MiB, and `versions` of the libraries that it had loaded.
        kept: earlier fingerprints of the result, each with the reason (`why`) and `time` of `keep`.
    """

    fingerprint: str
    ingredients: Content
    files: Mapping[str, Content]
    inputs: Mapping[str, Content]
    made: Content
    kept: list[Content] = field(default_factory=list)

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        """Return the manifest in `folder`; None if there is none, or it is damaged."""
        try:
            info = (folder / NAME).stat()
        except OSError:
            return None
        return _parsed(folder / NAME, info.st_ino, info.st_mtime_ns, info.st_size)

    def write(self, folder: Path) -> None:
        """Write the manifest with its digest, whole or not at all."""
        content = asdict(self)
        write_text(
            folder / NAME, json.dumps(content | {"digest": digest(content)}, indent=1) + "\n"
        )

    @property
    def kept_records(self) -> list[Content]:
        """The records of `kept` of the result and of the files that were copied into it.

        Each tells that a user accepted a result under another fingerprint than the one that it was
        computed with, and why.
        """
        records = list(self.kept)
        for file in self.files.values():
            records += file.get("kept", [])
        return records

    @property
    def file_seconds(self) -> float:
        """The sum of the `seconds` of all files that record them, as those of an evaluation do.

        Files that were copied from an earlier result count with the seconds that they took there.
        """
        return float(sum(file.get("seconds", 0.0) for file in self.files.values()))

    def faults(self, folder: Path, names: Iterable[str] | None = None) -> list[str]:
        """Return a clause on each missing or damaged file in `folder`, among `names` or all."""
        found = []
        for name in self.files if names is None else names:
            file = folder / name
            if not file.is_file():
                found.append(f"{file} is missing")
            elif sha256(file) != self.files[name]["sha256"]:
                found.append(f"{file} is damaged")
        return found


@cache
def _parsed(file: Path, *state: int) -> Manifest | None:
    """Return the manifest in a file; None if it is damaged: unreadable, or of another digest.

    The result is cached, because many jobs share an input. `state` (inode, modification time and
    size) is part of the cache's key, so a changed file is read again.
    """
    try:
        content = json.loads(file.read_bytes())
        written = content.pop("digest", None)
        manifest = Manifest(**content)
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return manifest if written == digest(content) else None


def stored(kind: str) -> Iterator[tuple[Path, Manifest]]:
    """Yield the folders of all results of a kind in the store, with their manifests."""
    for file in sorted(STORE.glob(f"{kind}/[!.]*/{NAME}")):
        manifest = Manifest.read(file.parent)
        if manifest:
            yield file.parent, manifest


def now() -> str:
    """Return the current time in UTC as text, such as "2025-01-31 12:00 UTC"."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


# The machine


def peak_memory() -> int:
    """Return the peak memory of this process in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes on macOS, else in KiB
    return peak // (2**20 if sys.platform == "darwin" else 2**10)


def gpu() -> str:
    """Return the name of the GPU that torch uses in this process; empty if it uses none."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return ""
    return str(torch.cuda.get_device_name())


@cache
def processor() -> str:
    """Return the machine's architecture, the name of its processor and the number of its cores."""
    name = platform.processor()
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    system = f"{platform.system()} {platform.machine()}"
    return f"{system}, {name or 'unknown processor'}, {os.cpu_count()} cores"
