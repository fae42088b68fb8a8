"""What pip and git bring: all files of the package, a clone that no earlier installation hides, the same bytes."""

from __future__ import annotations

import shutil
import sys
import zipfile
from pathlib import Path

import pytest
from project import ROOT, call, copy

pytest.importorskip("setuptools", "70.1")  # the first that builds wheels by itself


@pytest.fixture
def clone(tmp_path) -> Path:
    """A folder with what a build needs."""
    (tmp_path / "clone").mkdir()
    copy(tmp_path / "clone")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / "clone")
    return tmp_path / "clone"


def built(clone: Path, kind: str) -> Path:
    """The content of a wheel, as pip unpacks it."""
    code = f"from setuptools import build_meta; build_meta.build_{kind}('..')"
    call(clone, sys.executable, "-c", code)
    with zipfile.ZipFile(next(clone.parent.glob("*.whl"))) as wheel:
        wheel.extractall(clone.parent / "site")
    return clone.parent / "site"


def files(folder: Path) -> set[Path]:
    package = (path for path in (folder / "pipeline_src").rglob("*") if path.is_file())
    return {path.relative_to(folder) for path in package if "__pycache__" not in path.parts}


def test_a_wheel_has_all_files_of_the_package(clone):
    expected = files(clone)
    assert files(built(clone, "wheel")) == expected


def test_what_numba_left_of_an_installation_does_not_hide_a_clone(clone):
    site = built(clone, "editable")
    left = site / "pipeline_src/counting/__pycache__/kernels.py311.nbi"  # which pip does not know, and leaves
    left.parent.mkdir(parents=True)
    left.touch()
    code = f"""
import importlib.util, site
site.addsitedir({str(site)!r})
print(importlib.util.find_spec("pipeline_src.counting.counts").origin)
"""
    said = call(clone.parent, sys.executable, "-S", "-c", code)
    assert said.strip() == str(clone / "pipeline_src/counting/counts.py")


def test_a_clone_has_the_same_bytes_where_git_converts_ends_of_lines(tmp_path):
    """Without them scripts do not run, and contracts are others."""
    contents = {"run": b"#!/bin/sh\n", "a.png": b"\x89PNG\r\n\x1a\n\0", "results/published/a/T1.csv": b"a\r\nb\n"}
    shutil.copy(ROOT / ".gitattributes", tmp_path)
    for name, content in contents.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    call(tmp_path, "git", "init", "--quiet")
    call(tmp_path, "git", "config", "core.autocrlf", "true")
    call(tmp_path, "git", "add", ".")
    for name in contents:
        (tmp_path / name).unlink()
    call(tmp_path, "git", "checkout", "--quiet", ".")
    assert {name: (tmp_path / name).read_bytes() for name in contents} == contents
