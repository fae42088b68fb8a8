"""What is typed wrong, and what lies wrong in a project."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import yaml
from bad_input import BadInput, check, run
from made_sets import pairs, write_zip

from pipeline_src.params import changes
from pipeline_src.pipeline.jobs import chosen

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
        fix="init DIR",
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
        fix="init DIR",
        happens="the file and the working folder are named",
    ),
    row(
        "params-folder",
        "`--params` names a folder",
        typed("--params", "results", "plan"),
        "--params results is a folder",
        expected=r"params\.yaml",
        fix="init",
        happens="it says so",
    ),
    row(
        "experiment-unknown",
        "`-e` names no experiment",
        typed("plan", "-e", "smal"),
        "no experiment 'smal'",
        expected="small",
        fix="did you mean 'small'",
        happens="the nearest one and all are named",
    ),
    row(
        "config-unknown",
        "a key of `--config` that does not exist",
        configured(experimnt="small"),
        "--config experimnt",
        found="experimnt=small",
        expected="experiment, method, data_root",
        fix="did you mean 'experiment'",
        happens="the nearest one and all are named",
    ),
    row(
        "config-key-of-experiment",
        "a key of an experiment as one of `--config`",
        configured(learning_rate=3),
        "--config learning_rate: no such key",
        found="learning_rate=3",
        expected="set",
        fix=r"--config set='learning_rate=3'",
        happens="`set=` is shown",
    ),
    row(
        "method-unknown",
        "`--config method=` names no method",
        configured(method="sl"),
        r"with methods=\[sl\]: .*no entry 'sl'",
        expected="baseline, slp",
        fix="did you mean 'slp'",
        happens="the nearest one and all are named",
    ),
    row(
        "method-without-its-base",
        "one method, without the one that it refers to",
        configured(method="temperature"),
        "methods.temperature needs the run of 'baseline'",
        fix="add baseline",
        happens="what to add is said",
    ),
    row(
        "set-no-value",
        "`--set` without a value",
        typed("--set", "training.epochs", "plan"),
        "'training.epochs' cannot be read",
        found="training.epochs",
        expected="KEY=VALUE",
        fix="set='training.epochs=5",
        happens="the form is shown",
    ),
    row(
        "set-no-yaml",
        "`--set` with a value that is no YAML",
        typed("--set", "seeds=[0,1", "plan"),
        "cannot be read",
        found=r"seeds=\[0,1",
        expected="KEY=VALUE",
        fix="blanks",
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
        fix="did you mean 'slp'",
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
        fix="did you mean 'C9'",
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
        "log-folder-is-a-file",
        "`--log` below a file",
        typed("run-job", "overview", "--log", "logs/a.log"),
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
        fix="--params params.yaml plan",
        happens="nothing is overwritten",
    ),
    row(
        "init-on-a-file",
        "`init` of a folder that is a file",
        typed("init", "mine"),
        "mine cannot be a folder, and the project",
        found="a file",
        expected="a folder",
        fix="move mine away",
        make=with_file("mine"),
        happens="it is named",
    ),
    row(
        "init-over-a-file",
        "`init` where a file lies in the place of one of its folders",
        typed("init", "."),
        "workflow cannot be a folder, and the project",
        found="a file",
        expected="a folder",
        fix="move workflow away",
        make=file_for_a_folder,
        happens="it is named, and nothing is written",
    ),
    row(
        "prepare-with-problems",
        "a set with a broken image",
        typed("run-job", "prepare/mine"),
        "dataset mine has 1 problems",
        found="15 usable samples",
        fix=r"all problems: results/small/prepared/mine/problems\.failed\.csv$",
        make=lambda folder: with_archive(folder, pairs(16) | {"Image/s00.jpg": b"no image"}),
        happens="the file that lists all problems is named",
    ),
    row(
        "job-unknown",
        "a job that the experiment does not have",
        typed("run-job", "train/slp/seed7"),
        "has no job train/slp/seed7",
        expected="train/baseline/seed0, train/slp/seed0",
        fix="did you mean 'train/slp/seed0'",
        happens="it is named",
    ),
    row(
        "fingerprint-changed",
        "code or data changed while Snakemake ran",
        typed("run-job", "store-0000000000000000"),
        "no job store-0{16}",
        found="store-[0-9a-f]{16}",
        expected="store-0{16}",
        fix="start the command again",
        happens="the job stops before it works",
    ),
    row(
        "input-missing",
        "a job before its inputs, with a key changed by `--set`",
        typed("--set", "image_size=40", "run-job", "store/val"),
        "store/val needs prepare/tiny-scenes",
        found="no manifest in results/.store/prepare-",
        fix=f"{ASKS} set=image_size=40",
        happens="the input is named, and the experiment's command",
    ),
    row(
        "report-missing",
        "`report` before there is a page",
        typed("report", "--open"),
        "small has no report",
        found="results/small/report.html",
        fix=ASKS,
        happens="the command that makes it is named",
    ),
    row(
        "keep-nothing",
        "`keep` of what was not made",
        typed("keep", "train/*", "--why", "x"),
        "results cannot be kept",
        found="train/baseline/seed0: no earlier result",
        happens="nothing is renamed",
    ),
    row(
        "keep-no-match",
        "`keep` of a pattern that no job matches",
        typed("keep", "trian/*", "--why", "x"),
        r"has no job trian/\*",
        happens="it is named",
    ),
    row(
        "publish-unfinished",
        "`publish` of an unfinished experiment",
        typed("publish"),
        "small cannot be published",
        fix=ASKS,
        happens="what is not current is named",
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_it_is_refused(row, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in changes.VARIABLES.values():
        monkeypatch.setenv(name, "")
    check(row, tmp_path)
