"""Versions of Python and of the libraries that numbers depend on."""

from __future__ import annotations

import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = {  # import name -> distribution
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


@cache
def installed(distribution: str) -> str:
    """The version of a distribution, or of "python"; empty if it is not here."""
    if distribution == "python":
        return platform.python_version()
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def loaded() -> dict[str, str]:
    """Versions of Python and of those libraries that this process has imported."""
    names = ["python", *(name for module, name in LIBRARIES.items() if module in sys.modules)]
    return {name: installed(name) for name in names}


def commit() -> str:
    """Return the commit of the clone that holds the package, with "-dirty" if files differ; empty outside a clone."""
    root = Path(__file__).parents[1]
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
