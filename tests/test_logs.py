"""Log lines of progress."""

from __future__ import annotations

import pytest

from pipeline_src import logs


@pytest.mark.parametrize(("seconds", "lines"), [(1, 0), (6, 3), (11, 7)])
def test_only_long_work_logs_its_progress(monkeypatch, caplog, seconds, lines):
    """Seven images that take so many seconds each."""
    now = [0.0]
    monkeypatch.setattr(logs.time, "perf_counter", lambda: now[0])
    caplog.set_level("INFO", "pipeline_src")
    for _ in logs.with_progress(range(7), 7):
        now[0] += seconds
    assert len(caplog.messages) == lines
