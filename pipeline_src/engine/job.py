"""A step of the workflow: what its result is made from, where it lies, and whether it is current."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from pipeline_src.engine.contract import LENGTH, code_digest, digest
from pipeline_src.engine.imports import with_neighbours


@dataclass(frozen=True)
class Job:
    """One step. Its result lies in `folder`, and is current if the stamp named by its contract exists."""

    kind: str
    name: str
    folder: Path
    stem: str
    parameters: dict[str, Any]
    inputs: tuple[Job, ...] = ()
    modules: tuple[str, ...] = ()
    code_files: tuple[Path, ...] = ()
    without: tuple[str, ...] = ()
    other_files: tuple[Path, ...] = ()
    exclusive: bool = True  # the folder holds this job's results alone
    stamps_in: Path | None = None  # where stamps lie, if not in `folder`

    @cached_property
    def ingredients(self) -> dict[str, Any]:
        """What the contract is the hash of."""
        return {
            "job": self.name,
            "parameters": self.parameters,
            "inputs": {job.name: job.contract for job in self.inputs},
            "code": code_digest(self.modules, with_neighbours(self.code_files), self.without),
            "files": [_content(file, file.stat().st_mtime_ns) for file in self.other_files],
        }

    @cached_property
    def contract(self) -> str:
        """16 hex digits."""
        return digest(self.ingredients)

    @property
    def stamp(self) -> Path:
        """The file whose existence says that the result is current."""
        return self.stamp_folder / f"{self.stem}.{self.contract}"

    @property
    def stamp_folder(self) -> Path:
        return self.stamps_in or self.folder

    def stamps(self) -> list[Path]:
        """Stamps of the result that lies there, current or of an older contract."""
        found = self.stamp_folder.glob(f"{self.stem}.*")
        return [
            path for path in found if len(path.suffix) == LENGTH + 1 and set(path.suffix[1:]) <= set("0123456789abcdef")
        ]

    @property
    def current(self) -> bool:
        return self.stamp.is_file()


@cache
def _content(file: Path, changed: int) -> str:
    """Hash of a file as it was when it `changed`: weights are large, and all runs share them."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()[:LENGTH]
