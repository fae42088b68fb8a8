"""What counts of a Python file, and the files that its imports add."""

from __future__ import annotations

import ast
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from project import forget_code

from pipeline_src.errors import UserError
from pipeline_src.pipeline import fingerprint, syntax
from pipeline_src.pipeline.fingerprint import code_digests

FILES = {
    "__init__": "",
    "errors": "MOST = 20\n",
    "data/__init__": "",
    "data/entry": "",
    "training/__init__": "",
    "training/strength": "STRENGTH = 1\n",
    "training/weaker/__init__": "",
    "training/weaker/half": "HALF = 0.5\n",
    "loop": "from pipeline_src.training.slp import *\n",
}
HEAD = """
import logging
import logging as other
import typing
import warnings
from typing import TYPE_CHECKING
from pydantic import Field
from pipeline_src.errors import UserError
from pipeline_src.counting.bins import UndefinedMetricError
log = logging.getLogger(__name__)
events = []
"""


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """A package of a few files."""
    folder = tmp_path / "pipeline_src"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fingerprint, "ROOT", folder)
    forget_code()
    yield folder
    forget_code()


def code(*modules: str) -> dict[str, str]:
    forget_code()
    return code_digests(len, (), [f"pipeline_src.{name}" for name in modules])


FORMS = [  # in training/slp.py, and the file that it adds
    ("from pipeline_src.training.strength import STRENGTH", "training/strength.py"),
    ("from pipeline_src.training import strength", "training/strength.py"),
    ("import pipeline_src.training.strength as strength", "training/strength.py"),
    ("import pipeline_src.training.strength", "training/strength.py"),
    ("from .strength import STRENGTH", "training/strength.py"),
    ("from .strength import *", "training/strength.py"),
    ("from . import strength", "training/strength.py"),
    ("from ..training import strength", "training/strength.py"),
    ("from ..training.weaker.half import HALF", "training/weaker/half.py"),
    ("from .weaker import half", "training/weaker/half.py"),
    ("from . import weaker\nx = weaker.half.HALF", "training/weaker/half.py"),
    ("from . import *\nx = weaker.half.HALF", "training/weaker/half.py"),
    ("from pipeline_src import training\nx = training.strength.STRENGTH", "training/strength.py"),
    ("from pipeline_src import training\nx = getattr(training, 'strength').STRENGTH", "training/strength.py"),
    ("import pipeline_src\nx = pipeline_src.training.weaker.half.HALF", "training/weaker/half.py"),
    ("def f():\n    from .strength import STRENGTH", "training/strength.py"),
    ("try:\n    from .strength import STRENGTH\nexcept ImportError:\n    STRENGTH = 0", "training/strength.py"),
    (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    STRENGTH = 0\nelse:\n    from . import strength",
        "training/strength.py",
    ),
]


@pytest.mark.parametrize(("form", "file"), FORMS)
def test_a_constant_behind_an_import_counts(package, form, file):
    (package / "training/slp.py").write_text(f"{form}\n")
    before = code("loop")
    assert f"pipeline_src/{file}" in before
    (package / file).write_text("CHANGED = 3\n")
    after = code("loop")
    assert {name for name in before if after[name] != before[name]} == {f"pipeline_src/{file}"}


def test_a_package_in_another_modules_name_counts(package):
    (package / "training/slp.py").write_text("from pipeline_src import training as other\n")
    (package / "loop.py").write_text("from pipeline_src.training import slp\nx = slp.other.weaker.half.HALF\n")
    assert "pipeline_src/training/weaker/half.py" in code("loop")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("import importlib\nmodule = importlib.import_module('pipeline_src.training.strength')", 2),
        ("from importlib import import_module\nimport_module(f'pipeline_src.{x}')", 1),
        ("from importlib import import_module as load\n\nload('pipeline_src.training.strength')", 1),
        ("def f(x):\n    return __import__(x)", 2),
        ("import builtins\nf = builtins.__import__", 2),
    ],
)
def test_an_import_by_a_function_is_refused_with_its_place(package, text, line):
    (package / "training/slp.py").write_text(f"{text}\n")
    with pytest.raises(UserError, match=rf"pipeline_src/training/slp\.py, line {line}:"):
        code("loop")
    (package / "data/sources.py").write_text(f"{text}\n")  # whose generator is in the modules of jobs
    (package / "training/slp.py").write_text("from pipeline_src.data import sources\n")
    assert "pipeline_src/data/sources.py" in code("loop")


@pytest.mark.parametrize("file", ["mine.py", "mine/__init__.py"])
def test_an_import_of_a_module_beside_the_package_is_refused(package, file):
    (package / "training/slp.py").write_text("import mine\n")
    assert code("loop")  # as an optional package that is not installed
    path = package.parent / file
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    with pytest.raises(UserError, match=file):
        code("loop")


def text_of(source: str) -> str:
    return syntax.text(syntax.Remover(["pipeline_src", "training"]).visit(ast.parse(HEAD + source)))


