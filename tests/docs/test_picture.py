"""Pictures of README.md and docs/results.md show the numbers that are published."""

from __future__ import annotations

import hashlib
import json

import picture
import pytest
import settings_picture


@pytest.mark.parametrize("method", picture.TITLES)
def test_titles_hold_the_published_errors(method):
    file = picture.ROOT / "results/published" / picture.EXPERIMENT / "metrics.json"
    title = picture.panel_title(method, json.loads(file.read_text(encoding="utf-8"))["metrics"])
    drawn = picture.PICTURE.read_text(encoding="utf-8")
    assert all(f">{line}</" in drawn for line in title.splitlines()), "run `python docs/make/picture.py`"


def test_missing_numbers_are_named_with_the_command_that_draws_them(tmp_path, monkeypatch):
    monkeypatch.setattr(picture, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match="--report"):
        picture.bins_of("baseline")


def test_settings_show_the_published_differences():
    shown = settings_picture.effects()
    numbers = settings_picture.as_csv(shown)
    again = "run `python docs/make/settings_picture.py`"
    assert settings_picture.NUMBERS.read_text(encoding="utf-8") == numbers, again
    digest = hashlib.sha256(numbers.encode()).hexdigest()
    assert digest in settings_picture.PICTURE.read_text(encoding="utf-8"), again
    page = (settings_picture.ROOT / "docs/results.md").read_text(encoding="utf-8")
    assert settings_picture.summary(shown) in page
    one = next(
        effect for effect in shown if (effect.experiment, effect.split, effect.method) == ("semseg", "DTD", "aslp_mc")
    )
    assert (one.metric, one.single, one.mark) == ("ece", True, "lower")
    assert one.low < one.value < one.high < 0
