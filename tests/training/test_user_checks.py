"""What a user's file reads past its contract, and methods that nothing calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline_src.training.registry import choose
from pipeline_src.training.user_checks import hidden_inputs, notes

HEAD = "import importlib, os, runpy\nimport numpy as np\nfrom pipeline_src.training.method import Method\n"


@pytest.fixture
def mine(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("weights.csv", "helper.py"):
        (tmp_path / name).write_text("1\n")
    (tmp_path / "package").mkdir()
    (tmp_path / "package/__init__.py").touch()
    return tmp_path / "mine.py"


@pytest.mark.parametrize(
    "line",
    [
        "np.loadtxt('weights.csv')",
        "open('weights.csv')",
        "importlib.import_module('helper')",
        "__import__('package')",
        "exec(open('helper.py').read())",
        "runpy.run_path('helper.py')",
        "importlib.import_module(NAME)",
        "exec(CODE)",
        "open(NAME)",
        "NAME.read_text()",
        "os.environ['NAME']",
        "os.getenv('NAME')",
    ],
)
def test_what_is_read_past_the_contract_is_named_by_line(mine, line):
    mine.write_text(f"{HEAD}\n\ndef read():\n    return {line}\n")
    (told,) = hidden_inputs(mine)
    assert told.startswith("mine.py, line 7: ")
    assert "files:" in told or "parameter of the method" in told


@pytest.mark.parametrize(
    "line",
    [
        "np.loadtxt('absent.csv')",
        "importlib.import_module('numpy.linalg')",
        "exec('A = 1')",
        "os.path.join('a', 'b')",
        "'a text about weights.csv'",
    ],
)
def test_what_reads_nothing_of_the_users_is_not(mine, line):
    mine.write_text(f"{HEAD}\n\ndef read():\n    return {line}\n")
    assert hidden_inputs(mine) == []


def test_what_is_declared_is_not_told(mine):
    lines = ("np.loadtxt('weights.csv')", "importlib.import_module('helper')", "open(NAME)")
    mine.write_text(f"{HEAD}\n\ndef read():\n    return [{', '.join(lines)}]\n")
    assert hidden_inputs(mine, [Path("weights.csv"), Path("helper.py")]) == []
    (told,) = hidden_inputs(mine, [Path("weights.csv")])
    assert "import_module('helper')" in told


def test_methods_that_nothing_calls_are_told_and_others_are_not(mine):
    mine.write_text(
        HEAD + "from pydantic import field_validator\n\n\nclass Mine(Method):\n    weight: float = 1.0\n\n"
        "    @field_validator('weight')\n    @classmethod\n    def positive(cls, value): return value\n"
        "    def describe(self): return 'mine'\n"
        "    def target(self, y): return y\n"
        "    def targets(self, y, batch): return self.target(y)\n"
        "    def _step(self): pass\n"
    )
    chosen = choose("mine", {"file": "mine.py"})
    assert notes(type(chosen.method), [chosen.file], []) == ["mine.py: nothing calls Mine.describe()"]


def test_methods_of_the_project_have_nothing_to_tell():
    method = choose("aslp_mc", {}).method
    assert notes(type(method), [], []) == []
