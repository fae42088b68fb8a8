"""A finished run in a folder of its own."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from project import call


@pytest.fixture
def clone(finished: Path, tmp_path: Path) -> Path:
    """A fresh clone with pulled results, no records of Snakemake's, and file times in no order."""
    folder = tmp_path / "clone"
    call(tmp_path, "git", "clone", "--quiet", str(finished), str(folder))
    call(folder, "dvc", "pull", "--quiet")
    files = [path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts]
    random.Random(0).shuffle(files)
    for i, path in enumerate(files):
        os.utime(path, (1_700_000_000 + i, 1_700_000_000 + i))
    return folder
