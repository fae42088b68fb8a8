"""`plan`: which jobs run and why, and warnings."""

from __future__ import annotations

import shutil
import sys
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from made_sets import encoded, image, pairs, write_files
from project import ROOT, call

from pipeline_src.errors import UserError
from pipeline_src.params.load import read
from pipeline_src.pipeline import plan as planned
from pipeline_src.pipeline import work
from pipeline_src.pipeline.jobs import build
from pipeline_src.pipeline.needs import needs
from pipeline_src.pipeline.plan import differences, missing_jobs, warnings
from pipeline_src.pipeline.runner import run_job


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """An experiment with a test set that has a training image under another name."""
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path / "mine", pairs(12))
    others = {name.replace("/s", "/o"): content for name, content in pairs(4).items()}
    others |= {f"Image/o0{i}.jpg": encoded(image(20 + i), ".jpg") for i in (0, 2, 3)}
    others["Image/o01.jpg"] = encoded(image(0), ".jpg")
    write_files(tmp_path / "others", others)
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    data = {"train": {"set": "mine", "first": 8}, "val": {"set": "mine", "last": 4}, "id": {"other": {"set": "others"}}}
    content |= {
        "experiment": "trial",
        "datasets": {name: {"images": f"{name}/Image", "masks": f"{name}/GT"} for name in ("mine", "others")},
        "methods": {"baseline": {}},
        "experiments": {"trial": content["experiments"]["tiny"] | {"methods": ["baseline"], "data": data}},
    }
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    return tmp_path


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
    lines = [line for line in warnings(build(read())) if line.startswith("methods.aslp_mc")]
    assert bool(lines) == said and all("start_epoch is 5" in line for line in lines)


def test_plan_warns_of_a_disk_that_is_too_small(project, monkeypatch):
    for job in build(read()).of_kinds("prepare"):
        run_job(job)
    assert warnings(build(read())) == []
    usage = namedtuple("Usage", "free")
    monkeypatch.setattr(planned.shutil, "disk_usage", lambda path: usage(1000))
    (line,) = warnings(build(read()))
    assert line.startswith("Disk: ") and "2 MiB" in line  # 16 images of 130 kB


def test_plan_lists_what_an_experiment_needs(project):
    """Of sets that are not prepared, all images count. The rate is that of a finished run with other epochs."""
    shown = needs(build(read()))
    assert "8 train, 4 val, 4 other" in shown[0] and "2 MiB" in shown[1] and "unknown" in shown[2]
    graph = build(read())
    for job in graph.of_kinds("prepare", "store"):
        run_job(job)
    (trained,) = graph.of_kinds("train")
    assert trained.fingerprint

    def work(job, folder):
        done(job, folder)
        (folder / "run.json").write_text('{"images": 8}')

    object.__setattr__(trained, "work", work)
    run_job(trained)
    made = dict(trained.manifest.made) | {"seconds": 2.0}
    replace(trained.manifest, made=made).write(trained.folder)
    change(seeds=[0, 1, 2])
    change("training", epochs=63)
    memory, hours = needs(build(read()))[2:]
    assert f"{trained.manifest.made['memory']:,} MiB" in memory
    images = 3 * 8 * 63  # none of them is trained; 7 epochs of 8 images took 2 seconds
    assert "3 trainings" in hours and "28.0 images" in hours and f"{images / 28 / 3600:.1f}" in hours
    change("training", epochs=63, threads=2)
    assert "unknown" in needs(build(read()))[-1]


def done(job, folder: Path) -> None:
    for name in job.files:
        (folder / name).write_text("")


def test_plan_gives_the_reasons(project):
    graph = build(read())
    assert differences(graph.job("train/baseline/seed0")) == ["not made yet"]
    for job in graph.of_kinds("prepare", "store"):
        run_job(job)
    job = graph.job("train/baseline/seed0")
    assert job.fingerprint
    object.__setattr__(job, "work", done)  # the fingerprint is that of the real work
    run_job(job)
    change(seeds=[0, 1])
    change("training", lr=0.5)
    (trained,) = job.view.parent.iterdir()
    shutil.copytree(trained, trained.with_name("seed1"), symlinks=True)
    graph = build(read())
    assert differences(graph.job("train/baseline/seed0")) == ["training.lr 0.001 -> 0.5"]
    kinds = ("train", "evaluate", "analyse", "tables", "figures", "claims", "report")
    assert {job.kind for job in missing_jobs(graph)} == {*kinds}


def test_plan_takes_no_torch(project):
    code = "import sys; from pipeline_src.cli.main import app; app(['plan'], standalone_mode=False); "
    said = call(project, sys.executable, "-c", code + "print('torch' in sys.modules)", PYTHONPATH=str(ROOT))
    assert said.endswith("False\n") and "Run it: snakemake --cores all --config experiment=trial" in said


def test_images_that_parts_share_are_logged_or_refused(project, caplog):
    from pipeline_src.data.store import Store

    graph = build(read())
    for job in graph.of_kinds("prepare", "store"):
        run_job(job)
    stores = {part: Store(graph.job(f"store/{part}").folder) for part in graph.parts}
    work.report_overlap(stores)
    assert "train and other hold 1 byte-identical images: mine/s00 = others/o01" in caplog.text
    with pytest.raises(UserError, match="train and val share 8 samples"):
        work.report_overlap({"train": stores["train"], "val": stores["train"]})


def test_a_set_of_the_catalogue_is_none_of_the_users_whoever_wrote_its_entry(project):
    text = Path("params.yaml").read_text().replace("set: mine", "set: DUTS-TR").replace("set: others", "set: SOD")
    Path("params.yaml").write_text(text.replace("  mine:", "  DUTS-TR:").replace("  others:", "  SOD:"))
    assert build(read()).facts.in_paper == ("other",)


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
