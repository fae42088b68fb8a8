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

from pipeline_src.engine import dvc_cache
from pipeline_src.engine.job import Job
from pipeline_src.files import write_text

log = logging.getLogger(__name__)
Stages = Mapping[str, Sequence[Job]]  # the jobs of each of DVC's stages
IN_STAGE = "DVC_STAGE"  # a variable that `dvc repro` sets


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
    if IN_STAGE in os.environ or not Path(".dvc").is_dir():
        return
    if said := _no_repository():
        log.info("DVC has not recorded this run: it needs a git repository (`git init` makes one), but %s", said)
        return
    if followed != experiment:
        log.info(
            "DVC follows the experiment that params.yaml picks (%s); set `experiment: %s` there to record this one.",
            followed,
            experiment,
        )
        return
    done = [f"{stage}@{experiment}" for stage, jobs in stages.items() if _is_sound(stage, jobs)]
    if not done:  # as in a fresh clone after `snakemake published`
        return
    write_contracts(stages, folder)
    targets = [f"contracts@{experiment}", *done]
    if _commit(targets) and discard_damaged(experiment):
        _commit(targets)


def show_damage(stages: Stages) -> None:
    """Inside `dvc repro`: let DVC see results that are not as they were made. It does not look again at a file that has
    the time with which it was pulled."""
    for job in (job for jobs in stages.values() for job in jobs if IN_STAGE in os.environ and not job.current):
        faults = [fault for fault in job.faults() if not fault.missing]
        for fault in faults:
            log.warning("%s; it is made again", fault.message)
        for path in (*job.stamps(), *(fault.file for fault in faults)):
            os.utime(path)


def discard_damaged(experiment: str) -> bool:
    """Remove what is damaged in DVC's cache, and name it. Whether there was any: DVC has to store these files anew."""
    if damaged := dvc_cache.discard_damaged(experiment):
        log.warning(
            "DVC's cache had %d damaged files, which are stored anew. If they came from a remote, copy them there from "
            "%s, since `dvc push` would not: %s",
            len(damaged),
            dvc_cache.cache(),
            ", ".join(damaged),
        )
    return bool(damaged)


def _no_repository() -> str:
    """Why the working folder is in no repository that git opens; empty if it is in one."""
    if shutil.which("git") is None:
        return "there is no git"
    asked = subprocess.run(["git", "rev-parse"], capture_output=True, text=True, check=False)
    return asked.stderr.strip().partition("\n")[0] if asked.returncode else ""


def _commit(targets: Sequence[str]) -> bool:
    """Whether DVC did it. Results stay links to those in our cache: copies of DVC's do not take their place."""
    command = [sys.executable, "-m", "dvc", "commit", "--force", "--no-relink", *targets]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        said = (result.stderr or result.stdout).strip().splitlines() or [f"exit code {result.returncode}"]
        why = next((line for line in said if line.startswith("ERROR")), said[-1])
        log.warning("DVC could not record this run. The next run does, once this is mended: %s", why)
    return not result.returncode


def _is_sound(stage: str, jobs: Sequence[Job]) -> bool:
    """Whether all results of a stage are current; files that were changed are named."""
    stale = [job for job in jobs if not job.current]
    for fault in (fault for job in stale for fault in job.faults() if not fault.missing):
        log.warning("DVC has not recorded the stage %s: %s", stage, fault.message)
    return not stale
