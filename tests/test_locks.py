"""Locks: two processes never hold one."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import pytest

from pipeline_src import locks
from pipeline_src.errors import UserError
from pipeline_src.locks import alone


@pytest.fixture
def held(tmp_path) -> threading.Event:
    """Another thread holds the lock until the event is set."""
    taken, release = threading.Event(), threading.Event()

    def hold() -> None:
        with alone("first", tmp_path / "a/lock"):
            taken.set()
            release.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert taken.wait(10)
    yield release
    release.set()
    thread.join()


def test_who_wants_a_held_lock_waits_and_says_so(held, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(locks, "POLL", 0.05)
    caplog.set_level(logging.INFO, "pipeline_src")
    threading.Timer(0.3, held.set).start()
    started = time.monotonic()
    with alone("second", tmp_path / "a/lock"):
        assert time.monotonic() - started > 0.2
    assert "second" in caplog.text


def test_who_does_not_want_to_wait_is_refused(held, tmp_path):
    with pytest.raises(UserError, match="busy"), alone("second", tmp_path / "a/lock", UserError("busy")):
        pass
    held.set()


def test_a_lock_that_is_not_waited_for_leaves_no_file(tmp_path):
    with alone("first", tmp_path / "lock", UserError("busy")):
        assert Path(tmp_path / "lock").exists()
    assert not Path(tmp_path / "lock").exists()
