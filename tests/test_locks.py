"""Locks where the file system has some, and where it has none."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import SoftFileLease
from made_sets import entry, pairs, write_zip

from pipeline_src import locks
from pipeline_src.data import sources
from pipeline_src.locks import alone
from pipeline_src.pipeline.job import Job
from pipeline_src.pipeline.runner import run_job


@pytest.fixture(autouse=True)
def told(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(locks, "POLL", 0.05)
    caplog.set_level(logging.INFO, "pipeline_src")
    return caplog


@pytest.fixture(params=[errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def without_flock(request, monkeypatch):
    """A file system without locks."""

    def flock(*_) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", flock)


def hold(path: Path, seen: list[str], name: str, until: Callable[[], bool] = lambda: True) -> threading.Thread:
    """A thread that has the lock until something is so, or for ten seconds."""
    started = threading.Event()

    def work() -> None:
        with alone(name, path):
            seen.append(f"{name} begins")
            started.set()
            end = time.monotonic() + 10
            while not until() and time.monotonic() < end:
                time.sleep(0.01)
            seen.append(f"{name} ends")

    thread = threading.Thread(target=work)
    thread.start()
    assert started.wait(10)
    return thread


def one_after_another(told) -> list[str]:
    """The first has the lock until the second says that it waits."""
    seen: list[str] = []
    first = hold(Path("a/lock"), seen, "first", lambda: WAITS in messages(told))
    second = hold(Path("a/lock"), seen, "second")
    first.join()
    second.join()
    return seen


def messages(told) -> list[str]:
    return [record.message for record in told.records]


WAITS = "second is being made by another process; waiting for it"
ORDER = ["first begins", "first ends", "second begins", "second ends"]


def test_two_never_hold_a_lock(told):
    assert one_after_another(told) == ORDER
    assert messages(told) == [WAITS]


def test_a_file_that_is_renewed_takes_the_place_of_a_lock(told, without_flock):
    assert one_after_another(told) == ORDER
    assert WAITS in messages(told) and sum("the file system has no locks" in line for line in messages(told)) <= 1
    assert not Path("a/lock.lease").exists()


def test_what_a_machine_held_when_it_died_is_free_after_a_while(without_flock, monkeypatch):
    monkeypatch.setattr(locks, "LEASE", 1.0)
    lease = SoftFileLease("lock.lease", lease_duration=1.0, heartbeat_interval=0.9)
    lease.acquire()
    content = Path("lock.lease").read_text()
    lease.release()
    here = socket.gethostname()
    assert here in content
    Path("lock.lease").write_text(content.replace(here, "a-machine-that-died"))
    started = time.monotonic()
    with alone("train", Path("lock")):
        assert time.monotonic() - started >= 1
    assert not Path("lock.lease").exists()


def test_any_other_error_is_not_a_missing_lock(monkeypatch):
    def flock(*_) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OSError, match="Input/output"), alone("train", Path("lock")):
        pass


def write(job: Job, folder: Path) -> None:
    (folder / "x.txt").write_text(json.dumps(1))


def test_a_job_is_made_without_locks(without_flock):
    job = Job("train", "train/a", Path("results/a"), "train", ("x.txt",), write)
    assert run_job(job) and not run_job(job)


def test_an_archive_is_unpacked_without_locks(without_flock, tmp_path):
    write_zip(tmp_path / "a.zip", pairs(2))
    mine = entry(archive="a.zip", images="Image", masks="GT")
    for _ in range(2):  # the second finds it there
        root = sources.open_root(sources.locate(mine, tmp_path, tmp_path / "unpacked"), tmp_path / "unpacked")
        assert len(list(root.rglob("*.png"))) >= 2
