"""Where a report's numbers come from: data, versions, commit, machine, time."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_src.data.store import Store
from pipeline_src.engine.contract import digest
from pipeline_src.steps.beside import beside
from pipeline_src.steps.experiment import Graph

PACKAGES = ("dense-calibration", "torch", "onedl-mmengine", "onedl-mmsegmentation", "timm", "numpy")


def store_facts(graph: Graph, part: str) -> dict[str, Any]:
    """What the report tells of a part: where it is from, how many images, and a hash of all of them."""
    chosen, role = graph.parts[part]
    opened = Store.open(graph.store(part))
    hashed = digest([(row.id, row.sha256_image, row.sha256_mask) for row in opened.index])
    return {"part": part, "role": role, "from": str(chosen), "images": len(opened), "hash": hashed}


def made_by(graph: Graph) -> dict[str, str]:
    """Commit, versions, machine and time; what can't be found out is left out. Versions and machine are those of the
    report's own job: a cluster may have trained elsewhere."""
    facts = {"written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")}
    facts["commit"] = _git("describe", "--always", "--dirty", "--abbrev=12")
    facts["python"] = platform.python_version()
    for package in PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            continue
    cores = f"{os.cpu_count()} CPU cores"
    facts["machine"] = ", ".join(filter(None, [f"{platform.system()} {platform.machine()}", _processor(), cores]))
    seconds = np.nansum([run.training for run in beside(graph).runs.values()])
    facts["training, all runs"] = f"{seconds / 60:.1f} min" if seconds else ""
    return {name: text for name, text in facts.items() if text}


def _processor() -> str:
    """The processor's name, where Linux tells it."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text(encoding="utf-8").splitlines() if told.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _git(*words: str) -> str:
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, check=False, timeout=10)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
