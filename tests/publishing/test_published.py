"""Published experiments: read, recomputed and compared."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
from made_published import FACTS, maps, publish
from project import ROOT, call

from pipeline_src import python_source
from pipeline_src.analysis.facts import MethodFacts
from pipeline_src.errors import UserError
from pipeline_src.params.schema import Experiment
from pipeline_src.publishing import publish as publishing
from pipeline_src.publishing import published, rebuild
from pipeline_src.publishing.publish import publish as publish_experiment
from pipeline_src.publishing.published import Publication, published_counts

MOST_FILES, MOST_BYTES = 300, 90e6


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_counts_are_read_by_run():
    facts = replace(FACTS, seeds=(0, 2))
    counts = published_counts(Publication.read(one := publish("one", facts)), one, "photos")
    assert [*counts] == [("baseline", 0), ("baseline", 2), ("slp", 0), ("slp", 2)]
    expected = maps("slp", 2, "photos")["raw"].images
    np.testing.assert_array_equal(counts["slp", 2]()["raw"].images.pooled(), expected.pooled())


def test_counts_can_be_those_of_another_experiment():
    publish("one")
    two = publish("two", statistic=lambda *run: maps("other", *run[1:]), counts_in={"slp": "one"})
    counts = published_counts(Publication.read(two), two, "photos")
    for method, expected in (("slp", "slp"), ("baseline", "other")):
        pooled = maps(expected, 0, "photos")["raw"].images.pooled()
        np.testing.assert_array_equal(counts[method, 0]()["raw"].images.pooled(), pooled)


def test_a_setting_of_none_is_no_setting():
    """An experiment that was published with a key that is gone takes further runs."""
    assert published.settings({"model": {"factory": None, "config": "a"}, "seeds": [0]}) == {"model.config": "a"}


def test_a_key_that_is_younger_than_a_publication_has_its_default():
    of_data = {"train": {"set": "a", "skip": 3, "first": 9}, "val": {"set": "b"}, "id": {}}
    defaults = published.default_settings(Experiment.model_validate({"data": of_data, "training": {"lr": 0.1}}))
    assert defaults["data.val.skip"] == 0 and defaults["training.average_epochs"] == 5
    assert not defaults.keys() & {"data.train.skip", "training.lr", "seeds"}


def test_histories_and_alphas_are_unpacked(tmp_path):
    found = published.run_folders(FACTS, publish("one"), tmp_path / "runs")
    assert found["slp", 0] == tmp_path / "runs/slp/seed0"
    assert (found["slp", 0] / "history.csv").read_text() == "epoch\n1\n"


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ('{"ece": 0.12345678}', '{"ece": 0.12345679}', ""),  # the last digit that is written
        ('{"ece": 0.12345678}', '{"ece": 0.12345699}', "0.12345678 is 0.12345699"),
        ("| 1.0 | –", "| 1.0000000001 | –", ""),
        ("| 1.0 | –", "| 1.0 | 2.0", "–"),
        ("a", "a 1", "is"),
        ("a", "", "is"),
    ],
)
def test_numbers_are_compared_and_not_bytes(before, after, found):
    difference = rebuild.difference(before, after)
    assert found in difference and bool(difference) == bool(found)


def test_computed_files_are_replaced_and_compared(tmp_path):
    one, out = publish("one"), tmp_path / "rebuilt"
    with ThreadPoolExecutor(1) as pool:
        rebuild.recompute({one: out}, pool)
    assert [line.partition(":")[0] for line in rebuild.differing(one, out)] != []
    rebuild.replace_computed(one, out)
    assert rebuild.differing(one, out) == []
    published.checked(one, published.COMPUTED)
    content = json.loads((one / "metrics.json").read_text())
    content["metrics"]["raw"]["slp"]["photos"]["ece"]["low"] += 1e-5
    (one / "metrics.json").write_text(json.dumps(content, separators=(",", ":"), ensure_ascii=False) + "\n")
    (found,) = rebuild.differing(one, out)
    assert found.startswith("metrics.json: ")


def test_publish_adds_to_the_folder_that_a_killed_publish_moved_aside(monkeypatch):
    (one := publish("one")).rename(one.with_name(".one.earlier"))
    seen = []

    def write_sources(graph, staging, published, cores):
        seen.append(published)
        raise UserError("stop")

    monkeypatch.setattr(publishing, "write_sources", write_sources)
    monkeypatch.setattr(publishing, "changed_code", list)  # of the tests' own clone
    with pytest.raises(UserError, match="stop"):
        publishing.publish(SimpleNamespace(name="one"))
    assert seen == [published.checked(one)]


@pytest.mark.parametrize(
    ("method", "source", "named"),
    [
        (MethodFacts("als", {"alpha": 0.2}), "photos/all", r"slp\.code': 'als'.*alpha': 0\.2(.|\n)*'slp'.*0\.1"),
        (MethodFacts("slp"), "first 3 of it", r"splits\.photos': 'first 3 of it'(.|\n)*'photos/all'"),
        (MethodFacts("slp", {"alpha": 0.1, "new": 1}), "photos/all", "all is well"),
    ],
)
def test_published_runs_keep_their_methods_and_datasets(tmp_path, monkeypatch, method, source, named):
    earlier = Publication.read(publish("one"))
    graph = Mock(facts=replace(FACTS, methods={**FACTS.methods, "slp": method, "new": MethodFacts("als")}))
    graph.name = "one"
    graph.settings.model_dump.return_value = earlier.params
    graph.job.return_value.parameters = {"splits": {"photos": source, "new": "new/all"}}
    monkeypatch.setattr(publishing, "_new_counts", Mock(side_effect=UserError("all is well")))
    with pytest.raises(UserError, match=named):
        publishing.write_sources(graph, tmp_path, earlier)


def test_a_recomputed_number_that_differs_stops_the_rebuild(monkeypatch):
    publish("one")
    monkeypatch.setattr(rebuild, "differing", lambda folder, out: ["metrics.json: 0.1 is 0.2"])
    with pytest.raises(UserError, match=r"results/published/one(.|\n)*metrics\.json(.|\n)*--write --experiment one"):
        rebuild._replace_or_compare("one", write=False)


@pytest.mark.parametrize("name", [file.parent.name for file in sorted((ROOT / published.FOLDER).glob("*/counts.zip"))])
def test_what_the_repository_publishes_has_its_digests(name):
    published.checked(ROOT / published.FOLDER / name, [*published.SOURCES, *published.COMPUTED])


def test_what_the_repository_publishes_is_small():
    """As many files and bytes as the new seeds leave room for."""
    files = [file for file in (ROOT / published.FOLDER).rglob("*") if file.is_file()]
    assert len(files) < MOST_FILES and sum(file.stat().st_size for file in files) < MOST_BYTES


def test_code_without_a_commit_is_not_published(tmp_path, monkeypatch):
    clone = tmp_path / "clone"
    package = clone / "pipeline_src"
    package.mkdir(parents=True)
    (package / "slp.py").write_text("STRENGTH = 1\n")
    call(clone, "git", "init", "--quiet")
    call(clone, "git", "add", "pipeline_src")
    call(clone, "git", "commit", "--quiet", "--message", "first")
    monkeypatch.setattr(python_source, "ROOT", package)
    (clone / "notes.md").write_text("no code")
    assert python_source.changed_code() == [] and "dirty" not in python_source.commit()
    (package / "slp.py").write_text("STRENGTH = 2\n")
    (package / "new.py").write_text("")
    assert python_source.changed_code() == ["pipeline_src/slp.py", "pipeline_src/new.py"]
    with pytest.raises(UserError, match=r"-dirty|slp\.py"):
        publish_experiment(None)
