"""Run jobs: verify the inputs, write into a temporary folder, rename it to the result, link its files in the view."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pipeline_src.errors import UserError
from pipeline_src.files import flush, sha256, writing
from pipeline_src.pipeline.job import Job
from pipeline_src.pipeline.manifest import NAME, Manifest, gpu, now, peak_memory, processor
from pipeline_src.processes import alone
from pipeline_src.python_source import loaded_versions

log = logging.getLogger(__name__)
LOCKS = Path(".snakemake/locks")


def run_job(job: Job, command: str = "snakemake --cores all") -> bool:
    """Compute the result of a job. Processes that need the same result wait for each other.

    Args:
        command: the command that computes all results, for errors.

    Returns:
        False if the result existed.

    Raises:
        UserError: an input is missing or damaged, the folder is not writable, the disk is full,
            `work` left out a file.
    """
    with alone(job.name, LOCKS / f"{job.key}.lock"):
        if missing := not job.is_made:
            for needed in job.inputs.values() if job.is_batch else ():
                run_job(needed, command)
            check_results(job.inputs.values(), job.name, command)
            new = job.folder.with_name(f".{job.fingerprint}.new")
            try:
                _write_result(job, new)
            finally:
                shutil.rmtree(new, ignore_errors=True)
        else:
            log.info("%s exists: %s", job.name, job.folder)
        shutil.rmtree(job.scratch, ignore_errors=True)
        show([job])
    return missing


def check_results(jobs: Iterable[Job], reader: str, command: str) -> None:
    """Raise a UserError if a result is missing, or a file of it differs from its manifest.

    Args:
        reader: the job or command that reads the results, for the error.
        command: the command that computes all results.
    """
    for needed in jobs:
        if needed.manifest is None:
            raise UserError(
                f"{reader} needs {needed.name}, which is not there",
                found=f"no manifest in {needed.folder}, or a damaged one",
                expected="a finished result of today's parameters, data and code",
                fix=remedy(needed, command) if needed.folder.exists() else command,
            )
        if faults := needed.faults():
            raise UserError(
                f"{reader} needs {needed.name}: {faults[0]}",
                found=f"sha256 {faults[0].actual or 'of no file'}",
                expected=f"sha256 {faults[0].expected}, from {needed.folder}/manifest.json",
                fix=remedy(needed, command),
            )


def remedy(job: Job, command: str) -> str:
    """Return the command that recomputes a damaged result."""
    return f"rm -r {job.folder} && {command}"


def _write_result(job: Job, new: Path) -> None:
    """Write the files and the manifest of a job into the folder `new`, and rename it."""
    shutil.rmtree(new, ignore_errors=True)  # of a killed run
    with writing(new):
        new.mkdir(parents=True)
        resumed = job.scratch.exists()
        started = time.perf_counter()
        job.work(job, new)
        seconds = time.perf_counter() - started
        if missing := [name for name in job.files if not (new / name).is_file()]:
            raise UserError(
                f"{job.name} did not write {', '.join(missing)}", found=sorted(os.listdir(new))
            )
        for name in job.files:
            flush(new / name)
        origin = {
            "job": job.name,
            "time": now(),
            "seconds": round(seconds, 3),
            "resumed": resumed,
            "machine": processor(),
            "gpu": gpu(),
            "memory": peak_memory(),
            "versions": loaded_versions(),
        }
        inputs = {
            role: {"name": needed.name, "digest": needed.content}
            for role, needed in job.inputs.items()
        }
        files = {
            name: {"size": (new / name).stat().st_size, "sha256": sha256(new / name)}
            for name in job.files
        }
        Manifest(job.fingerprint, job.ingredients, files, inputs, origin).write(new)
    place(new, job.folder)
    log.info("%s done in %.1f s", job.name, seconds)


def place(new: Path, folder: Path) -> None:
    """Rename the folder of a finished result; an unfinished one at its place is removed."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.parent.mkdir(exist_ok=True)  # of its kind
    os.replace(new, folder)


def reset_future_times(jobs: Iterable[Job]) -> None:
    """Set the modification times of manifests that lie in the future to now.

    Such times stem from a clock that was set back, or from files of a machine with a fast clock.
    Snakemake removes a finished result that is older than one of its inputs. Of links, as DVC makes
    them, their own times count.
    """
    for job in jobs:
        file = job.folder / NAME
        with suppress(OSError):  # no result, or a folder that cannot be written
            if file.lstat().st_mtime > time.time():
                os.utime(file, follow_symlinks=False)


# The view: `results/<experiment>/` shows people the files of the store under readable names.


def show(jobs: Iterable[Job]) -> None:
    """Link the results of finished jobs into the view; links to other results stay."""
    for job in jobs:
        if job.is_made:
            if job.view and (former := job.former):
                for name in former[1].files.keys() - set(job.files):
                    (job.view / name).unlink(missing_ok=True)
            for link, file in job.links.items():
                _link(link, file)


def _link(link: Path, file: Path) -> None:
    """Write a relative link."""
    target = os.path.relpath(file, link.parent)
    if link.is_symlink() and os.readlink(link) == target:
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    new = link.with_name(f".{link.name}.{os.getpid()}")
    os.symlink(target, new)
    os.replace(new, link)
