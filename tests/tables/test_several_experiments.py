"""Tables that span experiments: other tasks, other networks, models judged from saved maps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline_src.analysis.facts import ExperimentSummary
from pipeline_src.errors import UserError
from pipeline_src.files import rounded
from pipeline_src.tables.paper_table import PaperTable
from pipeline_src.tables.several_experiments import judged_table, network_table, task_table

ABSENT = Path("absent")
TASKS = {"sod": "salient objects", "cod": "camouflaged objects", "smoke": "smoke", "polyp": "polyps"}


def tables(folder: Path, mean: float, role: str = "id", methods: str = "ab") -> Path:
    """T1 and T2 of an experiment with some methods on one set, as `write_tables` leaves them."""
    for name, metrics in {"T1": ("ece", "oe"), "T2": ("max_f", "accuracy")}.items():
        cells = {"protocol": "raw", "group": "g", "part": "one", "role": role, "mean": mean, "low": mean - 0.1}
        cells |= {"high": mean + 0.1, "seeds": "0 1", "images": 8, "mark": "best"}
        rows = [cells | {"row": m, "method": m, "column": c, "metric": c} for c in metrics for m in methods]
        PaperTable(name, rows).write(name, folder / "tables")
    return folder


@pytest.fixture
def experiments(tmp_path) -> list[ExperimentSummary]:
    small, large, fog = (tables(tmp_path / name, mean) for name, mean in (("s", 0.5), ("l", 0.25), ("f", 0.125)))
    return [
        ExperimentSummary("usual", "sod", "small", ["one"], small),
        ExperimentSummary("large", "sod", "big", ["one"], large),
        ExperimentSummary("larger", "sod", "huge", ["one"], ABSENT),
        ExperimentSummary("longer", "sod", "big", ["one"], ABSENT),  # not run, but its network was
        ExperimentSummary("hidden", "cod", "small", ["three"], fog),
        ExperimentSummary("hidden_big", "cod", "big", ["three"], fog),
        ExperimentSummary("foggy", "smoke", "small", ["four"], ABSENT),
    ]


def test_networks_are_compared_on_each_data_that_has_several(experiments):
    made = network_table(experiments)
    assert list(dict.fromkeys(row["experiment"] for row in made.rows)) == ["usual", "large", "hidden", "hidden_big"]
    for name, mean in (("usual", 0.5), ("large", 0.25), ("hidden", 0.125)):
        of = [row for row in made.rows if row["experiment"] == name]
        assert [row["metric"] for row in of] == ["ece", "ece", "oe", "oe", "accuracy", "accuracy"]
        assert {(row["mean"], row["low"], row["images"], row["seeds"], row["mark"]) for row in of} == {
            (mean, rounded(mean - 0.1), 8, "0 1", "best")
        }
    assert made.rows[0]["group"] == "one: small (usual)"
    assert len(made.notes) == 1 and "experiment=larger" in made.notes[0]
    assert not network_table(experiments[:1]).rows


def test_other_tasks(experiments):
    made = task_table(experiments, TASKS)
    assert {row["experiment"] for row in made.rows} == {"hidden", "hidden_big"}
    assert made.rows[0]["group"] == "camouflaged objects: one (hidden)"
    assert any("smoke" in note and "experiment=foggy" in note for note in made.notes)
    assert any("polyps" in note for note in made.notes) and "camouflaged" not in " ".join(made.notes)


@pytest.mark.parametrize("content", [b"\xff", b"a,b\n1,2\n"])
def test_a_damaged_table_of_an_experiment_is_named(experiments, content):
    file = experiments[0].folder / "tables/T2.csv"
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"tables/T2\.csv is damaged\n  found:[\s\S]*experiment=usual"):
        network_table(experiments)


CONTENT = {"name": "U2Net", "n_images": 7, "raw": {"ece": 0.1, "oe": None, "s_measure": 0.8}}
CONTENT |= {"stretched": {"ece": 0.3}, "intervals": {"raw": {"ece": [0.05, 0.15]}, "stretched": {"ece": [0.25, 0.35]}}}


def write_judged(folder: Path, content: bytes) -> Path:
    folder.mkdir(parents=True)
    for name in ("counts.npz", "images.csv"):
        (folder / name).write_text("")
    (folder / "metrics.json").write_bytes(content)
    return folder / "metrics.json"


def test_judged_maps(tmp_path):
    write_judged(tmp_path / "ECSSD/U2Net", json.dumps(CONTENT).encode())
    table = judged_table(tmp_path)
    shown = {
        (row["protocol"], row["metric"]): (row["part"], row["mean"], row["low"], row["images"]) for row in table.rows
    }
    assert shown["raw", "ece"] == ("ECSSD", 0.1, 0.05, 7) and shown["stretched", "ece"] == ("ECSSD", 0.3, 0.25, 7)
    raw = table.printed()["raw"]
    assert raw.columns == ["", "ECE %", "S"] and raw.groups[0].rows == [["U2Net", "10.00 [5.00, 15.00]", "0.800"]]
    assert not table.notes
    write_judged(tmp_path / "ECSSD/copy", json.dumps(CONTENT).encode())  # of the same name
    assert {row["row"] for row in judged_table(tmp_path).rows} == {"U2Net", "copy"}


@pytest.mark.parametrize(
    "content",
    [b"[]", json.dumps(CONTENT).encode()[:-9], json.dumps(CONTENT | {"raw": {"ece": "high"}}).encode()],
)
def test_a_foreign_file_is_named_and_not_shown(tmp_path, content):
    file = write_judged(tmp_path / "ECSSD/U2Net", content)
    table = judged_table(tmp_path)
    assert not table.rows and str(file) in table.notes[0]
