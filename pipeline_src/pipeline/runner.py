"""Run jobs: verify the inputs, write into a temporary folder, rename it, link files in the view."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pipeline_src.errors import UserError, listed
from pipeline_src.files import Content, flush, sha256, writing
from pipeline_src.pipeline.fingerprint import file_fingerprint
from pipeline_src.pipeline.job import Job
from pipeline_src.pipeline.manifest import (
    NAME,
    Manifest,
    gpu,
    now,
    peak_memory,
    processor,
    stored,
)
from pipeline_src.processes import alone
from pipeline_src.python_source import loaded_versions

log = logging.getLogger(__name__)
LOCKS = Path(".snakemake/locks")
RUN_LOCK = Path(".snakemake/dense-calibration.lock")  # held while a Snakemake runs in the folder


def run_job(job: Job, command: str = "snakemake --cores all") -> bool:
    """Compute the result of a job, unless it exists. Processes that need the same result wait for
    each other.

    Args:
        command: the command that computes all results, for errors.

    Returns:
        False if the result existed.

    Raises:
        UserError: an input is missing or damaged, the folder is not writable, the disk is full,
            `work` left out a file.
    """
    with alone(job.name, LOCKS / f"{job.key}.lock"):  # no two processes at a time
        existed = job.is_made
        if existed:
            log.info("%s exists: %s", job.name, job.folder)
        else:
            check_results(job.inputs.values(), job.name, command, job.reads)
            new = job.folder.with_name(f".{job.fingerprint}.new")  # beside it, to be renamed
            try:
                _write_result(job, new)
            finally:
                shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(job.scratch, ignore_errors=True)
        show([job])
    return not existed


def check_results(jobs: Iterable[Job], reader: str, command: str, reads: str = "") -> None:
    """Raise a UserError if a result is missing, a file of it differs from its manifest, or it was
    computed from another result of an input than there is.

    Args:
        reader: the job or command that reads the results, for the error.
        command: the command that computes all results.
        reads: the one file that is read of each result (`Job.reads`); all if it is empty.
    """
    for needed in jobs:
        faults = needed.faults(reads)
        faults += [f"computed from another result of {name}" for name in needed.replaced_inputs()]
        if faults:
            raise UserError(
                f"{reader} needs {needed.name}: {faults[0]}",
                expected="a finished result of today's parameters, data and code, with the files "
                "that its manifest records",
                fix=remedy([needed], command),
            )


def of_replaced_inputs(jobs: Iterable[Job]) -> list[Job]:
    """Return the jobs whose results were computed from another result of an input than there is,
    and the jobs that need these.

    Args:
        jobs: inputs before those that need them.
    """
    found: list[Job] = []
    for job in jobs:
        if job.replaced_inputs() or any(needed in found for needed in job.inputs.values()):
            found.append(job)
    return found


def check_inputs(jobs: Iterable[Job], command: str) -> None:
    """Raise a UserError if a result was computed from another result of an input than there is.

    Args:
        jobs: inputs before those that need them.
        command: the command that computes all results.
    """
    found = of_replaced_inputs(jobs)
    if found:
        raise UserError(
            "results were computed from inputs that were computed again since",
            found=listed(job.name for job in found),
            fix=remedy(found, command),
        )


def remedy(jobs: Sequence[Job], command: str) -> str:
    """Return the command that computes absent, damaged or outdated results."""
    folders = [str(job.folder) for job in jobs if job.folder.exists()]
    return f"rm -r {' '.join(folders)} && {command}" if folders else command


def _write_result(job: Job, new: Path) -> None:
    """Write the files and the manifest of a job into the folder `new`, and rename it: a result
    exists only as a whole.
    """
    shutil.rmtree(new, ignore_errors=True)  # of a killed run
    with writing(new):  # a full disk becomes a UserError
        new.mkdir(parents=True)
        resumed = job.scratch.exists()
        copied = _copy_files(job, new)
        started = time.perf_counter()
        file_seconds = job.work(job, new) or {}
        seconds = time.perf_counter() - started
        missing = [name for name in job.files if not (new / name).is_file()]
        if missing:
            raise UserError(
                f"{job.name} did not write {', '.join(missing)}", found=sorted(os.listdir(new))
            )
        files = {}
        for name in job.files:
            flush(new / name)  # to the disk, before the manifest records it
            files[name] = copied.get(name) or _file_record(job, new / name, file_seconds)
        inputs = {}
        for role, needed in job.inputs.items():
            inputs[role] = {"name": needed.name, "digest": needed.content_of(job.reads)}
        manifest = Manifest(
            fingerprint=job.fingerprint,
            ingredients=job.ingredients,
            files=files,
            inputs=inputs,
            made={
                "job": job.name,
                "time": now(),
                "seconds": round(seconds, 3),
                "resumed": resumed,
                "machine": processor(),
                "gpu": gpu(),
                "memory": peak_memory(),
                "versions": loaded_versions(),
            },
        )
        manifest.write(new)
    place(new, job.folder)
    log.info("%s done in %.1f s", job.name, seconds)


def _copy_files(job: Job, new: Path) -> dict[str, Content]:
    """Copy files of intact stored results whose fingerprints equal those of the job's files.

    So a job computes only what changed: an evaluation of one more split copies the counts of the
    splits that are evaluated already.

    Returns:
        The record of each copied file, for the manifest.
    """
    records: dict[str, Content] = {}
    if not job.depends_on:
        return records
    for folder, manifest in stored(job.kind):
        for source, record in manifest.files.items():
            if "roles" not in record:  # an earlier version wrote it, without file fingerprints
                continue
            found = file_fingerprint(manifest.ingredients, record["roles"])
            for name, fingerprint in job.file_fingerprints.items():
                if (
                    fingerprint == found
                    and _of_same_inputs(job, name, manifest, record["roles"])
                    and not manifest.faults(folder, [source])
                ):
                    shutil.copyfile(folder / source, new / name)
                    kept = record["kept"] + manifest.kept
                    records[name] = record | {"roles": job.depends_on[name], "kept": kept}
    return records


def _of_same_inputs(job: Job, name: str, manifest: Manifest, roles: Iterable[str]) -> bool:
    """Return whether the inputs of a stored file have the content of those of the job's file.

    An input may have been computed again, with other content under its fingerprint.

    Args:
        name: of the job's file.
        manifest: of the stored result.
        roles: of the inputs that the stored file depends on.
    """
    for role, stored_role in zip(job.depends_on[name], roles, strict=True):
        if manifest.inputs[stored_role]["digest"] != job.inputs[role].content_of(job.reads):
            return False
    return True


def _file_record(job: Job, file: Path, seconds: Mapping[str, float]) -> Content:
    """Return the record of a new file for the manifest.

    A file of `Job.depends_on` also has the roles of its inputs, its seconds, and no fingerprint
    that was kept for it (`kept`).

    Args:
        seconds: name -> seconds that the job's work took for a file of `Job.depends_on`.
    """
    record: Content = {"size": file.stat().st_size, "sha256": sha256(file)}
    if file.name in job.depends_on:
        record["roles"] = job.depends_on[file.name]
        record["seconds"] = round(seconds[file.name], 3)
        record["kept"] = []
    return record


def place(new: Path, folder: Path) -> None:
    """Rename the folder `new` of a finished result to `folder`.

    If `folder` exists, it has no manifest or is damaged, and is removed.
    """
    if folder.exists():
        shutil.rmtree(folder)
    os.replace(new, folder)


def reset_future_times(jobs: Iterable[Job]) -> None:
    """Set the modification times of results that lie in the future to now.

    Such times stem from a clock that was set back, or from files of a machine with a fast clock.
    They have to go because Snakemake removes a finished result that is older than one of its
    inputs. Files may be links, which DVC makes; Snakemake then reads the time of the link itself.
    """
    for job in jobs:
        for file in (job.folder / NAME, *job.paths):
            with suppress(OSError):  # no result, or a folder that cannot be written
                if file.lstat().st_mtime > time.time():
                    os.utime(file, follow_symlinks=False)


# The view: `results/<experiment>/` shows people the files of the store under readable names.


def show(jobs: Iterable[Job]) -> None:
    """Link the results of finished jobs into the view; links of jobs without a result stay.

    Links that cannot be written are logged: after an error, Snakemake would remove the result.
    """
    for job in jobs:
        if not job.is_made:
            continue
        try:
            if job.former:
                _, earlier = job.former
                # Files that the job does not write any more must not seem current.
                for name in earlier.files.keys() - set(job.files):
                    job.link(name).unlink(missing_ok=True)
            for link, file in job.links.items():
                _link(link, file)
        except OSError as error:
            log.warning("%s is not shown in %s: %s", job.name, job.view, error)


def _link(link: Path, file: Path) -> None:
    """Write a relative link at `link` to `file`, which replaces an earlier link at once."""
    target = os.path.relpath(file, link.parent)
    if link.is_symlink() and os.readlink(link) == target:
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    new = link.with_name(f".{link.name}.{os.getpid()}")  # of this process: others may link, too
    try:
        os.symlink(target, new)
        os.replace(new, link)
    finally:
        new.unlink(missing_ok=True)
