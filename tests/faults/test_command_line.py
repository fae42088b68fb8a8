"""What is typed wrong, and what lies wrong in a project."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import yaml
from bad_input import BadInput, check, run
from made_sets import pairs, write_zip

from pipeline_src.engine import contract
from pipeline_src.engine.execute import execute
from pipeline_src.files import write_text
from pipeline_src.params import changes
from pipeline_src.params.load import read
from pipeline_src.steps.build import build, chosen

PARAMS = {
    "experiment": "small",
    "defaults": {"image_size": 32, "training": {"epochs": 2}},
    "methods": {"baseline": {}, "slp": {"alpha": 0.05, "beta": 1.0}, "temperature": {"of": "baseline"}},
    "experiments": {
        "small": {
            "methods": ["baseline", "slp"],
            "model": {"config": "tiny_fpn", "pretrained": False},
            "data": {
                "train": {"set": "tiny-scenes", "split": "train"},
                "val": {"set": "tiny-scenes", "split": "val"},
                "id": {"scenes": {"set": "tiny-scenes", "split": "test"}},
            },
        }
    },
}


def project(folder: Path) -> None:
    (folder / "params.yaml").write_text(yaml.safe_dump(PARAMS, sort_keys=False))
    (folder / "results").mkdir()
    (folder / "results/before.csv").write_text("1\n")


def prepared(folder: Path) -> None:
    """With one result that is there."""
    project(folder)
    execute(chosen().job("prepare/tiny-scenes"))


def empty(folder: Path) -> None:
    (folder / "notes.txt").write_text("no project\n")


def file_for_a_folder(folder: Path) -> None:
    (folder / "workflow").write_text("in the way\n")


def link_to_nothing(folder: Path) -> None:
    (folder / "mine").symlink_to("nowhere")


def with_file(name: str, text: str = "in the way\n") -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        project(folder)
        file = folder / name
        if file.is_dir():
            file = file.with_suffix(".csv")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    return make


def results_are_a_file(folder: Path) -> None:
    prepared(folder)
    (folder / "data/small/stores").write_text("in the way\n")


def damaged_manifest(folder: Path) -> None:
    prepared(folder)
    write_text(folder / "data/small/manifests/tiny-scenes/manifest.csv", "id\n")


def with_archive(folder: Path, files: dict[str, bytes]) -> None:
    """A project on a set of the user's."""
    write_zip(folder / "a.zip", files)
    part = {"set": "mine"}
    data = {"train": part | {"first": 12}, "val": part | {"last": 4}}
    mine = {"mine": {"archive": "a.zip", "images": "Image", "masks": "GT"}}
    before = PARAMS["experiments"]["small"]
    small = before | {"data": before["data"] | data}
    params = PARAMS | {"data_root": ".", "datasets": mine, "experiments": {"small": small}}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


def without_data(folder: Path) -> None:
    """Stores of an archive that is gone since, as after `dvc pull`."""
    with_archive(folder, pairs(16))
    for job in chosen().of_kinds("prepare", "store"):
        execute(job)
    (folder / "a.zip").unlink()
    shutil.rmtree(folder / "data/unpacked")


def changed(**keys) -> Callable[[Path], None]:
    """A project with other keys of its experiment."""

    def make(folder: Path) -> None:
        project(folder)
        experiment = PARAMS["experiments"]["small"] | keys
        (folder / "params.yaml").write_text(yaml.safe_dump(PARAMS | {"experiments": {"small": experiment}}))

    return make


def typed(*words: str) -> Callable[[Path], None]:
    return lambda folder: run(*words)


def configured(**config) -> Callable[[Path], None]:
    """`snakemake --config KEY=VALUE`, as workflow/ takes it."""

    def call(folder: Path) -> None:
        changes.take(config)
        chosen(config.get("experiment"))

    return call


ASKS = r"snakemake --cores all --config experiment=small"


row = partial(BadInput, make=project)


