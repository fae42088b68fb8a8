"""`plan`: which jobs run and why, and warnings."""

from __future__ import annotations

import shutil
import sys
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from bad_input import run
from damaged import flipped
from made_sets import encoded, image, pairs, write_files, write_zip
from project import ROOT, call
from typer.testing import CliRunner

from pipeline_src.cli.main import app
from pipeline_src.errors import UserError
from pipeline_src.params.load import read
from pipeline_src.pipeline import plan as planned
from pipeline_src.pipeline import training_faults
from pipeline_src.pipeline.graph import build
from pipeline_src.pipeline.plan import check_splits, differences, missing_jobs, requirements, warnings
from pipeline_src.pipeline.runner import run_job
from pipeline_src.pipeline.steps.data import report_overlap
from pipeline_src.pipeline.steps.networks import settings


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


@pytest.mark.parametrize(("epochs", "shown"), [(6, "0.00 labels"), (7, "0.01 labels"), (12, "0.19 labels"), (13, "")])
def test_plan_says_that_hardly_a_label_is_perturbed(project, epochs, shown):
    """Alpha stays 0 through the first five epochs, and an image is perturbed in the epoch after its first step.

    It grows by 0.009 in an epoch: an image is perturbed 0.009 x (1 + ... + 6) = 0.19 times in six epochs.
    """
    change(methods=["aslp_mc"])
    change("training", epochs=epochs)
    content = yaml.safe_load(Path("params.yaml").read_text())
    content["methods"] = {"aslp_mc": {"start_epoch": 5}}
    Path("params.yaml").write_text(yaml.safe_dump(content))
    lines = [line for line in warnings(build(read())) if line.startswith("methods.aslp_mc")]
    assert bool(lines) == bool(shown) and all(shown in line for line in lines)


def test_plan_warns_of_a_disk_that_is_too_small(project, monkeypatch):
    for job in build(read()).of_kinds("prepare"):
        run_job(job)
    assert warnings(build(read())) == []
    usage = namedtuple("Usage", "free")
    monkeypatch.setattr(planned.shutil, "disk_usage", lambda path: usage(1000))
    (line,) = warnings(build(read()))
    assert line.startswith("Disk: ") and "2 MiB" in line  # 16 images of 130 kB


def test_plan_lists_what_an_experiment_needs(project):
    """The rate is that of a finished run with another number of epochs."""

    def listed() -> list[str]:
        graph = build(read())
        return requirements(graph, check_splits(graph))

    change("training", epochs=7)
    shown = listed()
    assert "train 8, val 4, other 4 (at most" in shown[0] and "2 MiB" in shown[1] and "unknown" in shown[2]
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
    memory, hours = listed()[2:]
    assert f"{trained.manifest.made['memory']:,} MiB" in memory and listed()[0].endswith("other 4")
    images = 3 * 8 * 63  # none of them is trained; 7 epochs of 8 images took 2 seconds
    assert "3 networks" in hours and "28.0 images" in hours and f"{images / 28 / 3600:.1f}" in hours
    change("training", threads=2)
    assert "unknown" in listed()[-1]
    change("training", threads=1)
    flipped(trained.folder / "run.json")
    assert "unknown" in listed()[-1]


def test_plan_and_verify_name_results_of_other_versions(project, monkeypatch):
    job = build(read()).job("prepare/mine")
    run_job(job)
    version = job.manifest.made["versions"]["numpy"]
    monkeypatch.setattr("pipeline_src.pipeline.job.installed", lambda name: "0.1")
    (line,) = [line for line in warnings(build(read())) if "numpy" in line]
    assert f"numpy {version}, here 0.1: prepare/mine" in line
    done = CliRunner().invoke(app, ["verify", "prepare/mine"])
    assert line in done.output and done.exit_code == 0


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ({"train": {"set": "mine", "first": 9}}, "train and val share 1 samples"),
        ({"train": {"set": "mine"}}, "train and val share 4 samples"),
        (
            {"id": {"other": {"set": "mine", "skip": 6, "first": 3}}},
            r"train and other share 2(.|\n)*val and other .* 1",
        ),
        ({"id": {"other": {"set": "others", "first": 5}}}, r"first 5 of others/all(.|\n)*4 samples"),
        ({"train": {"set": "mine", "skip": 10, "first": 3}}, r"first 3 of mine/all after 10(.|\n)*12 samples"),
    ],
)
def test_plan_refuses_overlaps_and_sizes_beyond_the_dataset(project, parts, named, prepared):
    change("data", **parts)
    if prepared:
        for job in build(read()).of_kinds("prepare"):
            run_job(job)
    with pytest.raises(UserError, match=named):
        run("plan")


