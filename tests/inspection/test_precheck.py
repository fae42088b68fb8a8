"""What parts have in common and what a user's file reads: told by `plan`, and before a network is trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from made_sets import encoded, image, pairs, write_files
from project import ROOT
from typer.testing import CliRunner

from pipeline_src.cli.main import app
from pipeline_src.engine.execute import execute
from pipeline_src.errors import UserError
from pipeline_src.files import write_text
from pipeline_src.inspection import precheck
from pipeline_src.inspection.plan import plan
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


def test_a_tracker_that_there_is_not_is_told_before_anything_runs(project):
    content = yaml.safe_load(Path("params.yaml").read_text()) | {"trackers": [{"type": "Tensorboard"}]}
    Path("params.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=r"mmengine has no backend 'Tensorboard'\n  expected: .*TensorboardVisBackend"):
        precheck.check(build(read()))


@pytest.mark.parametrize("text", ["", "id\nx\n", "\0"])
def test_plan_counts_a_damaged_list_of_images_as_not_prepared(project, text):
    """`snakemake` makes it again."""
    for job in build(read()).of_kinds("prepare"):
        execute(job)
        write_text(job.folder / "manifest.csv", text)
    assert CliRunner().invoke(app, ["plan"]).exit_code == 0
    assert plan(build(read())).why("prepare") == "prepare/mine: manifest.csv was changed"  # though it is taken over


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
