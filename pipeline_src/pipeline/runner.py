"""A job is run: its inputs are checked, its files written into a temporary folder, which then becomes the result."""

from __future__ import annotations

import logging
import os
import platform
import resource
import shutil
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from pipeline_src import versions
from pipeline_src.errors import UserError
from pipeline_src.files import check_writable, flush, writing
from pipeline_src.locks import alone
from pipeline_src.pipeline import view
from pipeline_src.pipeline.job import Job
from pipeline_src.pipeline.manifest import STORE, Manifest, sizes_and_digests
from pipeline_src.verified import now

log = logging.getLogger(__name__)
LOCKS = Path(".snakemake/locks")


def run_job(job: Job, command: str = "snakemake --cores all") -> bool:
    """Make the result of a job. Processes that want the same result wait for each other.

    Args:
        command: what makes all results, for errors that ask for it.

    Returns:
        False if the result was there.

    Raises:
        UserError: an input is missing or damaged, the folder cannot be written, the disk is full, or `work` left out a
            file.
    """
    check_writable(STORE, 0, job.name)
    with alone(job.name, LOCKS / f"{job.key}.lock"):
        if made := not job.is_made:
            for needed in job.inputs.values() if job.is_batch else ():
                run_job(needed, command)
            check_results(job.inputs.values(), job.name, command)
            new = job.folder.with_name(f".{job.key}.new")
            try:
                _make(job, new)
            finally:
                shutil.rmtree(new, ignore_errors=True)
        else:
            log.info("%s is there: %s", job.name, job.folder)
        shutil.rmtree(job.scratch, ignore_errors=True)
        view.show([job])
    return made


def check_results(jobs: Iterable[Job], reader: str, command: str) -> None:
    """Raise a UserError where a result is not there, or one of its files is not as its manifest says.

    Args:
        reader: what reads the results, for the error.
        command: what makes all results.
    """
    for needed in jobs:
        manifest = needed.manifest
        if manifest is None:
            raise UserError(
                f"{reader} needs {needed.name}, which is not there",
                found=f"no manifest in {needed.folder}, or one that is damaged",
                expected="a finished result of today's parameters, data and code",
                fix=remedy(needed, command) if needed.folder.exists() else command,
            )
        if faults := manifest.faults(needed.folder):
            raise UserError(
                f"{reader} needs {needed.name}: {faults[0]}",
                found=f"sha256 {faults[0].actual or 'of no file'}",
                expected=f"sha256 {faults[0].expected}, as {needed.folder}/manifest.json says",
                fix=remedy(needed, command),
            )


def remedy(job: Job, command: str) -> str:
    """The command that makes a damaged result again."""
    return f"rm -r {job.folder} && {command}"


def _make(job: Job, new: Path) -> None:
    """Write the files and the manifest of a job into the folder `new`, and rename it."""
    shutil.rmtree(new, ignore_errors=True)  # of a run that was killed
    with writing(new):
        new.mkdir(parents=True)
        started = time.perf_counter()
        job.work(job, new)
        seconds = time.perf_counter() - started
        if missing := [name for name in job.files if not (new / name).is_file()]:
            raise UserError(f"{job.name} did not write {', '.join(missing)}", found=sorted(os.listdir(new)))
        for name in job.files:
            flush(new / name)
        made = {
            "job": job.name,
            "time": now(),
            "seconds": round(seconds, 3),
            "memory": _memory(),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            "versions": versions.loaded(),
        }
        inputs = {role: {"name": needed.name, "digest": needed.content} for role, needed in job.inputs.items()}
        files = sizes_and_digests(new, job.files)
        Manifest(job.fingerprint, job.ingredients, files, inputs, made).write(new)
    place(new, job.folder)
    log.info("%s done in %.1f s", job.name, seconds)


def place(new: Path, folder: Path) -> None:
    """Rename a finished folder to its place; what lies there is no finished result."""
    if folder.exists():
        shutil.rmtree(folder)
    os.replace(new, folder)


def _memory() -> float:
    """The largest resident set so far, of this process or one that it started, in MB."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / unit
