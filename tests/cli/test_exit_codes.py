"""Exit codes of `python -m pipeline_src`, and errors outside of its commands."""

from __future__ import annotations

import errno
import os
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


def fails(error: BaseException) -> None:
    raise error


def killed() -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        pool.submit(os._exit, 9).result()


@pytest.mark.parametrize(
    ("command", "code", "named"),
    [
        (lambda: fails(ImportError("libGL.so.1: cannot open shared object file")), 2, "libgl1"),
        (lambda: fails(ModuleNotFoundError("", name="torch")), 2, "[pipeline]"),
        (lambda: fails(ImportError("cannot import name 'x' from 'y'")), 1, "cannot import name 'x'"),
        (killed, 2, "--cores 1"),
    ],
)
def test_errors_outside_of_commands(monkeypatch, caplog, command, code, named):
    monkeypatch.setattr("pipeline_src.cli.main.app", command)
    with pytest.raises(SystemExit) as stop:
        __main__.main()
    assert stop.value.code == code and named in caplog.text


@pytest.mark.parametrize("command", ["publish", "rebuild", "compare a b", "run-job tables"])
@pytest.mark.parametrize("number", ["-1", "0", "1000000000000"])
def test_an_impossible_number_of_processes_is_refused(command, number):
    option = "--processes" if command.startswith("run-job") else "--cores"
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, [*command.split(), option, number])
    assert done.exit_code == 2 and f"Invalid value for '{option}'" in done.output


def test_a_rebuild_of_nothing_names_the_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        app(["rebuild"])
    assert stop.value.code == 0 and "results/published" in capsys.readouterr().err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(130)], ids=["while it imports", "in a command"])
def test_an_interrupt_prints_one_word(monkeypatch, capsys, error):
    monkeypatch.setattr(__main__, "_run", lambda app: fails(error))
    with pytest.raises(SystemExit) as stop:
        __main__.main()
    assert stop.value.code == 130 and capsys.readouterr().err == "Aborted!\n"


def test_a_removed_working_folder_is_an_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tmp_path.rmdir()
    with pytest.raises(SystemExit) as stop:
        __main__.main()
    assert stop.value.code == 2


def test_a_folder_that_cannot_be_created_is_named(tmp_path, monkeypatch):
    error = OSError(errno.EROFS, "Read-only file system", str(tmp_path / "a"))  # the first missing folder
    monkeypatch.setattr(Path, "mkdir", lambda *_, **__: fails(error))
    with pytest.raises(UserError, match="a/b/c"):
        check_writable(tmp_path / "a/b/c")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux's device that is always full")
def test_a_full_output_is_no_traceback():
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "pipeline_src", "--version"], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2 and b"No space left" in done.stderr
    assert b"Traceback" not in done.stderr and b"Exception ignored" not in done.stderr


def test_a_closed_pipe_is_no_error_message():
    """As after `| head`."""
    readable, writable = os.pipe()
    os.close(readable)
    done = subprocess.run([sys.executable, "-m", "pipeline_src", "--version"], stdout=writable, stderr=subprocess.PIPE)
    os.close(writable)
    assert done.returncode == 1 and done.stderr == b""
