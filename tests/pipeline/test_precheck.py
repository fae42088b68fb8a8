"""What parts have in common and what a user's file reads: told by `plan`, and before a network is trained."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from made_sets import encoded, image, pairs, write_files
from project import ROOT
from typer.testing import CliRunner

from pipeline_src.cli.main import app
from pipeline_src.engine.execute import execute
from pipeline_src.errors import UserError
from pipeline_src.files import write_text
from pipeline_src.inspection import precheck
from pipeline_src.inspection.plan import measured, plan
from pipeline_src.inspection.sizes import estimated
from pipeline_src.params.load import read
from pipeline_src.steps import train
from pipeline_src.steps.build import build

TWIN = "train and other hold 1 byte-identical images under different names: mine/s00 = others/o01"
READS = "mine.py, line 5: open(path) reads what no contract may hold"


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """An experiment with a test set that has a training image under another name, and a method that reads a file."""
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path / "mine", pairs(12))
    others = {name.replace("/s", "/o"): content for name, content in pairs(4).items()}
    others |= {"Image/o00.jpg": encoded(image(20), ".jpg"), "Image/o01.jpg": encoded(image(0), ".jpg")}
    others |= {f"Image/o0{i}.jpg": encoded(image(20 + i), ".jpg") for i in (2, 3)}
    write_files(tmp_path / "others", others)
    (tmp_path / "mine.py").write_text(
        "from pipeline_src.training.method import Method\n\n\n"
        "def content(path):\n    return open(path).read()\n\n\nclass Mine(Method):\n    pass\n"
    )
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content |= {
        "experiment": "trial",
        "datasets": {name: {"images": f"{name}/Image", "masks": f"{name}/GT"} for name in ("mine", "others")},
        "methods": {"baseline": {"file": "mine.py"}},
        "sweeps": {},
        "experiments": {
            "trial": content["experiments"]["tiny"]
            | {
                "methods": ["baseline"],
                "data": {
                    "train": {"set": "mine", "first": 8},
                    "val": {"set": "mine", "last": 4},
                    "id": {"other": {"set": "others"}},
                },
            }
        },
    }
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    return tmp_path


def test_plan_tells_images_that_parts_share_and_files_that_are_read(project):
    graph = build(read())
    unprepared = precheck.check(graph)
    assert TWIN not in unprepared and "Whether train, val, other share images" in unprepared[0]
    assert any(line.startswith(READS) for line in unprepared)
    for job in graph.of_kinds("prepare"):
        execute(job)
    said = " ".join(CliRunner().invoke(app, ["plan"]).output.split())
    assert TWIN in said and READS in said and "Whether" not in said


@pytest.mark.parametrize(
    ("methods", "images", "told"),
    [
        (["baseline", "temperature"], 1, "data.val has 1 image: what temperature fit to fewer than 10"),
        (["baseline", "temperature"], 9, "data.val has 9 images"),
        (["baseline", "temperature"], 10, ""),
        (["baseline"], 1, ""),
    ],
)
def test_plan_tells_that_few_validation_images_are_fitted_to(project, methods, images, told):
    content = yaml.safe_load(Path("params.yaml").read_text())
    trial = content["experiments"]["trial"]
    trial["methods"], trial["data"]["val"] = methods, {"set": "mine", "last": images}
    trial["data"] |= {"train": {"set": "others"}, "id": {"other": {"set": "mine", "first": 1}}}
    content["methods"] |= {"temperature": {"method": "temperature", "of": "baseline"}}
    Path("params.yaml").write_text(yaml.safe_dump(content))
    lines = [line for line in precheck.check(build(read())) if "data.val has" in line]
    assert len(lines) == bool(told) and all(told in line for line in lines)


def test_plan_names_groups_that_are_in_several_parts(project):
    """`first` and `last` cut a group in two, whatever the splits are."""
    content = yaml.safe_load(Path("params.yaml").read_text())
    content["datasets"]["mine"]["groups"] = "^(s)"
    Path("params.yaml").write_text(yaml.safe_dump(content))
    graph = build(read())
    for job in graph.of_kinds("prepare"):
        execute(job)
    assert "train and val share 1 group of images that are not independent: s" in precheck.check(graph)
    content["datasets"]["mine"]["groups"] = "^s(..)"
    Path("params.yaml").write_text(yaml.safe_dump(content))
    graph = build(read())
    assert graph.job("prepare/mine").current  # none of its splits is drawn
    assert not any("not independent" in line for line in precheck.check(graph))


def test_plan_counts_the_files_of_a_set_that_is_not_prepared(project):
    content = yaml.safe_load(Path("params.yaml").read_text())
    drawn = {"val": {"of": "all", "fraction": 0.25}, "train": {"of": "all", "without": "val"}}
    content["datasets"]["mine"]["splits"] = drawn
    parts = {"train": {"set": "mine", "split": "train"}, "val": {"set": "mine", "split": "val"}}
    content["experiments"]["trial"]["data"] |= parts
    Path("params.yaml").write_text(yaml.safe_dump(content))
    graph = build(read())
    assert {part: estimated(graph, part) for part in graph.stored_parts} == {"train": 9, "val": 3, "other": 4}
    assert plan(graph).unknown == []


def test_plan_says_that_nothing_is_to_be_run(project, monkeypatch):
    assert "Run it: snakemake" in CliRunner().invoke(app, ["plan"]).output
    monkeypatch.setattr("pipeline_src.engine.job.Job.current", property(lambda job: True))
    monkeypatch.setattr("pipeline_src.inspection.plan.precheck.check", lambda graph: [])
    monkeypatch.setattr("pipeline_src.inspection.plan.sizes.estimated", lambda graph, part: 4)
    monkeypatch.setattr("pipeline_src.inspection.plan.verified", lambda graph: "")
    monkeypatch.setattr("pipeline_src.inspection.plan.notes", lambda graph: {})
    said = CliRunner().invoke(app, ["plan"]).output
    assert "Run it" not in said and "nothing is to be run. The report: results/trial/report.html" in said


def test_a_tracker_that_there_is_not_is_told_before_anything_runs(project):
    content = yaml.safe_load(Path("params.yaml").read_text()) | {"trackers": [{"type": "Tensorboard"}]}
    Path("params.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=r"mmengine has no backend 'Tensorboard'\n  expected: .*TensorboardVisBackend"):
        precheck.check(build(read()))


@pytest.mark.slow
@pytest.mark.parametrize("text", ["", "id\nx\n", "\0"])
def test_plan_counts_a_damaged_list_of_images_as_not_prepared(project, text):
    """`snakemake` makes it again."""
    for job in build(read()).of_kinds("prepare"):
        execute(job)
        write_text(job.folder / "manifest.csv", text)
    assert CliRunner().invoke(app, ["plan"]).exit_code == 0
    assert plan(build(read())).why("prepare") == "prepare/mine: manifest.csv was changed"  # though it is taken over


@pytest.mark.parametrize(
    ("seconds", "steps"), [(0.01, [2, 2, 10] + [10] * 6), (0.4, [2, 2, 10, 10, 10]), (3.0, [2, 2]), (30.0, [2])]
)
def test_plan_times_few_steps_where_they_are_slow(monkeypatch, seconds, steps):
    taken: list[int] = []
    clock = SimpleNamespace(perf_counter=lambda: seconds * sum(taken))
    monkeypatch.setattr("pipeline_src.inspection.plan.time", clock)
    assert measured(lambda batch: taken.append(len(batch)), torch.zeros(10, 3, 8, 8)) == pytest.approx(1 / seconds)
    assert taken == steps


def test_plan_says_what_it_rests_on_and_which_weights_are_not_here(project, offline, monkeypatch):
    monkeypatch.setattr("pipeline_src.inspection.plan.speeds", lambda experiment: (2.5, 80.0))
    content = yaml.safe_load(Path("params.yaml").read_text())
    content["experiments"]["trial"]["model"] = {"config": "resnet50_aslp", "pretrained": True}
    Path("params.yaml").write_text(yaml.safe_dump(content))
    said = " ".join(CliRunner().invoke(app, ["plan"]).output.split())
    assert "by 2.5 images a second in training and 80 in inference" in said
    assert "resnet50-0676ba61.pth is not here. The first training downloads it from https://" in said
    assert f"without a network put it there: {offline}" in said


def test_a_set_of_the_catalogue_is_none_of_the_users_whoever_wrote_its_entry(project):
    assert build(read()).facts.own_data
    text = Path("params.yaml").read_text().replace("set: mine", "set: DUTS-TR").replace("set: others", "set: SOD")
    Path("params.yaml").write_text(text.replace("  mine:", "  DUTS-TR:").replace("  others:", "  SOD:"))
    facts = build(read()).facts
    assert not facts.own_data and facts.in_paper == ("other",)


def test_training_tells_them_before_the_first_step(project, monkeypatch, caplog):
    graph = build(read())
    caplog.set_level("INFO")
    told = {}
    for kinds in (("prepare/mine", "store/train", "store/val"), ("prepare/others",)):
        for name in kinds:
            execute(graph.job(name))
        monkeypatch.setattr("pipeline_src.training.loop.train", lambda *_: told.update(log=caplog.text))
        with pytest.raises(AttributeError):  # nothing was trained, so there is nothing to write
            train.train_into(graph.job("train/baseline/seed0"), project)
        assert READS in told["log"]
        assert (TWIN in told["log"]) == (kinds == ("prepare/others",))
        assert ("other: not prepared yet" in told["log"]) == (kinds != ("prepare/others",))
        caplog.clear()
