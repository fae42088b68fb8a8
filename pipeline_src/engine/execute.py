"""Run a job so that its result is whole and current, or untouched; and so that nothing is made twice."""

from __future__ import annotations

import logging
import os
import resource
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline_src.engine import cache
from pipeline_src.engine.explain import differences
from pipeline_src.engine.job import Job
from pipeline_src.engine.stamp import Stamp, described
from pipeline_src.errors import UserError, listed
from pipeline_src.files import SPACE, check_writable, writing

log = logging.getLogger(__name__)


def execute(job: Job, expected: str | None = None) -> bool:
    """Let the job's `work` write its files into a new folder, then put them in place and stamp them. A result of the
    same contract that was made before is taken over instead.

    Until all files are there, the result of an earlier contract stays as it was, stamp included. Processes that want
    the same result wait for each other.

    Args:
        expected: the contract that the caller was planned with.

    Returns:
        False if the result was current already and nothing was done.

    Raises:
        UserError: the contract is another than `expected`, an input is not current, the folder cannot be written, the
            disk is full or nearly so, or `work` left out a file.
    """
    if expected is not None and expected != job.contract:
        raise UserError(
            f"{job.name}: parameters, data or code changed since this run was planned",
            found=job.contract,
            expected=expected,
            do="start the command again",
        )
    stale = [f"{of.name}: {'; '.join(differences(of))}" for of in job.inputs.values() if not of.current]
    if stale:
        raise UserError(
            f"{job.name}: inputs are not current:{listed(stale)}",
            do="run `snakemake --cores all`, which makes them first",
        )
    job.folder.mkdir(parents=True, exist_ok=True)
    check_writable(job.folder, 0 if job.current else SPACE)
    with _alone(job, job.folder / f".{job.stem}.lock"), _alone(job, job.top / cache.FOLDER / "locks" / job.contract):
        if job.current:
            log.info("%s is current", job.name)
            return False
        staging = job.folder / f".{job.stem}.new"
        shutil.rmtree(staging, ignore_errors=True)  # of a run that was killed
        staging.mkdir()
        stamp = cache.take(job, staging)
        if stamp:
            made = "{folder} on {time}".format(**stamp.made)
            log.info("%s taken over: same contract as %s made in %s", job.name, stamp.made["job"], made)
        else:
            stamp = _make(job, staging)
            log.info("%s done in %.1f s", job.name, stamp.made["seconds"])
        publish(job, staging, stamp)
        shutil.rmtree(job.scratch, ignore_errors=True)
    return True


def _make(job: Job, staging: Path) -> Stamp:
    """Let the job work; its stamp."""
    started = time.perf_counter()
    with writing(staging):
        job.work(job, staging)
    seconds = time.perf_counter() - started
    missing = [name for name in job.files if not (staging / name).is_file()]
    if missing:
        raise UserError(f"{job.name} did not write {', '.join(missing)}", found=sorted(os.listdir(staging)))
    made = {
        "job": job.name,
        "folder": job.folder.as_posix(),
        "time": now(),
        "seconds": round(seconds, 3),
        "memory": _memory(),
    }
    return Stamp(job.ingredients, job.details, described(staging, job.files), made)


def publish(job: Job, staging: Path, stamp: Stamp) -> None:
    """Move a result from `staging` to its place. Old stamps go first and the new one comes last, so a stamp never
    vouches for a mixture; what an old one vouched for stays in the cache."""
    for path in job.stamps():
        old = Stamp.read(path)
        if old and old.is_whole(job.folder):
            cache.keep(job.top, path.suffix[1:], job.folder, old)
        path.unlink()
        for name in set(old.files) - set(job.files) if old else ():
            (job.folder / name).unlink(missing_ok=True)
    for name in job.files:
        os.replace(staging / name, job.folder / name)
    shutil.rmtree(staging)
    stamp.write(job.stamp)
    cache.keep(job.top, job.contract, job.folder, stamp)


def now() -> str:
    """The time, as stamps have it."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


@contextmanager
def _alone(job: Job, path: Path) -> Iterator[None]:
    """Hold a lock; say so if another process has it (the child of a killed engine, or a job with the same contract)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("%s is being made by another process; waiting for it", job.name)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _memory() -> float:
    """The largest resident set so far, of this process or one that it started, in MB."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / unit