def test_overlaps_are_found_in_an_archive_of_unknown_size(project):
    content = yaml.safe_load(Path("params.yaml").read_text())
    content["datasets"]["mine"] = {"archive": "a.zip", "images": "Image", "masks": "GT"}
    Path("params.yaml").write_text(yaml.safe_dump(content))
    write_zip(Path("a.zip"), pairs(12))
    run("plan")
    change("data", train={"set": "mine", "first": 8}, val={"set": "mine", "first": 3})
    with pytest.raises(UserError, match="train and val share 3 samples"):
        run("plan")


def test_plan_names_a_device_that_is_absent_here(project):
    assert warnings(build(read())) == []
    change("training", device="cuda:99")
    (line,) = warnings(build(read()))
    assert line.startswith("Device: ") and "'cuda:99'" in line


def test_plan_counts_jobs(project, capsys):
    """Two seeds share the jobs of data, and a split under two names shares its store."""
    change(seeds=[0, 1])
    change("data", id={name: {"set": "others"} for name in ("one", "two")})
    for job in build(read()).of_kinds("prepare"):
        run_job(job)
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["plan"], catch_exceptions=False)
    title, *lines = done.output.splitlines()
    rows = [line.split("│")[1:3] for line in lines if "│" in line]
    assert {kind.strip(): number.strip() for kind, number in rows} == {
        "prepare": "0 of 2",
        "store": "3 of 4",
        "train": "2 of 2",
        "evaluate": "2 of 2",
        "analyse": "3 of 3",
        **dict.fromkeys(("tables", "figures", "gallery", "claims", "report"), "1 of 1"),
    }
    assert "15 of 18 jobs" in title


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
    assert differences(graph.job("train/baseline/seed0")) == ["training.lr 0.01 -> 0.5"]
    kinds = ("train", "evaluate", "analyse", "tables", "figures", "gallery", "claims", "report")
    assert {job.kind for job in missing_jobs(graph)} == {*kinds}


@pytest.mark.parametrize("command", ["plan", "verify"])
def test_the_view_shows_todays_results_again_after_parameters_were_set_back(project, command):
    for size in (32, 64):
        change(image_size=size)
        graph = build(read())
        for job in graph.of_kinds("prepare", "store"):
            run_job(job)
    change(image_size=32)
    job = build(read()).job("store/val")
    (link, *_) = job.links
    assert not link.samefile(job.paths[0])
    run(command)
    assert link.samefile(job.paths[0])


def test_plan_takes_no_torch(project):
    code = "import sys; from pipeline_src.cli.main import app; app(['plan'], standalone_mode=False); "
    said = call(project, sys.executable, "-c", code + "print('torch' in sys.modules)", PYTHONPATH=str(ROOT))
    assert said.endswith("False\n") and "Run it: snakemake --cores all --config experiment=trial" in said


def test_images_that_parts_share_are_logged_or_refused(project, caplog):
    from pipeline_src.data.store import Store

    graph = build(read())
    for job in graph.of_kinds("prepare", "store"):
        run_job(job)
    stores = {part: Store(graph.job(f"store/{part}").folder) for part in graph.splits}
    report_overlap(stores)
    assert "train and other hold 1 byte-identical images: mine/s00 = others/o01" in caplog.text
    with pytest.raises(UserError, match="train and val share 8 samples"):
        report_overlap({"train": stores["train"], "val": stores["train"]})


def test_evaluation_knows_its_batch_size(project):
    change(evaluation={"bins": 10, "batch_size": 5})
    job = build(read()).evaluation("baseline", 0)
    assert settings(job).evaluation.batch_size == 5


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
    training_faults.warn_of_accuracy(build(read()).job("train/baseline/seed0"), Path())
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == bool(warns) and all(warns in text for text in warnings)
