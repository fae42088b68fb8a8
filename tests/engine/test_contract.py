"""Contracts: what changes them and what does not."""

from __future__ import annotations

import pytest

from pipeline_src.engine import contract
from pipeline_src.engine.contract import code_digest, digest

CODE = '''"""Docs."""
from pydantic import Field

from pipeline_src.errors import UserError

A = Field(1, description="one")


def f(x: int) -> int:
    """Docs."""
    if x < 0:
        raise UserError("x is negative", do="give another")
    return x + 1  # why
'''


def hashed(tmp_path, text: str) -> str:
    contract._tree.cache_clear()
    file = tmp_path / "code.py"
    file.write_text(text)
    return code_digest((), (file,))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""Docs."""', '"""Other docs, longer."""'),
        ("  # why", "  # because\n    # of this"),
        ("x: int) -> int", "x)"),
        ('"x is negative", do="give another"', '"x < 0"'),
        ("return x + 1", "return (x + 1)"),
        ('description="one"', 'description="another"'),
    ],
)
def test_what_changes_nothing(tmp_path, old, new):
    assert old in CODE
    assert hashed(tmp_path, CODE) == hashed(tmp_path, CODE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [("x + 1", "x + 2"), ("x < 0", "x <= 0"), ("Field(1", "Field(2"), ("def f(x", "def f(y"), ("return x", "yield x")],
)
def test_what_changes_the_code(tmp_path, old, new):
    assert old in CODE
    assert hashed(tmp_path, CODE) != hashed(tmp_path, CODE.replace(old, new))


def test_constants_differ_by_type_and_none_is_a_value(tmp_path):
    assert (
        len({hashed(tmp_path, f"x = {value}\n") for value in ("1", "1.0", "True", "None", "'1'", "b'1'", "[]", "()")})
        == 8
    )


def test_a_string_that_is_no_docstring_counts(tmp_path):
    assert hashed(tmp_path, "x = 'a'\n") != hashed(tmp_path, "x = 'b'\n")


def test_imports_are_followed(tmp_path, monkeypatch):
    package = tmp_path / "pipeline_src"
    (package / "sub").mkdir(parents=True)
    files = {
        "__init__.py": "",
        "a.py": "from pipeline_src.sub import b\n",
        "sub/__init__.py": "",
        "sub/b.py": "def g():\n    from . import c\n    return c.X\n",
        "sub/c.py": "X = 1\n",
        "sub/d.py": "X = 1\n",
        "errors.py": "X = 1\n",
    }
    for name, text in files.items():
        (package / name).write_text(text)
    monkeypatch.setattr(contract, "ROOT", package)

    def digest_with(changed: str) -> str:
        contract._tree.cache_clear()
        (package / changed).write_text(files[changed] + "Y = 2\n")
        try:
            return code_digest(("pipeline_src.a",))
        finally:
            (package / changed).write_text(files[changed])
            contract._tree.cache_clear()

    before = code_digest(("pipeline_src.a",))
    for changed in ("a.py", "sub/__init__.py", "sub/b.py", "sub/c.py"):
        assert digest_with(changed) != before, changed
    for unrelated in ("sub/d.py", "errors.py"):
        assert digest_with(unrelated) == before, unrelated
    assert code_digest(("pipeline_src.a",), without=("pipeline_src.sub.c",)) != before


def test_digest_ignores_the_order_of_keys_only():
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
    assert digest([1, 2]) != digest([2, 1])


def test_training_does_not_depend_on_figures_or_other_methods():
    """A new plot style or a new method must retrain nothing."""
    seen = set()
    queue = ["pipeline_src.training.loop", "pipeline_src.training.methods.aslp_mc"]
    while queue:
        name = queue.pop()
        if name not in seen:
            seen.add(name)
            queue += contract._tree(contract._file(name))[1]
    assert "pipeline_src.training.aslp" in seen
    assert not any("figures" in name or "tables" in name or "report" in name for name in seen)
    assert {name for name in seen if ".methods." in name} == {"pipeline_src.training.methods.aslp_mc"}
