"""Run a job so that its result is whole and current, or untouched."""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline_src.engine.job import Job
from pipeline_src.errors import UserError, listed
from pipeline_src.files import write_text

log = logging.getLogger(__name__)


def execute(
    job: Job, work: Callable[[Path], None], expected: str | None = None, present: list[Path] | None = None
) -> bool:
    """Let `work(folder)` write the job's files into a new folder, then put them in place and stamp them.

    Until `work` has returned, the result of an earlier contract stays as it was, stamp included. Two processes that
    want the same job wait for each other.

    Args:
        expected: the contract that the caller was planned with.
        present: files without which a current stamp is not believed (somebody may have removed them).

    Returns:
        False if the result was current already and nothing was done.

    Raises:
        UserError: the contract is another than `expected`, or an input is not current.
    """
    if expected is not None and expected != job.contract:
        raise UserError(
            f"{job.name}: parameters, data or code changed since this run was planned",
            found=job.contract,
            expected=expected,
            do="start the command again",
        )
    stale = [f"{needed.name}{explained(needed)}" for needed in job.inputs if not needed.current]
    if stale:
        raise UserError(
            f"{job.name}: inputs are not current:{listed(stale)}",
            do="run `snakemake --cores all`, which makes them first",
        )
    job.folder.mkdir(parents=True, exist_ok=True)
    with _alone(job):
        if job.current and all(file.exists() for file in present or ()):
            log.info("%s is current", job.name)
            return False
        staging = job.folder / f".{job.stem}.new"
        shutil.rmtree(staging, ignore_errors=True)  # of a run that was killed
        staging.mkdir()
        started = time.perf_counter()
        work(staging)
        _publish(job, staging)
        log.info("%s done in %.1f s", job.name, time.perf_counter() - started)
    return True


@contextmanager
def _alone(job: Job) -> Iterator[None]:
    """Hold the job's lock; say so if another process has it (the child of a killed engine, say)."""
    lock = FileLock(job.folder / f".{job.stem}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("%s is being made by another process; waiting for it", job.name)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _publish(job: Job, staging: Path) -> None:
    """Old stamps go first and the new one comes last, so a stamp never vouches for a mixture."""
    for stamp in job.stamps():
        stamp.unlink()
    names = {path.name for path in staging.iterdir()}
    for old in job.folder.iterdir() if job.exclusive else ():
        if old.name not in names and not old.name.startswith("."):
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    for path in staging.iterdir():
        os.replace(path, job.folder / path.name)
    staging.rmdir()
    write_text(job.stamp, json.dumps(job.ingredients, indent=1, sort_keys=True, default=str) + "\n")


def explained(job: Job) -> str:
    """Why a job is not current: which of its ingredients differ from those of the result that lies there."""
    stamps = job.stamps()
    if not stamps:
        return ": not made yet"
    before = json.loads(stamps[0].read_text(encoding="utf-8"))
    now = json.loads(json.dumps(job.ingredients, default=str))
    return ": " + "; ".join(_differences(before, now)) if before != now else ""


def _differences(before: object, now: object, key: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        keys = dict.fromkeys([*before, *now])
        return [
            text
            for k in keys
            if before.get(k) != now.get(k)
            for text in _differences(before.get(k), now.get(k), f"{key}.{k}")
        ]
    key = key.lstrip(".")
    return [
        f"{key} changed" if key in ("code", "files") or key.startswith("inputs") else f"{key} {before!r} -> {now!r}"
    ]
