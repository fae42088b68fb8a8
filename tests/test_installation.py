"""A wheel has all files of the package, and a clone has the same bytes on every system."""

from __future__ import annotations

import shutil
import sys
import zipfile
from pathlib import Path

import pytest
from project import ROOT, call, copy

pytest.importorskip("setuptools", "70.1")  # the first that builds wheels by itself


def files(folder: Path) -> set[Path]:
    package = (path for path in (folder / "pipeline_src").rglob("*") if path.is_file())
    return {path.relative_to(folder) for path in package if "__pycache__" not in path.parts}


def test_a_wheel_has_all_files_of_the_package(tmp_path):
    clone = tmp_path / "clone"
    clone.mkdir()
    copy(clone)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, clone)
    expected = files(clone)
    call(clone, sys.executable, "-c", "from setuptools import build_meta; build_meta.build_wheel('..')")
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path / "site")
    assert files(tmp_path / "site") == expected


def test_a_clone_has_the_same_bytes_where_git_converts_ends_of_lines(tmp_path):
    """Otherwise scripts do not run, and fingerprints differ."""
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
