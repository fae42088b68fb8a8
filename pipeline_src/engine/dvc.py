"""Tell DVC that stages are finished, so that `dvc status` is clean after a plain Snakemake run."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline_src.engine.job import Job
from pipeline_src.files import write_text

log = logging.getLogger(__name__)
Stages = Mapping[str, Sequence[Job]]  # the jobs of each of DVC's stages


def write_contracts(stages: Stages, folder: Path) -> None:
    """Write the contracts of each stage's jobs: what DVC compares to know whether a stage is current."""
    for stage, jobs in stages.items():
        content = {job.name: job.contract for job in jobs}
        write_text(folder / f"{stage}.json", json.dumps(content, indent=1) + "\n")


def record(stages: Stages, folder: Path, experiment: str, followed: str) -> None:
    """`dvc commit` the stages whose results are all current; nothing inside `dvc repro`, which does it itself. Files
    that are not as they were made are named, and their stages left out.

    A tree without git or DVC is fine: what DVC would need is logged in a line.

    Args:
        folder: where the contracts lie.
        followed: the experiment that params.yaml picks, which DVC follows.
    """
    if os.environ.get("DVC_STAGE") or not Path(".dvc").is_dir():
        return
    if shutil.which("git") is None or subprocess.run(["git", "rev-parse"], capture_output=True, check=False).returncode:
        log.info("DVC has not recorded this run: it needs a git repository (`git init` makes one).")
        return
    if followed != experiment:
        log.info(
            "DVC follows the experiment that params.yaml picks (%s); set `experiment: %s` there to record this one.",
            followed,
            experiment,
        )
        return
    write_contracts(stages, folder)
    done = [f"{stage}@{experiment}" for stage, jobs in stages.items() if _is_sound(stage, jobs)]
    command = [sys.executable, "-m", "dvc", "commit", "--force", f"contracts@{experiment}", *done]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        log.warning("DVC could not record this run: %s", (result.stderr or result.stdout).strip())


def _is_sound(stage: str, jobs: Sequence[Job]) -> bool:
    """Whether all results of a stage are current; files that were changed are named."""
    stale = [job for job in jobs if not job.current]
    for fault in (fault for job in stale for fault in job.faults() if not fault.missing):
        log.warning("DVC has not recorded the stage %s: %s", stage, fault.message)
    return not stale
