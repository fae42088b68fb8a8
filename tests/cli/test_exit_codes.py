"""Exit codes of `python -m pipeline_src`, and errors outside of its commands."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from pipeline_src import __main__
from pipeline_src.cli.main import app
from pipeline_src.errors import UserError
from pipeline_src.processes import OWNER


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
        (lambda: Path("n" * 300).stat(), 2, "n" * 300),
        (lambda: Path("n/a").stat(), 1, "n/a"),
        (killed, 2, "--cores 1"),
    ],
)
def test_errors_outside_of_commands(monkeypatch, caplog, command, code, named):
    monkeypatch.setattr("pipeline_src.cli.main.app", command)
    with pytest.raises(SystemExit) as stop:
        __main__.main()
    assert stop.value.code == code and named in caplog.text


def test_a_rebuild_of_nothing_names_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=rf"{tmp_path}/results/published(.|\n)*experiment\.json"):
        app(["rebuild"])


@pytest.mark.parametrize(("owner", "printed"), [("", "Aborted!\n"), ("1", "")], ids=["of a user", "of Snakemake"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(130)], ids=["while it imports", "in a command"])
def test_an_interrupt_prints_one_word_or_leaves_it_to_snakemake(monkeypatch, capsys, error, owner, printed):
    monkeypatch.setattr(__main__, "_run", lambda app: fails(error))
    monkeypatch.setattr(os, "environ", os.environ | ({OWNER: owner} if owner else {}))
    with pytest.raises(SystemExit) as stop:
        __main__.main()
    assert stop.value.code == 130 and capsys.readouterr().err == printed
