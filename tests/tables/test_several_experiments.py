"""Tables that span experiments: other tasks, other networks, models judged from saved maps."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from pipeline_src.analysis.facts import ExperimentSummary
from pipeline_src.errors import UserError
from pipeline_src.files import rounded
from pipeline_src.maps import judge
from pipeline_src.tables.paper_table import PaperTable
from pipeline_src.tables.several_experiments import (
    OVERVIEW_TABLES,
    judged_files,
    judged_table,
    network_table,
    task_table,
    write_overview_tables,
)

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
        ExperimentSummary("unrelated", "sod", "huge", ["two"], ABSENT),
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
    assert made.notes == ["Not run: huge. To get it, run: snakemake --cores all --config experiment=larger"]


def test_the_experiment_with_the_most_common_methods_stands_for_a_network(experiments, tmp_path):
    usual, large, unrun = experiments[:3]
    fuller, other = (
        ExperimentSummary(name, "sod", "small", ["one"], tables(tmp_path / name, 0.75, methods=methods))
        for name, methods in (("fuller", "abc"), ("other", "bcde"))
    )
    for group, shown in (
        ([other, usual, large], {"usual", "large"}),  # a and b rather than b
        ([other, fuller, large], {"fuller", "large"}),
        ([other, large], {"other", "large"}),
        ([usual, fuller, unrun], {"fuller"}),  # no other network to have anything in common with
    ):
        assert {row["experiment"] for row in network_table(group).rows} == shown


def test_without_a_second_network_the_change_is_named(experiments):
    made = network_table(experiments[:1])
    assert not made.rows
    assert "a second network on the same data" in made.notes[0] and "experiment=NAME" in made.notes[0]


def test_other_tasks(experiments):
    made = task_table(experiments, TASKS)
    assert {row["experiment"] for row in made.rows} == {"hidden", "hidden_big"}
    assert made.rows[0]["group"] == "camouflaged objects: one (hidden)"
    assert any(note.startswith("Not run: smoke.") and note.endswith("experiment=foggy") for note in made.notes)
    assert any(note.startswith("Not run: polyps.") and "docs/data.md" in note for note in made.notes)
    assert "camouflaged" not in " ".join(made.notes)


def test_the_table_of_tasks_says_what_a_shown_set_needs(tmp_path):
    captions = {"one": "Near-duplicates.", "not shown": "Nothing."}
    folders = (tables(tmp_path, 0.5, "shifted"), ABSENT)
    made = task_table(
        [ExperimentSummary("fog", "smoke", "small", 0, folder, captions=captions) for folder in folders], {}
    )
    assert {row["group"] for row in made.rows} == {"smoke: one, under shift (fog)"}
    assert made.title == "Other tasks, in distribution and under shift"
    assert made.notes[0] == "one: Near-duplicates." and not any("Nothing" in note for note in made.notes)


def test_files_of_the_overview(experiments, tmp_path):
    write_overview_tables(experiments, tmp_path / "judged", TASKS, tmp_path / "overview")
    assert sorted(path.name for path in (tmp_path / "overview").iterdir()) == sorted(OVERVIEW_TABLES)
    with open(tmp_path / "overview/T7.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["model"] == "small" and float(rows[0]["mean"]) == 0.5 and rows[0]["sd"] == ""
    assert "dense-calibration judge --pred" in (tmp_path / "overview/T8.md").read_text(encoding="utf-8")


def test_judged_maps(tmp_path):
    values = {"ece": 0.1, "oe": None, "accuracy": 0.9, "mean_iou": None, "s_measure": 0.8}
    content = {"name": "U2Net", "n_images": 7, "raw": values, "intervals": {"raw": {"ece": [0.05, 0.15], "oe": None}}}
    other = {"name": "Other", "n_images": 7, "raw": {"oe": 0.01}, "intervals": {}}
    foreign = {
        "binary": b"\xff",
        "cut": json.dumps(content).encode()[:-9],
        "empty": b"",
        "ends": json.dumps(content | {"intervals": {"raw": {"ece": [0.1]}}}).encode(),
        "foreign": b'{"accuracy": 1}',
        "list": b"[]",
        "name": json.dumps(content | {"name": 3}).encode(),
        "text": json.dumps(content | {"raw": {"ece": "high"}}).encode(),
    }
    for name, written in {
        "U2Net": json.dumps(content).encode(),
        "other": json.dumps(other).encode(),
        **foreign,
    }.items():
        (tmp_path / "ECSSD" / name).mkdir(parents=True)
        (tmp_path / "ECSSD" / name / "metrics.json").write_bytes(written)
    made = judged_table(tmp_path)
    damaged = {"binary": "UnicodeDecodeError", "cut": "JSONDecodeError", "empty": "JSONDecodeError"}
    earlier = " can't be checked: metrics.sha256 is not beside it. Judge the maps again."
    assert {note.removeprefix(f"{tmp_path}/ECSSD/") for note in made.notes} == {
        *(f"{name}/metrics.json{earlier}" for name in ("U2Net", "other")),
        *(f"{name}/metrics.json is not shown: it is damaged ({error})." for name, error in damaged.items()),
        *(
            f"{name}/metrics.json is not shown: it is damaged, or `judge` did not write it."
            for name in foreign.keys() - damaged.keys()
        ),
    }
    (row,) = (row for row in made.rows if (row["method"], row["metric"]) == ("U2Net", "ece"))
    assert [row[key] for key in ("part", "mean", "low", "high", "images")] == ["ECSSD", 0.1, 0.05, 0.15, 7]
    (table,) = made.printed("T8").values()
    assert table.columns == ["", "ECE %", "Acc. %", "S", "OE %"]  # nobody has a mean IoU
    assert table.groups[0].rows == [
        ["U2Net", "10.00 [5.00, 15.00]", "90.00", "0.800", "–"],
        ["Other", "–", "–", "–", "1.00"],
    ]


def test_judged_maps_have_the_intervals_of_their_protocol(tmp_path):
    ends = {"raw": [0.05, 0.15], "stretched": [0.25, 0.35]}
    values = {protocol: {"ece": sum(pair) / 2} for protocol, pair in ends.items()}
    content = {"name": "U2Net", "n_images": 7, "intervals": {of: {"ece": pair} for of, pair in ends.items()}} | values
    (folder := tmp_path / "ECSSD/U2Net").mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps(content))
    rows = judged_table(tmp_path).rows
    assert {row["protocol"]: (row["mean"], row["low"], row["high"]) for row in rows} == {
        protocol: (values[protocol]["ece"], *pair) for protocol, pair in ends.items()
    }


def test_judged_maps_that_were_altered_are_named_and_not_shown(tmp_path):
    content = {"name": "U2Net", "n_images": 7, "raw": {"ece": 0.1}, "intervals": {}}
    (folder := tmp_path / "ECSSD/U2Net").mkdir(parents=True)
    for name in ("statistic.npz", "images.csv"):
        (folder / name).write_text("")
    judge.complete(folder, json.dumps(content))
    made = judged_table(tmp_path)
    assert [row["mean"] for row in made.rows] == [0.1] and not made.notes
    assert {file.name for file in judged_files(tmp_path)} == {"metrics.json", "metrics.sha256"}
    (folder / "metrics.json").write_text(json.dumps(content | {"raw": {"ece": 0.01}}))
    made = judged_table(tmp_path)
    assert not made.rows and made.notes[0] == (
        f"{folder}/metrics.json is not shown: it is damaged or was altered since `judge` wrote it, by metrics.sha256 "
        "beside it."
    )


@pytest.mark.parametrize("content", [b"\xff", b"", b"[]\n", b"a,b\n1,2\n"])
def test_a_damaged_table_of_an_experiment_is_named(experiments, content):
    file = experiments[0].folder / "tables/T2.csv"
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"tables/T2\.csv is damaged\n  found:[\s\S]*experiment=usual"):
        network_table(experiments)


def test_what_a_killed_judge_left_is_no_result(tmp_path):
    for folder in ("photos/net", "photos/net/.new", "photos/.other"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "metrics.json").write_text("{}")
    assert judged_files(tmp_path) == [tmp_path / "photos/net/metrics.json"]
