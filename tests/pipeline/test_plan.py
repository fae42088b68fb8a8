"""`plan`: which jobs run and why, how long they take, and warnings."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import yaml
from made_sets import encoded, image, pairs, write_files
from project import ROOT, call
from typer.testing import CliRunner

from pipeline_src.cli.main import app
from pipeline_src.errors import UserError
from pipeline_src.params.load import read
from pipeline_src.pipeline import precheck, work
from pipeline_src.pipeline.jobs import build
from pipeline_src.pipeline.plan import plan
from pipeline_src.pipeline.runner import run_job

TWIN = "train and other hold 1 byte-identical images under different names: mine/s00 = others/o01"


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """An experiment with a test set that has a training image under another name."""
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path / "mine", pairs(12))
    others = {name.replace("/s", "/o"): content for name, content in pairs(4).items()}
    others |= {"Image/o00.jpg": encoded(image(20), ".jpg"), "Image/o01.jpg": encoded(image(0), ".jpg")}
    others |= {f"Image/o0{i}.jpg": encoded(image(20 + i), ".jpg") for i in (2, 3)}
    write_files(tmp_path / "others", others)
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content |= {
        "experiment": "trial",
        "datasets": {name: {"images": f"{name}/Image", "masks": f"{name}/GT"} for name in ("mine", "others")},
        "methods": {"baseline": {}},
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


def test_plan_tells_images_that_parts_share(project):
    graph = build(read())
    unprepared = precheck.check(graph)
    assert TWIN not in unprepared and "train, val, other" in unprepared[0]
    for job in graph.of_kinds("prepare"):
        run_job(job)
    said = " ".join(CliRunner().invoke(app, ["plan"]).output.split())
    assert TWIN in said and "Whether" not in said


@pytest.mark.parametrize(
    ("methods", "images", "told"),
    [
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
        run_job(job)
    assert "train and val share 1 group of images that are not independent: s" in precheck.check(graph)
    content["datasets"]["mine"]["groups"] = "^s(..)"
    Path("params.yaml").write_text(yaml.safe_dump(content))
    graph = build(read())
    assert graph.job("prepare/mine").is_made  # none of its splits is drawn
    assert not any("not independent" in line for line in precheck.check(graph))


def test_plan_counts_the_files_of_a_set_that_is_not_prepared(project):
    content = yaml.safe_load(Path("params.yaml").read_text())
    drawn = {"val": {"of": "all", "fraction": 0.25}, "train": {"of": "all", "without": "val"}}
    content["datasets"]["mine"]["splits"] = drawn
    parts = {"train": {"set": "mine", "split": "train"}, "val": {"set": "mine", "split": "val"}}
    content["experiments"]["trial"]["data"] |= parts
    Path("params.yaml").write_text(yaml.safe_dump(content))
    graph = build(read())
    assert {part: precheck.size(graph, part) for part in graph.stored_parts} == {"train": 9, "val": 3, "other": 4}
    assert plan(graph).unknown == []


def change(*keys: str, **values) -> None:
    """Change keys of the experiment, or of a mapping in it, in params.yaml."""
    content = yaml.safe_load(Path("params.yaml").read_text())
    place = content["experiments"]["trial"]
    for key in keys:
        place = place[key]
    place |= values
    Path("params.yaml").write_text(yaml.safe_dump(content))


@pytest.mark.parametrize(("epochs", "said"), [(6, True), (7, False)])
def test_plan_says_that_no_label_is_perturbed(project, epochs, said):
    """Alpha stays 0 through the first five epochs, and an image is perturbed in the epoch after its first step."""
    change(methods=["aslp_mc"])
    change("training", epochs=epochs)
    content = yaml.safe_load(Path("params.yaml").read_text())
    content["methods"] = {"aslp_mc": {"start_epoch": 5}}
    Path("params.yaml").write_text(yaml.safe_dump(content))
    lines = [line for line in precheck.check(build(read())) if line.startswith("methods.aslp_mc")]
    assert bool(lines) == said and all("start_epoch is 5" in line for line in lines)


def test_a_batch_of_more_images_than_there_are_is_refused(project):
    change("training", batch_size=9)
    with pytest.raises(UserError, match="batch_size: 9 and 8"):
        precheck.check(build(read()))


def test_more_images_than_there_are_are_refused(project):
    change("data", id={"other": {"set": "others", "first": 5}})
    with pytest.raises(UserError, match=r"data\.other"):
        precheck.check(build(read()))


def done(job, folder: Path) -> None:
    for name in job.files:
        (folder / name).write_text("epoch,images_per_second,seconds\n1,4,2\n2,4,2\n" if name == "timing.csv" else "")


def test_plan_gives_the_reasons_and_the_time_by_finished_runs(project):
    graph = build(read())
    first = plan(graph, cores=1)
    assert first.seconds is None and first.why("train") == "train/baseline/seed0: not made yet"
    for job in graph.of_kinds("prepare", "store"):
        run_job(job)
    job = graph.job("train/baseline/seed0")
    assert job.fingerprint
    object.__setattr__(job, "work", done)  # the fingerprint is that of the real work
    run_job(job)
    change(seeds=[0, 1])
    change("training", lr=0.5)
    graph = build(read())
    (trained,) = job.view.parent.iterdir()
    shutil.copytree(trained, trained.with_name("seed1"), symlinks=True)
    found = plan(graph, cores=1)
    assert found.why("train") == "train/baseline/seed0: training.lr 0.001 -> 0.5"
    epochs = graph.settings.training.epochs
    assert found.seconds == pytest.approx(2 * epochs * 2, rel=0.1)  # 2 s an epoch, two seeds
    assert found.bytes == 0 and {job.kind for job in found.missing} == {
        *("train", "evaluate", "analyse", "tables", "figures", "claims", "report")
    }


def test_plan_takes_no_torch(project):
    code = "import sys; from pipeline_src.cli.main import app; app(['plan'], standalone_mode=False); "
    said = call(project, sys.executable, "-c", code + "print('torch' in sys.modules)", PYTHONPATH=str(ROOT))
    assert said.endswith("False\n") and "Run it: snakemake --cores all --config experiment=trial" in said


def test_a_set_of_the_catalogue_is_none_of_the_users_whoever_wrote_its_entry(project):
    text = Path("params.yaml").read_text().replace("set: mine", "set: DUTS-TR").replace("set: others", "set: SOD")
    Path("params.yaml").write_text(text.replace("  mine:", "  DUTS-TR:").replace("  others:", "  SOD:"))
    facts = build(read()).facts
    assert facts.in_paper == ("other",)


HISTORY = "epoch,loss,val_accuracy\n1,0.7,0.6\n2,{loss},{accuracy}\n"


@pytest.mark.parametrize(
    ("loss", "accuracy", "warns"),
    [(0.5, 0.95, ""), (0.5, 0.05, "inverted"), (1e12, 0.7, "diverged"), ("nan", 0.9, "diverged")],
)
def test_inverted_masks_and_a_diverged_training_are_logged(project, caplog, loss, accuracy, warns):
    Path("history.csv").write_text(HISTORY.format(loss=loss, accuracy=accuracy))
    work._warn_of_accuracy(build(read()).job("train/baseline/seed0"), Path())
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == bool(warns) and all(warns in text for text in warnings)
