"""Help and the installed command."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest
from typer.main import get_command

from pipeline_src import __main__
from pipeline_src.cli.main import app


def documented() -> dict[str, list[str]]:
    """The lines to type in the help of each command that help lists, by its name."""
    top, lines = get_command(app), {}
    for name, command in top.commands.items():
        inner = getattr(command, "commands", None)
        for below, each in (inner or {"": command}).items():
            if not each.hidden:
                words = f"dense-calibration {name} {below}".rstrip()
                lines[words] = re.findall(r"^ *Example: (.+)$", each.help, re.MULTILINE)
    return lines


@pytest.mark.parametrize(("words", "lines"), documented().items())
def test_help_has_examples_that_the_command_line_takes(words, lines):
    assert lines and all(f"{line} ".startswith(f"{words} ") for line in lines)
    for line in lines:
        command, given = get_command(app), shlex.split(line)[1:]
        while hasattr(command, "commands"):
            command = command.commands[given.pop(0)]
        command.make_context(words, given).close()  # an error where an option or a value is not known


def test_a_command_draws_whatever_a_notebook_draws_with(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "module://of_a_notebook")
    imported = [sys.executable, "-c", "import matplotlib; print(matplotlib.get_backend())"]
    monkeypatch.setattr("pipeline_src.cli.main.app", lambda: said.append(subprocess.check_output(imported, text=True)))
    said: list[str] = []
    __main__.main()
    assert said == ["agg\n"]
