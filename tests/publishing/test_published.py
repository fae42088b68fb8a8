"""Published experiments: read, recomputed and compared."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
from filelock import FileLock, Timeout
from made_published import FACTS, maps, publish
from project import ROOT, call

from pipeline_src import python_source
from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.counting.storage import save
from pipeline_src.errors import UserError
from pipeline_src.params.schema import Experiment
from pipeline_src.pipeline.steps.numbers import counts_file
from pipeline_src.publishing import publish as publishing
from pipeline_src.publishing import published, rebuild
from pipeline_src.publishing.publish import publish as publish_experiment
from pipeline_src.publishing.published import Publication, published_counts

MOST_FILES, MOST_BYTES = 300, 100e6


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
        ('{"ece": 0.12345678}', '{"ece": 0.12345699}', "'0.12345678' is '0.12345699'"),
        ("| 1.0 | –", "| 1.0000000001 | –", ""),
        ("| 1.0 | –", "| 1.0 | 2.0", "–"),
        (
            "refuted\nas in all the other experiments that have this claim, and in none without it",
            "supported\nas in all the other experiments that have this claim, and in none without it",
            "refuted",
        ),
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

    def write_sources(graph, staging, earlier, cores):
        seen.append(earlier)
        raise UserError("stop")

    monkeypatch.setattr(publishing, "write_sources", write_sources)
    monkeypatch.setattr(publishing, "changed_code", list)  # of the tests' own clone
    with pytest.raises(UserError, match="stop"):
        publishing.publish(SimpleNamespace(name="one", facts=FACTS))
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


def test_a_recomputed_number_that_differs_stops_the_rebuild(tmp_path, monkeypatch):
    publish("one")
    monkeypatch.setattr(rebuild, "differing", lambda folder, out: ["metrics.json: 0.1 is 0.2"])
    with pytest.raises(UserError, match=r"results/published/one(.|\n)*metrics\.json(.|\n)*--write --experiment one"):
        rebuild._replace_or_compare(published.FOLDER / "one", tmp_path, write=False)


@pytest.mark.parametrize("name", [file.parent.name for file in sorted((ROOT / published.FOLDER).glob("*/counts.zip"))])
def test_what_the_repository_publishes_has_its_digests(name):
    folder = ROOT / published.FOLDER / name
    files = sorted(file.name for file in folder.iterdir() if file.name != published.EXPERIMENT)
    assert files == sorted(published.checked(folder, files).files)


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
    with pytest.raises(UserError, match=r"-dirty(.|\n)*slp\.py"):
        publish_experiment(None)
    (clone / ".git").rename(tmp_path / "no.git")  # so is a clone of another owner, which git does not read
    with pytest.raises(UserError, match="git status"):
        publish_experiment(None)


@dataclass
class Finished:
    """A finished experiment on `photos`, as `write_sources` asks for it."""

    facts: Facts = FACTS
    hash: str = "a"
    groups: str = ""
    code: str = "first"
    machine: str = "m"
    name: str = "one"
    command = "snakemake"
    settings = Mock(model_dump=lambda **_: {"image_size": 96, "training": {"epochs": 60, "device": "auto"}})

    def evaluation(self, method: str, seed: int) -> SimpleNamespace:
        folder = Path("evaluated", method, str(seed))
        folder.mkdir(parents=True, exist_ok=True)
        save(maps(method, seed + len(self.facts.seeds), "photos"), folder / counts_file("photos"), {})
        return SimpleNamespace(folder=folder)

    def run(self, method: str, seed: int) -> SimpleNamespace:
        Path("trained").mkdir(exist_ok=True)
        Path("trained/history.csv").write_text("epoch\n1\n")
        made = SimpleNamespace(made={"machine": self.machine, "seconds": 60})
        return SimpleNamespace(folder=Path("trained"), manifest=made, ingredients={"code": self.code})

    def job(self, name: str) -> SimpleNamespace:
        options = {"groups": self.groups, "grouped": None}
        return SimpleNamespace(parameters={"splits": {"photos": "photos/all"}}, options=options, hash=self.hash)


@pytest.fixture
def publish_again(monkeypatch):
    """A function that publishes a finished experiment, also onto what it published before."""
    row = {"part": "photos", "role": "id", "from": "photos/all", "images": 12}
    monkeypatch.setattr(publishing, "split_facts", lambda report, split: row | {"hash": report.hash})
    monkeypatch.setattr(publishing, "check_results", Mock())
    monkeypatch.setattr(publishing, "provenance", lambda report: {})
    monkeypatch.setattr(publishing, "changed_code", list)
    monkeypatch.setattr(publishing, "recompute", Mock())
    monkeypatch.setattr(publishing, "replace_computed", Mock())
    return lambda **changes: Publication.read(publish_experiment(Finished(**changes)))


MORE = replace(FACTS, seeds=(0, 1))


def test_what_published_runs_disclose_stays(publish_again, monkeypatch):
    monkeypatch.setattr(publishing, "provenance", lambda report: {"commit": "a", "kept results": "slp: renamed"})
    publish_again()
    monkeypatch.setattr(publishing, "provenance", lambda report: {"commit": "b", "other versions": "torch 2.12"})
    made = publish_again(facts=MORE, machine="n").made
    assert made["kept results"] == "slp: renamed" and made["other versions"] == "torch 2.12" and made["commit"] == "b"
    assert made["machine"] == "m; n"
    more = replace(MORE, seeds=(0, 1, 2))
    assert publish_again(facts=more, machine="n").made["machine"] == "m; n"


def test_runs_on_other_images_or_masks_are_not_added(publish_again):
    publish_again()
    assert publish_again(hash="b").data[0]["hash"] == "a"  # nothing new was measured
    with pytest.raises(UserError, match=r"photos(.|\n)*found: +b(.|\n)*expected: +a(.|\n)*rm -r results/published/one"):
        publish_again(hash="b", facts=MORE)
    assert len(publish_again(facts=MORE).facts.runs) == 4


@pytest.mark.parametrize(("before", "after"), [("", "(.)$"), ("(.)$", "(.).$"), ("(.)$", "")])
def test_other_groups_are_refused(publish_again, before, after):
    groups = publish_again(groups=before).groups
    assert [len(numbers) for numbers in groups.values()] == [12] * bool(before)
    with pytest.raises(UserError, match=r"groups of photos(.|\n)*rm -r results/published/one"):
        publish_again(groups=after)
    assert publish_again(groups=before).groups == groups


def test_an_ensemble_of_more_seeds_is_counted_again(publish_again):
    def pooled(facts: Facts) -> np.ndarray:
        counts = published_counts(publish_again(facts=facts), published.FOLDER / "one", "photos")
        assert len(counts) == len(facts.runs)
        return np.stack([counts[method, 0]()["raw"].images.pooled() for method in ("ensemble", "slp")])

    methods = {**FACTS.methods, "ensemble": MethodFacts("deep_ensemble", trains=False, of_all_seeds=True)}
    facts = replace(MORE, methods=methods)
    two = pooled(facts)
    three = pooled(replace(facts, seeds=(0, 1, 2)))
    assert [np.array_equal(*pair) for pair in zip(two, three, strict=True)] == [False, True]


def test_seeds_of_different_code_are_named(publish_again, caplog):
    publish_again()
    publish_again(facts=MORE)
    assert not caplog.messages
    publish_again(facts=replace(FACTS, seeds=(0, 1, 2)), code="other")
    assert len(caplog.messages) == len(FACTS.methods) and "slp" in caplog.text and "2: " in caplog.text


def test_code_that_an_earlier_version_did_not_record_counts_as_different(publish_again, caplog):
    publish("one")
    publish_again(facts=MORE)
    assert "slp" in caplog.text and "1: " in caplog.text


def test_published_results_are_locked_while_they_change(publish_again, monkeypatch):
    def recompute(places, pool):
        with pytest.raises(Timeout):
            FileLock(published.LOCK).acquire(timeout=0)
        raise UserError("it was locked")

    publish("one")
    for module, action in ((publishing, publish_again), (rebuild, partial(rebuild.rebuild_all, ["one"]))):
        monkeypatch.setattr(module, "recompute", recompute)
        with pytest.raises(UserError, match="it was locked"):
            action()


@pytest.mark.parametrize("name", ["../published/one", "{}/results/published/one", "two"])
def test_only_published_experiments_are_rebuilt(name, tmp_path):
    one = publish("one")
    with pytest.raises(UserError, match="is not a published experiment"):
        rebuild.rebuild_all([name.format(tmp_path)])
    published.checked(one)


def test_an_experiment_that_a_killed_publish_moved_aside_is_restored():
    (one := publish("one")).rename(one.with_name(".one.earlier"))
    assert published.names() == ["one"]
    published.checked(one)
