"""docs/reliability.md has all rows of this folder, as they are."""

from __future__ import annotations

import re

import page


def test_the_page_is_current():
    assert page.page() == page.PAGE.read_text(encoding="utf-8"), "run: python tests/faults/page.py"


def test_every_module_with_rows_is_on_the_page():
    modules = {file.stem for file in page.HERE.glob("test_*.py") if re.search("^ROWS", file.read_text("utf-8"), re.M)}
    assert modules <= {name for _, name, *_ in page.BLOCK.findall(page.PAGE.read_text(encoding="utf-8"))}
