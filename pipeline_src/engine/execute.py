"""Run a job so that its result is whole and current, or untouched; and so that nothing is made twice."""

from __future__ import annotations

import logging
import os
import resource
import shutil
import sys
import time
from pathlib import Path

from pipeline_src import versions
from pipeline_src.engine import cache
from pipeline_src.engine.explain import stale
from pipeline_src.engine.graph import contract
from pipeline_src.engine.job import Job
from pipeline_src.engine.run_job import perform
from pipeline_src.engine.stamp import Stamp
from pipeline_src.errors import UserError, few, listed
from pipeline_src.files import SPACE, check_writable, writing
from pipeline_src.locks import alone
from pipeline_src.verified import now

log = logging.getLogger(__name__)


def execute(job: Job, expected: str | None = None, maker: str = "snakemake --cores all") -> bool:
    """Let the job's `work` write its files into a new folder, then put them in place and stamp them. A result of the
    same contract that was made before is taken over instead.

    Until all files are there, the result of an earlier contract stays as it was, stamp included. Processes that want
    the same result wait for each other.

    Args:
        expected: the contract that the caller was planned with.
        maker: the command that makes all inputs, for the error that asks for it.

    Returns:
        False if the result was current already and nothing was done.

    Raises:
        UserError: the contract is another than `expected`, an input is not current or not as it was made, the folder
            cannot be written, the disk is full or nearly so, or `work` left out a file.
    """
    check_planned([job], expected)
    _check_inputs(job, maker)
    check_writable(job.folder, 0 if job.current else SPACE, job.name)
    _check_places(job)
    lock, shared = job.folder / f".{job.stem}.lock", job.cache / "locks" / job.contract
    with alone(job.name, lock), alone(job.name, shared):
        if job.current:
            log.info("%s is current", job.name)
            return False
        _tell(job)
        staging = job.folder / f".{job.stem}.new"
        shutil.rmtree(staging, ignore_errors=True)  # of a run that was killed
        staging.mkdir()
        stamp = cache.restore(job, staging)
        if stamp:
            made = "{folder} on {time}".format(**stamp.made)
            log.info("%s taken over: same contract as %s made in %s", job.name, stamp.made["job"], made)
        else:
            stamp = _make(job, staging)
            log.info("%s done in %.1f s", job.name, stamp.made["seconds"])
            if former := Stamp.read(job.previous_stamp) or job.valid_stamp:
                _compare(job, former, stamp)
        _put_in_place(job, staging, stamp)
        job.previous_stamp.unlink(missing_ok=True)
        shutil.rmtree(job.scratch, ignore_errors=True)
    return True


def check_planned(jobs: list[Job], expected: str | None) -> None:
    """UserError where jobs that are made together have another contract than the caller was planned with."""
    if expected is not None and expected != contract(jobs):
        raise UserError(
            f"{jobs[0].name}: parameters, data or code changed since this run was planned",
            found=contract(jobs),
            expected=expected,
            do="start the command again",
        )


def _check_inputs(job: Job, maker: str) -> None:
    """UserError where an input is not current; it names the file where one is not as it was made."""
    changed = [(of, fault) for of in job.inputs.values() for fault in of.faults() if not fault.missing]
    do = f"run `{maker}`, which makes it first"
    if changed:
        of, fault = changed[0]
        more = f" ({len(changed) - 1} more of its inputs' files were changed too)" if changed[1:] else ""
        raise UserError(
            f"{fault.file} is not what {of.name} made, and {job.name} needs it{more}",
            found=f"sha256 {fault.actual}",
            expected=f"sha256 {fault.expected}",
            do=do,
        )
    if reasons := stale(job.inputs.values()):
        raise UserError(
            f"{job.name}: inputs are not current",
            found=listed(reasons),
            expected="results of today's parameters, data and code, as they were made",
            do=do,
        )


def _check_places(job: Job) -> None:
    """UserError where a folder lies in the place of a file of the result, now or before, or of its stamp."""
    former = [job.folder / name for path in job.stamps() if (old := Stamp.read(path)) for name in old.files]
    places = [*job.paths, *job.stamps(), *former]
    if wrong := next((path for path in places if path.is_dir() and not path.is_symlink()), None):
        raise UserError(
            f"{wrong} is a folder, and {job.name} has a file of that name",
            found="a folder",
            expected="a file, or nothing",
            do=f"move {wrong} away, and start the command again",
        )


def _tell(job: Job) -> None:
    """Say which files of a result are not as they were made: those that are gone in one line."""
    faults = job.faults()
    for fault in faults:
        if not fault.missing:
            log.warning("%s; it is made again", fault.message)
    if gone := [fault.file.as_posix() for fault in faults if fault.missing]:
        log.warning("missing of %s, %d of %d files: %s", job.name, len(gone), len(job.files), few(gone, 2))


def _make(job: Job, staging: Path) -> Stamp:
    """Let the job work; its stamp."""
    read = {role: of.content for role, of in job.inputs.items()}
    started = time.perf_counter()
    with writing(staging):
        ingredients, files = perform(job, staging)
    seconds = time.perf_counter() - started
    if ingredients != job.ingredients:
        raise ValueError(f"{job.name}: what worked was another job")
    made = {
        "job": job.name,
        "folder": job.folder.as_posix(),
        "time": now(),
        "seconds": round(seconds, 3),
        "memory": _memory(),
        "read": read,
        "versions": versions.loaded(),
    }
    return Stamp(ingredients, job.details, files, made)


def _compare(job: Job, former: Stamp, new: Stamp) -> None:
    """Name what differs from the result before, though it was made under the same contract."""
    before = [of["sha256"] for of in former.files.values()]
    made = {name: of["sha256"] for name, of in new.files.items()}
    differing = [name for name, old in zip(made, before, strict=True) if made[name] != old and name not in job.varying]
    if differing:
        log.warning(
            "%s differs from the result before, of the same contract: %s. What was made of that is outdated now.",
            job.name,
            ", ".join(differing),
        )
    else:
        log.info("%s is as before, bit for bit", job.name)


def forget(job: Job) -> None:
    """Let a result be made again though it is current: neither its stamp nor the cache vouches for it any more. What it
    was is kept until then, to be compared with."""
    if stamp := job.valid_stamp:
        stamp.write(job.previous_stamp)
    for folder in (job.cache / job.contract, job.scratch):
        shutil.rmtree(folder, ignore_errors=True)
    job.stamp.unlink(missing_ok=True)


def _put_in_place(job: Job, staging: Path, stamp: Stamp) -> None:
    """Move a result from `staging` to its place. Old stamps go first and the new one comes last, so a stamp never
    vouches for a mixture; what an old one vouched for stays in the cache."""
    for path in job.stamps():
        old = Stamp.read(path)
        if old and not old.faults(job.folder, job.record):
            cache.save(job.cache, path.suffix[1:], job.folder, old)
        path.unlink()
        for name in set(old.files) - set(job.files) if old else ():
            (job.folder / name).unlink(missing_ok=True)
    for name in job.files:
        os.replace(staging / name, job.folder / name)
    shutil.rmtree(staging)
    stamp.write(job.stamp)
    cache.save(job.cache, job.contract, job.folder, stamp)
    if faults := job.faults():
        raise UserError(
            f"{faults[0].file} changed while {job.name} put it in place",
            found=f"sha256 {faults[0].actual}",
            expected=f"sha256 {faults[0].expected}",
            do="end what writes there, or check the disk, and start the command again",
        )


def _memory() -> float:
    """The largest resident set so far, of this process or one that it started, in MB."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / unit
