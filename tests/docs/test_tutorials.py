"""The pages with steps are followed to the letter, and what they print is what the pages show."""

from __future__ import annotations

import pytest
from tutorial import PAGES, ROOT, follow, without_numbers


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_page_prints_what_it_shows(page, tmp_path, monkeypatch):
    shown = (ROOT / page).read_text(encoding="utf-8")
    printed = follow(page, tmp_path, monkeypatch)
    assert without_numbers(printed) == without_numbers(shown), "run `python tests/tutorial.py`"
