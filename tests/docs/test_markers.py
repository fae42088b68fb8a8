"""Sentences that compare are bound to the published tables by markers."""

from __future__ import annotations

import json
from pathlib import Path

import markers
import pytest
from project import ROOT

from pipeline_src.publishing import published

MARKED = ("README.md", "docs/evidence.md", "docs/results.md")  # pages in which every comparison carries a marker
PAGES = [Path("README.md"), *sorted(path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*.md"))]
CELLS = {"ECE, points": "−1.50↓ [−2.00, −1.00]", "Brier": "+0.00010 [−0.00100, +0.00120]", "accuracy, points": "−0.10"}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_what_pages_say_is_what_is_published(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert markers.problems(page.read_text(encoding="utf-8"), published.FOLDER) == []


@pytest.mark.parametrize("page", MARKED)
def test_comparisons_carry_markers(page):
    assert markers.unmarked((ROOT / page).read_text(encoding="utf-8")) == []


@pytest.fixture
def folder(tmp_path) -> Path:
    differences = {"small:a/small:b": {"differences": {"raw": {"one": CELLS, "two": CELLS}}}}
    findings = {"raw": {"verdict": "refuted"}, "stretched": {"verdict": "supported"}}
    for name, content in (
        ("overview/differences.json", differences),
        ("small/claims.json", {"claims": [{"claim": "C4", "protocols": findings}]}),
    ):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "text",
    [
        "Lower. <!-- shows: one ece small:a/small:b lower --> <!-- shows: two ece small:a,small:a/b lower -->",
        "Lower by 1.5 points (−1.50 [−2.00, −1.00]). <!-- shows: one,two ece small:a/b lower -->",
        "Bounded (0.00010 [−0.00100, 0.00120]). <!-- shows: two brier small:a/b bounded -->",
        "Nothing. <!-- shows: one accuracy small:a/b inconclusive --> <!-- shows: claim small C4 refuted -->",
        "Two: −1.50 [−2.00, −1.00], 0.00010 [−0.00100, 0.00120]. <!-- shows: one ece small:a/b lower --> "
        "<!-- shows: one brier small:a/b bounded -->",
    ],
)
def test_what_is_shown_passes(folder, text):
    assert markers.problems(text, folder) == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Higher. <!-- shows: one ece small:a/b higher -->", "ece on one is −1.50↓"),
        ("Bounded. <!-- shows: one ece small:a/b bounded -->", "ece on one"),
        ("Open. <!-- shows: one brier small:a/b inconclusive -->", "brier on one"),
        ("By −1.60 [−2.00, −1.00]. <!-- shows: one ece small:a/b lower -->", "−1.60 [−2.00, −1.00] is none of"),
        (
            "0.00010 [−0.00100, 0.00120], −1.50 [−2.00, −1.00]. <!-- shows: one ece small:a/b lower --> "
            "<!-- shows: one brier small:a/b bounded -->",
            "−1.50 [−2.00, −1.00] is none of",
        ),
        ("Lower. <!-- shows: one ece small:a,small:c/b lower -->", "small:c/small:b"),
        ("Lower. <!-- shows: three ece small:a/b lower -->", "three"),
        ("Lower. <!-- shows: one ece small:a/b -->", "shows: one ece"),
        ("Supported. <!-- shows: claim small C4 supported -->", "C4 is refuted"),
        ("Supported. <!-- shows: claim small C5 supported -->", "C5"),
    ],
)
def test_what_is_not_shown_is_named(folder, text, named):
    (problem,) = markers.problems(text, folder)
    assert named in problem


def test_a_comparison_without_a_marker_is_found():
    page = "# Lower\n\nLower ECE.\n\n- Higher. <!-- shows: x -->\n- No difference.\n\n| lower |\n\n```\nlower\n```\n"
    assert [block.strip() for block in markers.unmarked(page)] == ["Lower ECE.", "- No difference."]
