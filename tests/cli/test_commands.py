"""Help, the installed command, errors of ranks and of post-hoc methods of the user."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest
import torch
from typer.main import get_command

from pipeline_src import __main__
from pipeline_src.cli.main import app
from pipeline_src.errors import UserError
from pipeline_src.training import callbacks, machine
from pipeline_src.training.registry import choose


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


def test_there_are_at_most_20_commands():
    top = get_command(app).commands.values()
    assert sum(len(getattr(command, "commands", [1])) for command in top) <= 20


def test_what_a_rank_tells_reaches_the_user(tmp_path, monkeypatch):
    def fails() -> None:
        raise UserError("the loss is nan", fix="lower training.lr")

    def run(command, check):
        with pytest.raises(UserError):
            machine.run_rank(fails, tmp_path)
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(UserError, match=r"the loss is nan\n  fix: +lower"):
        machine.launch_ranks(["train"], 2, tmp_path)
    (tmp_path / machine.ERROR_FILE).unlink()
    monkeypatch.setattr(subprocess, "run", lambda command, check: subprocess.CompletedProcess(command, 1))
    with pytest.raises(subprocess.CalledProcessError):
        machine.launch_ranks(["train"], 2, tmp_path)


def test_a_command_draws_whatever_a_notebook_draws_with(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "module://of_a_notebook")
    imported = [sys.executable, "-c", "import matplotlib; print(matplotlib.get_backend())"]
    monkeypatch.setattr("pipeline_src.cli.main.app", lambda: said.append(subprocess.check_output(imported, text=True)))
    said: list[str] = []
    __main__.main()
    assert said == ["agg\n"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("    def fit(self, *given): return {'t': float('nan')}", r"Mine.fit\(\)[\s\S]*finite"),
        ("    def fit(self, *given): return 1 / 0", r"mine.py: Mine.fit\(\) fails in line 5[\s\S]*ZeroDivisionError"),
        ("    def probability(self, z, size, fitted): return np.ones((2, 2))", r"shape \(2, 2\)[\s\S]*\(6, 5\)"),
        ("    def probability(self, z, size, fitted): return np.full(size, np.nan)", r"values from nan"),
        ("    def logits(self, networks, x, ids, seed): return x", r"Mine.logits\(\)[\s\S]*list of tensors"),
    ],
)
def test_a_fault_of_a_post_hoc_method_is_named(tmp_path, body, message):
    method = _mine(tmp_path, body)
    with pytest.raises(UserError, match=message):
        callbacks.fit(method, [], None, None)
        z = callbacks.logits(method, [lambda x: x[:, :1].float()], torch.zeros(2, 3, 4, 4), ["a", "b"], 0)
        callbacks.probability(method, [each[0] for each in z], (6, 5), {})


def _mine(folder, body: str):
    head = "import numpy as np\nfrom pipeline_src.training.posthoc import PostHoc\n\nclass Mine(PostHoc):\n"
    (folder / "mine.py").write_text(head + body + "\n")
    return choose("mine", {"file": str(folder / "mine.py")}).method
