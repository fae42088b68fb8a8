"""Stamps: the small files that say what a result was made from, and vouch for it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline_src.files import sha256, write_text


@dataclass(frozen=True)
class Stamp:
    """What is known of a result.

    Attributes:
        ingredients: what its contract is the hash of.
        details: what explains the ingredients: `code`, a digest per file, and `inputs`, the name of the job per role.
        files: name -> `size` in bytes and `sha256`.
        made: by which `job`, in which `folder`, at what `time` (UTC), in how many `seconds`, with what `memory` (MB).
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
        """The stamp at `path`; None if there is none, or one that an older version of this program wrote."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, path: Path) -> None:
        """Write it atomically."""
        write_text(path, json.dumps(asdict(self), indent=1) + "\n")

    def is_whole(self, folder: Path) -> bool:
        """Whether all files are in `folder`, in their sizes."""
        return all(_size(folder / name) == of["size"] for name, of in self.files.items())

    def is_unchanged(self, folder: Path) -> bool:
        """Whether all files are in `folder`, with their content."""
        return self.is_whole(folder) and described(folder, self.files) == self.files


def described(folder: Path, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of files in `folder`, by name."""
    return {name: {"size": _size(folder / name), "sha256": sha256(folder / name)} for name in names}


def _size(file: Path) -> int | None:
    return file.stat().st_size if file.is_file() else None
