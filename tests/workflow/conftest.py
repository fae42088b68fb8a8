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
    # The same code, compiled by Python and numba: every process of a test would make it again.
    shutil.copytree(finished / "pipeline_src", folder / "pipeline_src", dirs_exist_ok=True)
    return folder


@pytest.fixture
def clone(pulled: Path, tmp_path: Path) -> Path:
    """A fresh clone with pulled results, no records of Snakemake's own, and file times in no order (but for code, of
    which what is compiled would be void)."""
    folder = shutil.copytree(pulled, tmp_path / "clone")
    files = [path for path in folder.rglob("*") if path.is_file() and not {".git", "pipeline_src"} & {*path.parts}]
    random.Random(0).shuffle(files)
    for i, path in enumerate(files):
        os.utime(path, (1_700_000_000 + i, 1_700_000_000 + i))
        if ".dvc" not in path.parts:
            path.chmod(0o644)  # copies of protected links
    return folder
