"""Jobs of an experiment: found by name, explained, and adopted after a change that somebody vouches for."""

from __future__ import annotations

from pathlib import Path

import pytest
from damaged import flipped

from pipeline_src.engine.adopt import adopt, adoptions
from pipeline_src.engine.execute import execute
from pipeline_src.engine.explain import differences, ingredients
from pipeline_src.engine.graph import Graph
from pipeline_src.engine.job import Job
from pipeline_src.engine.stamp import Stamp
from pipeline_src.errors import UserError

RUNS: list[str] = []


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    RUNS.clear()
    return tmp_path


def work(job: Job, folder: Path) -> None:
    RUNS.append(job.name)
    (folder / "result.txt").write_text(job.name)


CHAIN = {
    "store/train": (),
    "train/a/seed0": ("store/train",),
    "evaluate/a": ("train/a/seed0",),
    "report": ("evaluate/a",),
}


def graph(**changed: int) -> Graph:
    """store -> train -> evaluate -> report, and a training apart; `changed` kinds have another parameter."""
    made = Graph("chain")
    for name, inputs in (CHAIN | {"train/b/seed0": ("store/train",)}).items():
        kind = name.split("/")[0]
        by_role = {of.split("/")[0]: made.job(of) for of in inputs}
        parameters = {"a": changed.get(kind, 0), "b": name}
        made.add([Job(kind, name, Path("results/x") / name, kind, ("result.txt",), work, parameters, by_role)])
    return made


def run(of: Graph) -> list[str]:
    """Make what is not current; its names."""
    RUNS.clear()
    for job in of.jobs.values():
        execute(job)
    return list(RUNS)


def test_jobs_are_found_by_name_and_pattern():
    of = graph()
    assert [job.name for job in of.of_kinds("train")] == ["train/a/seed0", "train/b/seed0"]
    assert [job.name for job in of.matching(["report", "train/*"])] == ["train/a/seed0", "report", "train/b/seed0"]
    assert [job.name for job in of.dependants(["train/a/seed0"])] == ["evaluate/a", "report"]


def test_inputs_come_before_their_users():
    of, other = Graph("a"), graph()
    with pytest.raises(ValueError, match="no inputs"):
        of.add([other.job("report")])
    with pytest.raises(ValueError, match="there already"):
        other.add([other.job("store/train")])


def test_a_contract_is_explained():
    job = graph().job("train/a/seed0")
    rows = {row.name: row for row in ingredients(job)}
    assert rows["parameters.b"].now == "'train/a/seed0'" and rows["parameters.b"].before is None
    assert rows["input store (store/train)"].now == job.inputs["store"].contract
    assert rows[
        "code tests/engine/test_graph.py" if "code tests/engine/test_graph.py" in rows else "code test_graph.py"
    ]
    assert differences(job) == ["not made yet"]
    run(graph())
    assert not any(row.differs for row in ingredients(job)) and differences(job) == []
    changed = graph(store=1)
    assert differences(changed.job("store/train")) == ["parameters.a 0 -> 1"]
    assert differences(changed.job("train/a/seed0")) == ["input store (store/train) changed"]


def test_an_adopted_result_is_current_with_all_that_depends_on_it_alone():
    run(graph())
    changed = graph(train=1)
    old = {name: changed.job(name).stamps()[0].suffix[1:] for name in changed.jobs}
    assert adopt(changed, ["train/a/seed0"], "a comment") == (["train/a/seed0", "evaluate/a", "report"], {})
    assert run(changed) == ["train/b/seed0"]
    stamp = Stamp.read(changed.job("train/a/seed0").stamp)
    assert [(entry["contract"], entry["why"]) for entry in stamp.adopted] == [(old["train/a/seed0"], "a comment")]
    assert stamp.ingredients["parameters"]["a"] == 1
    assert len(changed.job("train/a/seed0").stamps()) == 1
    told = adoptions([changed.job("report")])
    assert set(told) == {"train/a/seed0", "evaluate/a", "report"}
    assert told["report"][0].startswith("an input was adopted: a comment (")
    again = graph(train=2)
    adopt(again, ["train/a/seed0"], "another")
    assert [entry["why"] for entry in Stamp.read(again.job("train/a/seed0").stamp).adopted] == ["a comment", "another"]


def test_what_differs_in_more_is_left_and_named():
    run(graph())
    changed = graph(train=1, evaluate=1)
    adopted, left = adopt(changed, ["train/a/seed0"], "why")
    assert adopted == ["train/a/seed0"] and set(left) == {"evaluate/a", "report"}
    assert "parameters.a 0 -> 1" in left["evaluate/a"]
    assert adopt(changed, ["evaluate/a"], "why")[0] == ["evaluate/a", "report"]
    assert run(changed) == ["train/b/seed0"]


def test_some_kinds_are_always_made_anew():
    run(graph())
    changed = graph(train=1)
    adopted, _ = adopt(changed, ["train/a/seed0", "train/b/seed0"], "why", remade=("report",))
    assert adopted == ["train/a/seed0", "train/b/seed0", "evaluate/a"]
    assert run(changed) == ["report"]


def test_a_result_of_an_outdated_input_is_not_adopted():
    made = graph()
    made.jobs = {name: job for name, job in made.jobs.items() if name != "report"}
    run(made)
    changed = graph(train=1, store=1)
    with pytest.raises(UserError, match="its input store/train is not current"):
        adopt(changed, ["train/a/seed0"], "why")
    assert made.job("train/a/seed0").current
    assert "report" not in adopt(changed, ["train/a/seed0", "store/train"], "why")[0]


def test_a_result_that_was_altered_is_not_adopted():
    run(graph())
    changed = graph(train=1)
    flipped(changed.job("evaluate/a").paths[0])
    adopted, left = adopt(changed, ["train/a/seed0"], "why")
    assert adopted == ["train/a/seed0"] and "evaluate/a" in left
    flipped(changed.job("train/b/seed0").paths[0])
    with pytest.raises(UserError, match="train/b/seed0: its files are not as they were made"):
        adopt(changed, ["train/b/seed0"], "why")


def test_an_adopted_result_is_taken_over_as_such():
    run(graph())
    changed = graph(train=1)
    adopt(changed, ["train/a/seed0"], "why")
    job = changed.job("train/a/seed0")
    job.stamp.unlink()
    RUNS.clear()
    execute(job)
    assert RUNS == [] and Stamp.read(job.stamp).adopted[0]["why"] == "why"
