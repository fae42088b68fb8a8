"""Where a report's numbers come from: data, versions, commit, machine, time."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_src.data.store import Store
from pipeline_src.params.schema import Part

PACKAGES = ("dense-calibration", "torch", "onedl-mmengine", "onedl-mmsegmentation", "timm", "numpy")


def store_facts(name: str, role: str, part: Part, folder: Path) -> dict[str, Any]:
    """What the report tells of a part: where it is from, how many images, and a hash of all of them."""
    store = Store.open(folder)
    content = json.dumps([(row.id, row.sha256_image, row.sha256_mask) for row in store.index])
    hashed = hashlib.sha256(content.encode()).hexdigest()[:16]
    return {"part": name, "role": role, "from": str(part), "images": len(store), "hash": hashed}


def made_by(training: Iterable[float]) -> dict[str, str]:
    """Commit, versions, machine and time; what can't be found out is left out. Versions and machine are those of the
    report's own job: a cluster may have trained elsewhere.

    Args:
        training: seconds that each run trained.
    """
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
    seconds = np.nansum(list(training))
    facts["training, all runs"] = f"{seconds / 60:.1f} min" if seconds else ""
    return {name: text for name, text in facts.items() if text}


def adopted(adoptions: Mapping[str, Iterable[Mapping[str, str]]]) -> dict[str, str]:
    """Results that were made under another contract and adopted by hand, in words."""
    entries = {tuple(entry[key] for key in ("time", "why")) for of in adoptions.values() for entry in of}
    named = ", ".join(adoptions)
    why = "; ".join(f"{why} ({time})" for time, why in sorted(entries))
    return {"adopted results": f"{named}: {why}"} if adoptions else {}


def _processor() -> str:
    """The processor's name, where Linux knows it."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _git(*words: str) -> str:
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, check=False, timeout=10)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
