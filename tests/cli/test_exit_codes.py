"""What `python -m pipeline_src` makes of errors that no command meets: of imports, and of the folder to work in."""

from __future__ import annotations

import errno
import logging
import os
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline_src import __main__
from pipeline_src.cli.main import app
from pipeline_src.errors import UserError
from pipeline_src.files import check_writable


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


@pytest.mark.parametrize("command", ["publish", "rebuild", "compare a b", "run-job tables"])
@pytest.mark.parametrize("number", ["-1", "0", "1000000000000"])
def test_a_number_of_processes_that_cannot_be_is_refused(command, number):
    option = "--processes" if command.startswith("run-job") else "--cores"
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, [*command.split(), option, number])
    assert done.exit_code == 2 and f"Invalid value for '{option}'" in done.output


def test_nothing_that_is_published_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        app(["rebuild"])
    assert stop.value.code == 0 and "results/published holds no experiment" in capsys.readouterr().err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(130)], ids=["while it imports", "in a command"])
def test_an_interrupt_is_a_word(monkeypatch, capsys, error):
    def interrupted(app) -> None:
        raise error

    monkeypatch.setattr(__main__, "_run", interrupted)
    with pytest.raises(SystemExit) as stop:
        __main__.main()
    assert stop.value.code == 130 and capsys.readouterr().err == "Aborted!\n"


def test_a_process_that_was_killed_is_named(monkeypatch, caplog):
    def killed() -> None:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            pool.submit(os._exit, 9).result()

    monkeypatch.setattr("pipeline_src.cli.main.app", killed)
    with pytest.raises(SystemExit) as stop:
        __main__.main()
    assert stop.value.code == 2 and "a process that worked for this command was killed" in caplog.text


def test_a_working_folder_that_is_gone_is_named(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    tmp_path.rmdir()
    with pytest.raises(SystemExit) as stop:
        __main__.main()
    assert stop.value.code == 2 and "the working folder does not exist" in caplog.text


def test_a_folder_that_cannot_be_made_is_named(tmp_path, monkeypatch):
    def read_only(folder, **options) -> None:  # names the first folder that is missing, and not the one asked for
        raise OSError(errno.EROFS, "Read-only file system", str(tmp_path / "a"))

    monkeypatch.setattr(Path, "mkdir", read_only)
    with pytest.raises(UserError, match=r"a/b/c cannot be made[\s\S]*Read-only"):
        check_writable(tmp_path / "a/b/c")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux's device that is always full")
def test_an_output_that_is_full_is_no_traceback():
    with open("/dev/full", "w") as full:
        run = subprocess.run([sys.executable, "-m", "pipeline_src", "--version"], stdout=full, stderr=subprocess.PIPE)
    assert run.returncode == 2
    assert b"the output could not be written" in run.stderr and b"No space left" in run.stderr
    assert b"Traceback" not in run.stderr and b"Exception ignored" not in run.stderr


def test_a_reader_that_goes_away_is_no_error_message():
    """As `| head` does."""
    readable, writable = os.pipe()
    os.close(readable)
    run = subprocess.run([sys.executable, "-m", "pipeline_src", "--version"], stdout=writable, stderr=subprocess.PIPE)
    os.close(writable)
    assert run.returncode == 1 and run.stderr == b""
