"""Misspelled callbacks of a user's method."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline_src.errors import UserError
from pipeline_src.training.registry import choose

METHOD = "from pipeline_src.training.method import Method\n\n\nclass Mine(Method):\n    def {}(self, *values): pass\n"


@pytest.mark.parametrize(("name", "near"), [("target", "targets"), ("before_step", "after_step")])
def test_a_misspelled_callback_is_refused(name: str, near: str, tmp_path: Path):
    (tmp_path / "mine.py").write_text(METHOD.format(name))
    with pytest.raises(UserError, match=rf"mine\.py: Mine\.{name}(.|\n)*'{near}'"):
        choose("mine", {"file": str(tmp_path / "mine.py")})


@pytest.mark.parametrize("name", ["describe", "_target"])
def test_other_names_are_free(name: str, tmp_path: Path):
    (tmp_path / "mine.py").write_text(METHOD.format(name))
    choose("mine", {"file": str(tmp_path / "mine.py")})
