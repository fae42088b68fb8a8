"""C8, which gathers what experiments on other tasks keep in their claims.json."""

from __future__ import annotations

import json
from pathlib import Path

import published_overview
import pytest
from made_claims import changed, view, without, without_parts, without_runs
from project import ROOT

from pipeline_src.analysis.facts import ExperimentSummary
from pipeline_src.claims.checks import View
from pipeline_src.claims.other_tasks import C8, carried_over, judged
from pipeline_src.claims.verdict import NOT_RUN, REFUTED, SUPPORTED, Finding
from pipeline_src.claims.write import judged as judged_alone
from pipeline_src.errors import UserError
from pipeline_src.publishing import published
from pipeline_src.tables.several_experiments import OVERVIEW_TABLES

TASKS = {"cod": "camouflaged objects", "smoke": "smoke", "semantic": "semantic segmentation", "polyp": "polyps"}


def finished(folder: Path, name: str, seen: View) -> ExperimentSummary:
    """An experiment whose claims.json lies in a folder; its task is the first word of its name."""
    e = planned(folder, name)
    e.folder.mkdir()
    (e.folder / "claims.json").write_text(json.dumps(judged_alone(changed(seen, experiment=name))))
    return e


def planned(folder: Path, name: str) -> ExperimentSummary:
    return ExperimentSummary(name, name.partition("-")[0], "small", name, folder / name)


def all_three(folder: Path) -> list[ExperimentSummary]:
    return [finished(folder, name, view()) for name in ("cod", "smoke", "semantic")]


def c8(experiments: list[ExperimentSummary], protocol: str = "raw") -> dict:
    (claim,) = judged(experiments, TASKS)["claims"]
    assert claim["claim"] == "C8"
    return claim["protocols"][protocol]


def test_every_task_that_it_names_is_needed(tmp_path):
    made = [planned(tmp_path, "sod-made"), *all_three(tmp_path)]
    finding = c8(made)
    assert finding["verdict"] == SUPPORTED
    # On each task two sets, two methods and two metrics; the numbers are those of the experiment on it.
    assert len(finding["evidence"]) == 3 * 2 * 2 * 2
    # The intervals of three tasks hold together.
    assert carried_over(view())["level"] > Finding.of(C8.evidence(view())).level
    item = finding["evidence"][0]
    assert item["what"] == "camouflaged objects (cod): ECE of aslp_mc − baseline"
    assert item["effect"] == pytest.approx(0.01 - 0.05) and item["sets"] == {"one": 100}
    absent = c8(made[:3])
    assert absent["verdict"] == NOT_RUN and "an experiment on semantic segmentation" in absent["why"]
    not_run = c8([*made[:3], planned(tmp_path, "semantic-new")])
    assert not_run["verdict"] == NOT_RUN and "experiment=semantic-new" in not_run["why"]


@pytest.mark.parametrize("change", [("aslp_mc", "ece", "one", 0.9), ("aslp_mei", "accuracy", "one", 0.8)])
def test_one_set_of_one_task_is_enough_against(tmp_path, change):
    *where, value = change
    made = all_three(tmp_path)
    worse = finished(tmp_path, "smoke-worse", view({tuple(where): value}))
    assert c8([*made, worse])["verdict"] == REFUTED
    # A task that the claim does not name does not count.
    polyp = finished(tmp_path, "polyp", view({tuple(where): value}))
    assert c8([*made, polyp])["verdict"] == SUPPORTED


def test_it_takes_what_an_experiment_has_and_names_what_it_lacks(tmp_path):
    """One protocol where there are several classes; a method, a set or a run less."""
    smoke = finished(tmp_path, "smoke", view())
    semantic = finished(tmp_path, "semantic", changed(view(), class_names=("a", "b", "c")))
    cod = finished(tmp_path, "cod", view())
    assert len(c8([cod, smoke, semantic])["evidence"]) == 24
    assert len(c8([cod, smoke, semantic], "stretched")["evidence"]) == 16
    keys = [(protocol, "two", "aslp_mc") for protocol in ("raw", "stretched")]
    for name, seen, lacking in (
        ("cod-few", without(view(), "aslp_mei"), "a block of aslp_mei"),
        ("cod-bare", without_parts(view(), "id"), "a test set in distribution"),
        ("cod-unrun", without_runs(view(), *keys), "aslp_mc on two"),
    ):
        finding = c8([finished(tmp_path, name, seen), smoke, semantic])
        assert finding["verdict"] == NOT_RUN and lacking in finding["why"]


def test_damaged_verdicts_are_named(tmp_path):
    made = all_three(tmp_path)
    (tmp_path / "cod/claims.json").write_bytes(b"[]")
    with pytest.raises(UserError, match=r"cod/claims\.json is damaged"):
        c8(made)


def test_the_overview_of_what_is_published_is_current(tmp_path, monkeypatch):
    """As docs/make writes it from the published experiments."""
    for source in (ROOT / published.FOLDER).glob("*/*"):
        kept = source.parent.name != published.OVERVIEW
        if kept and source.name in (published.EXPERIMENT, "claims.json", "tables.zip"):
            (folder := tmp_path / published.FOLDER / source.parent.name).mkdir(parents=True, exist_ok=True)
            (folder / source.name).symlink_to(source)
    overview = published.FOLDER / published.OVERVIEW
    (tmp_path / overview).mkdir(parents=True)
    (tmp_path / overview / "judged").symlink_to(ROOT / overview / "judged")
    monkeypatch.chdir(tmp_path)
    published_overview.write()
    for name in (name for name in OVERVIEW_TABLES if name.endswith(".csv")):
        assert (overview / name).read_text() == (ROOT / overview / name).read_text()
    assert "U2-Net" in (overview / "T8.md").read_text()
