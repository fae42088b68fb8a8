"""The package and its classes by name, its commit, syntax trees, and versions of libraries."""

from __future__ import annotations

import ast
import platform
import subprocess
import sys
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pipeline_src.errors import UserError

PACKAGE = "pipeline_src"
CODE = (PACKAGE, "workflow", "params.yaml")  # paths in the clone that results depend on
ROOT = Path(__file__).parent
LIBRARIES = {  # the libraries that numbers depend on: import name -> distribution
    "torch": "torch",
    "torchvision": "torchvision",
    "mmengine": "onedl-mmengine",
    "mmcv": "onedl-mmcv",
    "mmseg": "onedl-mmsegmentation",
    "timm": "timm",
    "numpy": "numpy",
    "scipy": "scipy",
    "pandas": "pandas",
    "cv2": "opencv-python",
    "PIL": "pillow",
    "matplotlib": "matplotlib",
}


def syntax_tree(file: Path) -> ast.Module:
    """Return the syntax tree of a Python file, without content if there is no such file.

    Raises:
        UserError: names the line that is not Python.
    """
    try:
        return ast.parse(file.read_bytes() if file.is_file() else b"", str(file))
    except SyntaxError as error:
        raise UserError(
            f"{file}, line {error.lineno}: can't be read as Python", found=error.msg
        ) from None


def registered_class(package: str, entry: str) -> type[Any]:
    """Return the class that an entry of a registry names, after importing its module.

    The fingerprints of jobs cover this module, though it is imported only here: a job has the
    class, or an object of it, in its parameters.

    Args:
        package: such as "pipeline_src.training.methods".
        entry: module and class, such as "slp:SLP".
    """
    module, _, name = entry.partition(":")
    found: type[Any] = getattr(import_module(f"{package}.{module}"), name)
    return found


@cache
def installed(distribution: str) -> str:
    """Return the version of a distribution, or of "python"; empty if it is not installed."""
    if distribution == "python":
        return platform.python_version()
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def loaded_versions() -> dict[str, str]:
    """Return the versions of Python, and of those `LIBRARIES` that this process has imported."""
    versions = {"python": installed("python")}
    for module, distribution in LIBRARIES.items():
        if module in sys.modules:
            versions[distribution] = installed(distribution)
    return versions


def commit() -> str:
    """Return the commit of the clone that holds the package; empty outside a clone.

    It ends in "-dirty" if the code differs. Files that no result depends on, such as docs and
    published results, may differ.
    """
    found = _git("rev-parse", "--short=12", "HEAD")
    if found and changed_code():
        found += "-dirty"
    return found


def changed_code() -> list[str]:
    """Return the files of `CODE` that differ from the commit, or that git does not track."""
    lines = _git("status", "--porcelain", "--", *CODE).splitlines()
    return [line[2:].strip() for line in lines]  # two letters of the status, then the file


def _git(*words: str) -> str:
    """Return what git prints about the clone that holds the package; empty outside a clone."""
    if not (ROOT.parent / ".git").exists():
        return ""
    command = ["git", "-C", str(ROOT.parent), *words]
    try:
        return subprocess.check_output(
            command, text=True, stderr=subprocess.DEVNULL, timeout=10
        ).rstrip()
    except (OSError, subprocess.SubprocessError):
        return ""
