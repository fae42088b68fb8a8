"""Stamps: the small files that say what a result was made from, and vouch for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from pipeline_src import verified
from pipeline_src.files import write_text

PARTS = {"kind", "parameters", "inputs", "code", "files", "job", "folder", "time"}  # of `ingredients` and `made`


class Fault(NamedTuple):
    """A file that is not what a stamp vouches for: its SHA-256, empty if it is missing, and the expected one."""

    file: Path
    actual: str
    expected: str

    def __str__(self) -> str:
        return f"{self.file.name} is missing" if self.missing else f"{self.file.name} was changed"

    @property
    def message(self) -> str:
        """All that is known of it."""
        return f"{self.file} is not as it was made: sha256 {self.actual or 'of no file'}, expected {self.expected}"

    @property
    def missing(self) -> bool:
        return not self.actual


@dataclass(frozen=True)
class Stamp:
    """What is known of a result.

    Attributes:
        ingredients: what its contract is the hash of.
        details: what explains the ingredients: `code`, a digest per file, and `inputs`, the name of the job per role.
        files: name -> `size` in bytes and `sha256`.
        made: by which `job`, in which `folder`, at what `time` (UTC), in how many `seconds`, with what `memory` (MB);
            `read` is the content of each input then, by role (`Job.content`); `versions` those of the libraries that
            it had loaded. Stamps of former versions of this program lack the last two.
        adopted: contracts under which it was made, each with the reason (`why`) and `time` for which another took its
            place; the oldest first.
    """

    ingredients: Mapping[str, Any]
    details: Mapping[str, Mapping[str, str]]
    files: Mapping[str, Mapping[str, Any]]
    made: Mapping[str, Any] = field(default_factory=dict)
    adopted: list[Mapping[str, str]] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Stamp | None:
        """The stamp at `path`; None if there is none, or one that is damaged or that an older version of this program
        wrote."""
        try:
            info = path.stat()
        except OSError:
            return None
        return _parsed(path, info.st_ino, info.st_mtime_ns, info.st_size)

    def write(self, path: Path) -> None:
        """Write it atomically."""
        write_text(path, json.dumps(asdict(self), indent=1) + "\n")

    def faults(self, folder: Path, record: Path, again: bool = False) -> list[Fault]:
        """The files in `folder` that are not as they were made. Those are read that have changed since they were read
        last, of which `record` knows (`verified`), or all of them `again`."""
        readings = verified.readings(folder, self.files, record, again)
        actual = {name: readings[name].sha256 if name in readings else "" for name in self.files}
        return [
            Fault(folder / name, actual[name], of["sha256"])
            for name, of in self.files.items()
            if actual[name] != of["sha256"]
        ]

    def is_whole(self, folder: Path) -> bool:
        """Whether all files are in `folder`, in their sizes."""
        return all(_size(folder / name) == of["size"] for name, of in self.files.items())


@cache
def _parsed(path: Path, *state: int) -> Stamp | None:
    """A stamp in a file of that state. Many jobs ask for the stamp of an input."""
    try:
        stamp = Stamp(**json.loads(path.read_text(encoding="utf-8")))
        files = [of["sha256"] for of in stamp.files.values() if of["size"] is not None]
        keys = {*stamp.ingredients, *stamp.details, *stamp.made}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return stamp if keys >= PARTS and len(files) == len(stamp.files) else None


def _size(file: Path) -> int | None:
    return file.stat().st_size if file.is_file() else None
