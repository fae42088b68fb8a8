"""Where a report's numbers come from: versions, commit, machine, time."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from pipeline_src.python_source import PACKAGE, ROOT
from pipeline_src.versions import installed

PACKAGES = ("python", "dense-calibration", "torch", "onedl-mmengine", "onedl-mmsegmentation", "timm", "numpy")
CODE = ("*.py", "*.smk", "*Snakefile", "pipeline_src")  # patterns of git's, at any depth


def made_by(training_seconds: float) -> dict[str, str]:
    """Commit, versions, machine and time, by name; what cannot be found out is left out. Versions and machine are those
    of the report's own job: a cluster may have trained elsewhere.

    Args:
        training_seconds: of all runs.
    """
    facts = {
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        **versions(),
        "machine": machine(),
        "training, all runs": f"{training_seconds / 60:.1f} min" if training_seconds else "",
    }
    return {name: text for name, text in facts.items() if text}


def commit() -> str:
    """The commit of the code, marked as dirty where it differs from that; empty where it is in no repository, as after
    an installation. Parameters are no code: the report shows them."""
    if not _git("ls-files", PACKAGE):  # it may lie in a repository of something else
        return ""
    revision = _git("describe", "--always", "--abbrev=12")
    return revision + "-dirty" * bool(_git("status", "--porcelain", "--untracked-files=no", "--", *CODE))


def _git(*words: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}  # as in a hook
    try:
        command = ["git", "-C", str(ROOT.parent), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10, env=environment)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def versions() -> dict[str, str]:
    """Of Python and the packages that decide numbers."""
    return {package: number for package in PACKAGES if (number := installed(package))}


def machine() -> str:
    """Return the system, processor and number of cores of this machine."""
    parts = [f"{platform.system()} {platform.machine()}", _processor(), f"{os.cpu_count()} CPU cores"]
    return ", ".join(filter(None, parts))


def _processor() -> str:
    """The processor's name, where Linux knows it."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
