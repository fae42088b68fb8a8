"""A job at work: all that lies between a job and the digests of what it wrote. This code counts in every contract."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline_src.errors import UserError
from pipeline_src.files import sha256


def perform(job: Any, folder: Path) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Let a job write its files into an empty folder: the ingredients of the job that worked, and what it wrote.

    Args:
        job: a `job.Job`.

    Raises:
        UserError: a file was not written.
    """
    job.work(job, folder)
    missing = [name for name in job.files if not (folder / name).is_file()]
    if missing:
        raise UserError(f"{job.name} did not write {', '.join(missing)}", found=sorted(os.listdir(folder)))
    return job.ingredients, sizes_and_hashes(folder, job.files)


def sizes_and_hashes(folder: Path, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of files in `folder`, by name."""
    return {name: {"size": (folder / name).stat().st_size, "sha256": sha256(folder / name)} for name in names}
