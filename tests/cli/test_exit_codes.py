"""What `python -m pipeline_src` makes of errors while it imports."""

from __future__ import annotations

import logging
import re

import pytest

from pipeline_src import __main__


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (
            ImportError("libGL.so.1: cannot open shared object file: No such file or directory"),
            2,
            r"libGL\.so\.1[\s\S]*apt-get install libgl1 libglib2\.0-0",
        ),
        (ImportError("cannot import name 'x' from 'y'"), 1, "unforeseen error"),
    ],
)
def test_a_missing_library_of_the_system_is_the_users_to_install(monkeypatch, caplog, error, code, message):
    def app() -> None:
        raise error

    monkeypatch.setattr("pipeline_src.cli.main.app", app)
    with caplog.at_level(logging.ERROR, "pipeline_src"), pytest.raises(SystemExit) as stop:
        __main__.main()
    assert stop.value.code == code
    assert re.search(message, caplog.records[-1].getMessage())