ROWS = [
    row(
        "no-project",
        "a command in a folder without a project",
        typed("plan"),
        r"params\.yaml does not exist",
        found="the folder /",
        expected="file of parameters",
        do="init DIR",
        make=empty,
        happens="it says where it looked, and how to make one",
    ),
    row(
        "params-missing",
        "`--params` names no file",
        typed("--params", "other.yaml", "plan"),
        r"--params other\.yaml does not exist",
        found="folder /",
        expected="params",
        do="init DIR",
        happens="the file and the working folder are named",
    ),
    row(
        "params-folder",
        "`--params` names a folder",
        typed("--params", "results", "plan"),
        "--params results is a folder",
        expected=r"params\.yaml",
        do="init",
        happens="it says so",
    ),
    row(
        "experiment-unknown",
        "`-e` names no experiment",
        typed("plan", "-e", "smal"),
        "no experiment 'smal'",
        expected="small",
        do="did you mean 'small'",
        happens="the nearest one and all are named",
    ),
    row(
        "config-unknown",
        "a key of `--config` that does not exist",
        configured(experimnt="small"),
        "--config experimnt",
        found="experimnt=small",
        expected="experiment, method, data_root",
        do="did you mean 'experiment'",
        happens="the nearest one and all are named",
    ),
    row(
        "config-key-of-experiment",
        "a key of an experiment as one of `--config`",
        configured(learning_rate=3),
        "--config learning_rate: no such key",
        found="learning_rate=3",
        expected="set",
        do=r"--config set='learning_rate=3'",
        happens="`set=` is shown",
    ),
    row(
        "method-unknown",
        "`--config method=` names no method",
        configured(method="sl"),
        r"with methods=\[sl\]: .*no entry 'sl'",
        expected="baseline, slp",
        do="did you mean 'slp'",
        happens="the nearest one and all are named",
    ),
    row(
        "method-without-its-base",
        "one method, without the one that it refers to",
        configured(method="temperature"),
        "methods.temperature needs the run of 'baseline'",
        do="add baseline",
        happens="what to add is said",
    ),
    row(
        "set-no-value",
        "`--set` without a value",
        typed("--set", "training.epochs", "plan"),
        "'training.epochs' cannot be read",
        found="training.epochs",
        expected="KEY=VALUE",
        do="set='training.epochs=5",
        happens="the form is shown",
    ),
    row(
        "set-no-yaml",
        "`--set` with a value that is no YAML",
        typed("--set", "seeds=[0,1", "plan"),
        "cannot be read",
        found=r"seeds=\[0,1",
        expected="KEY=VALUE",
        do="blanks",
        happens="the form is shown",
    ),
    row(
        "set-comment",
        "`--set` of nothing but the start of a comment",
        typed("--set", "training.epochs=#", "plan"),
        r"with training.epochs=#.*\n.*epochs: .*\(found None\)",
        happens="no value is what is found",
    ),
    row(
        "set-unknown-key",
        "`--set` of a key that does not exist",
        typed("--set", "training.epoch=3", "plan"),
        "with training.epoch=3.*\n.*did you mean 'epochs'",
        happens="the nearest one is named",
    ),
    row(
        "set-wrong-value",
        "`--set` of a value that the key cannot have",
        typed("--set", "training.epochs=few", "plan"),
        r"training\.epochs: .*found 'few'",
        happens="key and value are named",
    ),
    row(
        "set-unknown-method",
        "`--set` of a method's key, of no such method",
        typed("--set", "methods.slq.alpha=0.1", "plan"),
        "no entry 'slq'",
        found="methods.slq.alpha",
        expected="slp",
        do="did you mean 'slp'",
        happens="the nearest one is named",
    ),
    row(
        "set-unknown-parameter",
        "`--set` of a parameter that the method does not have",
        typed("--set", "methods.slp.alpa=0.1", "plan"),
        "methods.slp(.|\n)*alpa(.|\n)*'alpha'",
        happens="method and key are named",
    ),
    row(
        "claims-unknown",
        "`claims:` names no claim",
        typed("plan"),
        r"experiments\.small\.claims: there is no claim 'C99'",
        found=r"\[C5, C99\]",
        expected="true, false, or some of C1, C2",
        do="did you mean 'C9'",
        make=changed(claims=["C5", "C99"]),
        happens="the nearest one and all are named",
    ),
    row(
        "claims-wrong-type",
        "`claims:` is a number",
        typed("plan"),
        r"experiments\.small(.|\n)*claims(.|\n)*found 5",
        make=changed(claims=5),
        happens="key and value are named",
    ),
    row(
        "train-other-method",
        "`train` of a method that the experiment does not run",
        typed("train", "-m", "temperature"),
        "experiment small has no job train/temperature/seed0",
        expected="train/baseline/seed0, train/slp/seed0",
        happens="those that it runs are named",
    ),
    row(
        "train-other-seed",
        "`train` of a seed that the experiment does not have",
        typed("train", "-m", "slp", "-s", "7"),
        "has no job train/slp/seed7",
        expected="train/slp/seed0",
        do="did you mean 'train/slp/seed0'",
        happens="the nearest run is named",
    ),
    row(
        "evaluate-other-part",
        "`evaluate` on a set that the experiment does not have",
        typed("evaluate", "-m", "slp", "--part", "scene"),
        "no job evaluate/slp/seed0/scene",
        expected="evaluate/slp/seed0/scenes",
        do="did you mean",
        happens="those that it has are named",
    ),
    row(
        "prepare-other-set",
        "`prepare` of a set that the experiment does not use",
        typed("prepare", "--set", "ECSSD"),
        "no job prepare/ECSSD",
        expected="prepare/tiny-scenes",
        happens="those that it uses are named",
    ),
    row(
        "inputs-not-current",
        "a step before those that it needs",
        typed("train", "-m", "slp", "-e", "small"),
        "train/slp/seed0: inputs are not current",
        found="store/train: not made yet",
        expected="results of today's parameters",
        do=ASKS,
        happens="they are named, and the experiment's command",
    ),
    row(
        "inputs-not-current-set",
        "the same with a key changed by `--set`",
        typed("--set", "image_size=40", "store", "--part", "val"),
        "store/val: inputs are not current",
        found="prepare/tiny-scenes: not made yet",
        expected="results of today's parameters",
        do=f"{ASKS} set=image_size=40",
        happens="the command has the change",
    ),
    row(
        "open-no-report",
        "`report --open` before there is a page",
        typed("report", "--open"),
        "report: inputs are not current",
        do=ASKS,
        happens="the command that makes it is named",
    ),
    row(
        "contract-changed",
        "code or data changed while Snakemake ran",
        typed("store", "--part", "val", "--contract", "0" * 16),
        "store/val: parameters, data or code changed",
        found="[0-9a-f]{16}",
        expected="0{16}",
        do="start the command again",
        make=prepared,
        happens="the job stops before it works",
    ),
    row(
        "folder-is-a-file",
        "a file where a folder of results belongs",
        typed("store", "--part", "val"),
        "data/small/stores cannot be a folder, and store/val",
        found="a file",
        expected="a folder",
        do="move data/small/stores away",
        make=results_are_a_file,
        happens="it is named",
    ),
    row(
        "log-folder-is-a-file",
        "`--log` below a file",
        typed("overview", "--log", "logs/a.log"),
        "--log logs/a.log cannot be written",
        expected="folder",
        make=with_file("logs"),
        happens="it is named",
    ),
    row(
        "init-again",
        "`init` where a project is",
        typed("init", "."),
        r"params\.yaml is there already",
        found=r"params\.yaml",
        expected="new",
        do="--params params.yaml plan",
        happens="nothing is overwritten",
    ),
    row(
        "init-on-a-file",
        "`init` of a folder that is a file",
        typed("init", "mine"),
        "mine cannot be a folder, and the project",
        found="a file",
        expected="a folder",
        do="move mine away",
        make=with_file("mine"),
        happens="it is named",
    ),
    row(
        "init-cannot-write",
        "`init` of a folder that cannot be made",
        typed("init", 300 * "x"),
        "xxx cannot be made",
        found="too long",
        expected="made and written",
        do="another folder",
        make=empty,
        happens="it is named",
    ),
    row(
        "init-over-a-file",
        "`init` where a file lies in the place of one of its folders",
        typed("init", "."),
        "workflow cannot be a folder, and the project",
        found="a file",
        expected="a folder",
        do="move workflow away",
        make=file_for_a_folder,
        happens="it is named, and nothing is written",
    ),
    row(
        "init-on-a-link",
        "`init` of a folder that is a link to nothing",
        typed("init", "mine"),
        "mine cannot be made",
        found="File exists",
        expected="made and written",
        do="another folder",
        make=link_to_nothing,
        happens="it is named",
    ),
    row(
        "explain-unknown",
        "`contracts --explain` of no job",
        typed("contracts", "--explain", "tabels"),
        "has no job tabels",
        expected="tables",
        do="did you mean 'tables'",
        happens="the nearest one is named",
    ),
    row(
        "adopt-nothing",
        "`adopt` of what was not made",
        typed("adopt", "train/*", "--why", "x"),
        "results cannot be adopted",
        found="train/baseline/seed0: not made yet",
        expected="whole results",
        do="Snakemake",
        happens="what is missing is said",
    ),
    row(
        "adopt-no-match",
        "`adopt` of a pattern that no job has",
        typed("adopt", "tran/*", "--why", "x"),
        r"has no job tran/\*",
        expected="train/slp/seed0",
        happens="the jobs are named",
    ),
    row(
        "prepare-with-problems",
        "`prepare` of a set with a broken image",
        typed("prepare", "--set", "mine"),
        "dataset mine has 1 problems",
        found="15 usable samples",
        do=r"fix them, or leave them out [^,]*\n  all problems: data/small/manifests/mine/problems\.failed\.csv$",
        make=lambda folder: with_archive(folder, pairs(16) | {"Image/s00.jpg": b"no image"}),
        happens="the file that lists all problems is named",
    ),
    row(
        "redo-without-data",
        "`redo` of what can't be made, as the data are not here",
        typed("redo", "store/train"),
        "store/[a-z]+ can't be made again here, and nothing was forgotten: dataset mine is not available",
        expected=r"a\.zip",
        do="put it there",
        make=without_data,
        happens="no result is forgotten",
    ),
    row(
        "publish-unfinished",
        "`publish` of an unfinished experiment",
        typed("publish"),
        "small cannot be published",
        do=ASKS,
        happens="what is not current is named",
    ),
    row(
        "publish-damaged-manifest",
        "`publish` where a data set's list of images is damaged",
        typed("publish"),
        r"small cannot be published(.|\n)*prepare/tiny-scenes: manifest\.csv was changed",
        do=ASKS,
        make=damaged_manifest,
        happens="it is named",
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_it_is_refused(row, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in changes.VARIABLES.values():
        monkeypatch.setenv(name, "")
    check(row, tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "5", '{"code": "%s"}', '{"code": "%s", "digests": {"a": [1]}}'])
def test_a_damaged_cache_of_digests_is_made_anew(tmp_path, monkeypatch, text):
    """.snakemake/code.json: it only saves time."""
    monkeypatch.chdir(tmp_path)
    project(tmp_path)
    contract._kept.cache_clear()
    wanted = build(read()).job("tables").contract
    code = json.loads(contract.DIGESTS.read_text())["code"]
    contract.DIGESTS.write_text(text % code if "%" in text else text)
    contract._kept.cache_clear()
    assert build(read()).job("tables").contract == wanted
    assert json.loads(contract.DIGESTS.read_text())["digests"]


@pytest.mark.slow
@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null"])
def test_a_damaged_stamp_of_an_older_contract_is_no_result(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    prepared(tmp_path)
    job = chosen().job("prepare/tiny-scenes")
    old = job.stamp.with_suffix(f".{'0' * 16}")
    os.replace(job.stamp, old)
    old.write_text(text)
    said = []
    monkeypatch.setattr("typer.echo", said.append)
    run("contracts", "--explain", job.name)
    assert "No result lies there." in said[-1]
    execute(job)
    assert job.current and not old.exists()
    assert re.fullmatch(r"\.[0-9a-f]{16}", job.stamp.suffix)
