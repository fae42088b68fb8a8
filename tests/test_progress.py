"""Lines of progress: of long work alone."""

from __future__ import annotations

import pytest

from pipeline_src import progress


@pytest.mark.parametrize(("seconds", "lines"), [(1, 0), (6, 3), (11, 7)])
def test_long_work_tells_how_far_it_is(monkeypatch, caplog, seconds, lines):
    """Seven images, on a clock that each moves on by so many seconds."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    caplog.set_level("INFO", "pipeline_src")
    for image in progress.with_progress(iter("abcdefg"), 7):
        now[0] += seconds
        assert image in "abcdefg"
    assert len(caplog.messages) == lines
    if lines:
        assert "/7  " in caplog.messages[0] and caplog.messages[0].endswith("s left")
