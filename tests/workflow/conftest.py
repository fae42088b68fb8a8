"""A finished run in a folder of its own."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest
from project import call


@pytest.fixture(scope="session")
def pulled(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with pulled results. To be read, not changed."""
    folder = tmp_path_factory.mktemp("pulled") / "clone"
    call(folder.parent, "git", "clone", "--quiet", str(finished), str(folder))
    call(folder, "dvc", "pull", "--quiet")
    return folder


@pytest.fixture
def clone(pulled: Path, tmp_path: Path) -> Path:
    """A fresh clone with pulled results, no records of Snakemake's, and file times in no order."""
    folder = shutil.copytree(pulled, tmp_path / "clone")
    files = [path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts]
    random.Random(0).shuffle(files)
    for i, path in enumerate(files):
        os.utime(path, (1_700_000_000 + i, 1_700_000_000 + i))
    return folder
