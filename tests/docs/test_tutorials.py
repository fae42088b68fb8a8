"""The pages with steps are followed to the letter, and what they print is what the pages show."""

from __future__ import annotations

import pytest
import yaml
from tutorial import PAGES, ROOT, blocks, follow, without_numbers

from pipeline_src.data import catalog


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_page_prints_what_it_shows(page, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    shown = (ROOT / page).read_text(encoding="utf-8")
    printed = follow(page, tmp_path, monkeypatch)
    assert without_numbers(printed) == without_numbers(shown), "run `python tests/tutorial.py`"


def test_the_entries_of_the_tutorial_are_valid():
    shown = [yaml.safe_load(text) for language, text in blocks((ROOT / PAGES[1]).read_text()) if language == "yaml"]
    entries = next(block["datasets"] for block in shown if "datasets" in block)
    assert set(entries) <= set(catalog.load(entries))
