"""The picture of README.md shows the numbers that are published."""

from __future__ import annotations

import json

import picture
import pytest


@pytest.mark.parametrize("method", picture.TITLES)
def test_titles_hold_the_published_errors(method):
    file = picture.ROOT / "results/published" / picture.EXPERIMENT / "metrics.json"
    title = picture.panel_title(method, json.loads(file.read_text(encoding="utf-8"))["metrics"])
    drawn = picture.PICTURE.read_text(encoding="utf-8")
    assert all(f">{line}</" in drawn for line in title.splitlines()), "run `python docs/make/picture.py`"
