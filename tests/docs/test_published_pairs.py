"""Differences between published methods, as pages show them."""

from __future__ import annotations

import json

import published_pairs
import pytest
from made_published import FACTS, maps, publish

from pipeline_src.errors import UserError
from pipeline_src.files import hash_of
from pipeline_src.metrics.metric import Difference
from pipeline_src.metrics.registry import METRICS
from pipeline_src.publishing import published
from pipeline_src.publishing.compare import compare_experiments

PAIR = "one:slp/other:baseline"


def written() -> dict:
    return json.loads(published_pairs.FILE.read_text(encoding="utf-8"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("one", "other"):
        publish(name)


@pytest.mark.slow
def test_they_are_those_of_compare(folder):
    published_pairs.write([PAIR, PAIR])
    assert [*written()] == [PAIR]
    texts = written()[PAIR]["differences"]["raw"]["photos"]
    cells = compare_experiments(*(f"{published.FOLDER}/{side}" for side in reversed(PAIR.split("/")))).cells
    effect = next(cell.effect for cell in cells if (cell.metric, cell.protocol) == ("brier", "raw"))
    brier = Difference.of(METRICS["brier"])
    arrow = {"lower": "↓", "higher": "↑", "": ""}[effect.direction]
    assert texts["Brier"] == brier.text(effect.value, low=effect.low, high=effect.high, mark=arrow)
    assert texts["ECE, points"].startswith("−") and "[" not in texts["ECE, points"]


@pytest.mark.slow
def test_what_rests_on_the_same_is_kept(folder):
    published_pairs.write([PAIR])
    before = written()
    texts = {"raw": {"photos": {"ECE, points": "kept"}}}
    marked = {PAIR: before[PAIR] | {"differences": texts, "digest": hash_of(**texts)}}
    published_pairs.FILE.write_text(json.dumps(marked), encoding="utf-8")
    published_pairs.write([PAIR])
    assert written() == marked
    publish("one", FACTS, lambda method, seed, part: maps("other", seed + 1, part))
    published_pairs._counts.cache_clear()  # as in a new process
    published_pairs.write([PAIR])
    assert written()[PAIR]["differences"] != before[PAIR]["differences"]
    for damaged in ("{", "[1]", '{"one:slp/other:baseline": 3}'):
        published_pairs.FILE.write_text(damaged, encoding="utf-8")
        published_pairs.write([PAIR])
        assert written()[PAIR]["made_of"] == published_pairs.made_of(PAIR)
    published_pairs.write([])
    assert written() == {}


@pytest.mark.slow
def test_an_edited_text_is_made_again(folder):
    published_pairs.write([PAIR])
    before = published_pairs.FILE.read_text(encoding="utf-8")
    text = written()[PAIR]["differences"]["raw"]["photos"]["ECE, points"]
    for edited in (before.replace(text, "+9.91"), before.replace('"digest"', '"digits"')):
        assert edited != before
        published_pairs.FILE.write_text(edited, encoding="utf-8")
        published_pairs.write([PAIR])
        assert published_pairs.FILE.read_text(encoding="utf-8") == before


def test_counts_in_the_file_of_another_experiment_count(folder):
    publish("borrows", counts_in={"slp": "one"})
    assert {*published_pairs.made_of("borrows:slp/borrows:baseline")} == {"one", "borrows"}


def test_a_method_that_is_not_there_is_named(folder):
    with pytest.raises(UserError, match="no method 'slq'"):
        published_pairs.write(["one:slq/other:baseline"])