SAME = [
    ("def f():\n    return 1", 'def f():\n    """One."""\n    return 1  # the first'),
    ("def f(x, y=2): return x", "def f(x: int, y: list[str] = 2) -> int: return x"),
    ("x = 1", "x = 1\nlog.info('%d', x)"),
    ("x = 1", "x = 1\nwarnings.warn('x')"),
    ("log.info('a %d', f(x))", "log.warning('b %d', f(x))"),
    ("raise UserError('a', found=1)", "raise UserError('b', fix=f(2))"),
    ("raise ValueError('a') from error", "raise ValueError(f'b {x}') from error"),
    ("x: int = Field(1, description='a')", "x: int = Field(1, description='b')"),
    ("x = 1", "x = 1\nif TYPE_CHECKING:\n    from pipeline_src.data.store import Store"),
    ("x = 1", "x = 1\nif typing.TYPE_CHECKING:\n    y = 2"),
    ("from .strength import A, B", "from pipeline_src.training.strength import A\nfrom .strength import B"),
]
OTHER = [
    ("loss = MeanSquaredError(1.0)", "loss = MeanSquaredError(2.0)"),
    ("m = CalibrationError(n_bins=15)", "m = CalibrationError(n_bins=10)"),
    ("with reading(1): pass", "with reading(2): pass"),
    ("raise UndefinedMetricError('no pixel')", "raise UndefinedMetricError('no image')"),
    ("raise UserError('a') from f(1)", "raise UserError('a') from f(2)"),
    ("x = 1", "x = 1\nevents.append(x)"),
    ("def f(log): return log", "def f(log):\n    log.append(1)\n    return log"),
    ("def f(log): log.info(1)", "def f(log): log.info(2)"),
    ("log = Record()\nlog.info(1)", "log = Record()\nlog.info(2)"),
    ("with record() as log:\n    log.info(1)", "with record() as log:\n    log.info(2)"),
    ("x = 1", "x = 1\nother.info(x)"),
    ("x = 1", "x = 1\nwarnings.simplefilter('error')"),
    ("log.info('%d', rng.integers(3))", "log.info('%d', 3)"),
    ("log.info('%d', f(1))", "log.info('%d', f(2))"),
    ("log.info('%d', x := 1)", "log.info('%d', x)"),
    ("x = Field(1, le=2)", "x = Field(1, le=3)"),
    ("x = other.Field(description=2)", "x = other.Field(description=3)"),
    ("if TYPE_CHECKING: x = 1\nelse: x = 2", "if TYPE_CHECKING: x = 1\nelse: x = 3"),
    ("if not TYPE_CHECKING: x = 1", "if not TYPE_CHECKING: x = 2"),
    ("for x in y: break", "for x in y: continue"),
    ("x = f(None)", "x = f(0)"),
    ("x: float = 1", "x: int = 1"),
    ("from .strength import A", "from ..strength import A"),
]


@pytest.mark.parametrize(("before", "after"), SAME)
def test_what_cannot_change_a_result_does_not_count(before, after):
    assert text_of(before) == text_of(after)


@pytest.mark.parametrize(("before", "after"), OTHER)
def test_what_can_change_a_result_counts(before, after):
    assert text_of(before) != text_of(after)


WORK = """
import numpy
LOW = 0.2
LOW = 2 * LOW
SIZES = {}
SIZES["a"] = [size for size in (1, 2)]
HIGH: float = 1
def prepare(): return LOW
def store(): return half() + SIZES["a"]
def half(): return numpy.log(HIGH)
try:
    MORE = 1
except ImportError:
    pass
"""


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("LOW = 0.2", "LOW = 0.3", {"prepare"}),
        ("2 * LOW", "3 * LOW", {"prepare"}),
        ("(1, 2)", "(1, 3)", {"store"}),
        ("float = 1", "float = 2", {"store"}),
        ("numpy.log", "numpy.exp", {"store"}),
        ("import numpy", "import numpy.ma as numpy", {"store"}),
        ("MORE = 1", "LOW = 1", {"prepare", "store"}),
    ],
)
def test_a_function_counts_with_the_definitions_that_it_uses(package, old, new, changed):
    def work(name: str) -> Callable[[], None]:
        def function() -> None: ...

        function.__module__, function.__name__ = "pipeline_src.pipeline.steps.work", name
        return function

    functions = {name: work(name) for name in ("prepare", "store")}
    digests = []
    for text in (WORK, WORK.replace(old, new)):
        (package / "pipeline/steps").mkdir(parents=True, exist_ok=True)
        (package / "pipeline/steps/work.py").write_text(text)
        forget_code()
        digests.append({name: code_digests(function, ()) for name, function in functions.items()})
    assert {name for name in functions if digests[0][name] != digests[1][name]} == changed


# The records of digests


def with_equal_time_and_size(path: Path, text: str) -> None:
    info = path.stat()
    assert len(text) == info.st_size
    path.write_text(text)
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


def test_a_change_of_equal_size_and_time_is_seen(package):
    before = code("training.strength")
    with_equal_time_and_size(package / "training/strength.py", "STRENGTH = 2\n")
    assert code("training.strength") != before


def test_a_module_that_becomes_a_package_is_followed(package):
    (package / "training/slp.py").write_text("from pipeline_src.training import strength\n")
    before = code("loop")
    (package / "training/strength").mkdir()
    shutil.move(package / "training/strength.py", package / "training/strength/__init__.py")
    (package / "training/strength/more.py").write_text("MORE = 1\n")
    after = code("loop")
    moved = {f"pipeline_src/training/strength/{name}.py" for name in ("__init__", "more")}
    assert after.keys() == before.keys() - {"pipeline_src/training/strength.py"} | moved
    records = json.loads(fingerprint.CACHE.read_bytes())["known"]
    assert "training/strength.py" not in records and "training/strength/more.py" in records


@pytest.mark.parametrize("damage", [lambda text, digest: text.replace(digest, "0" * 16), lambda text, digest: "[1"])
def test_a_changed_record_does_not_survive(package, damage):
    before = code("loop", "training.strength")
    digest = before["pipeline_src/training/strength.py"]
    fingerprint.CACHE.write_text(damage(fingerprint.CACHE.read_text(), digest))
    assert code("loop", "training.strength") == before
    (package / "loop.py").write_text("MORE = 1\n")  # so that the records are written again
    code("loop", "training.strength")
    assert digest in fingerprint.CACHE.read_text()
