"""Wrong commands, and wrong files in a project: the error names the word, key or file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from bad_input import contents, run
from made_sets import pairs, write_zip

from pipeline_src.errors import UserError

SMALL = {
    "methods": ["baseline", "slp"],
    "model": {"config": "tiny_fpn", "pretrained": False},
    "data": {
        "train": {"set": "tiny-scenes", "split": "train"},
        "val": {"set": "tiny-scenes", "split": "val"},
        "id": {"scenes": {"set": "tiny-scenes", "split": "test"}},
    },
}
PARAMS = {
    "experiment": "small",
    "defaults": {"image_size": 32, "training": {"epochs": 2}},
    "methods": {"baseline": {}, "slp": {"alpha": 0.05, "beta": 1.0}, "temperature": {"of": "baseline"}},
    "experiments": {"small": SMALL},
}
COMMAND = "snakemake --cores all --config experiment=small"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """A project with a result."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ASLP_DOWNLOADS", raising=False)
    write_params()
    (tmp_path / "results").mkdir()
    (tmp_path / "results/table.csv").write_text("1\n")
    return tmp_path


def write_params(**keys) -> None:
    Path("params.yaml").write_text(yaml.safe_dump(PARAMS | {"experiments": {"small": SMALL | keys}}, sort_keys=False))


def refused(command: str, *names: str) -> None:
    """The command ends with a UserError with these patterns, and leaves all files as they were; it may add some."""
    before = contents(Path())
    with pytest.raises(UserError) as error:
        run(*command.split())
    for name in names:
        assert re.search(name, str(error.value)), (name, str(error.value))
    assert before.items() <= contents(Path()).items()


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("plan -e smal", ["'smal'", "did you mean 'small'"]),
        ("run-job overview --log params.yaml/a.log", [r"--log params\.yaml/a\.log"]),
        ("run-job train/slp/seed7", ["train/slp/seed7", "did you mean 'train/slp/seed0'"]),
        ("run-job store/0000000000000000", ["store/0{16}", "store/[1-9a-f]"]),
        ("run-job store/val", ["prepare/tiny-scenes", "results/.store/prepare/", COMMAND]),
        ("report --open", ["results/small/report.html", COMMAND]),
        ("keep train/* --why x", ["train/baseline/seed0"]),
        ("keep trian/* --why x", [r"trian/\*"]),
        # With changed code, the commit is what is missing.
        ("publish", [rf"store/train(.|\n)*{COMMAND}|since [0-9a-f]+-dirty"]),
    ],
)
def test_a_wrong_command_is_refused(command, names):
    refused(command, *names)


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        ({"claims": 5}, [r"claims\.bool.*\(found 5\)"]),
        ({"claims": ["C5", "C99"]}, [r"experiments\.small\.claims", "'C99'", "'C9'"]),
    ],
)
def test_a_wrong_key_is_refused(keys, names):
    write_params(**keys)
    refused("plan", *names)


def test_a_command_without_a_project_is_refused():
    Path("params.yaml").unlink()
    refused("plan", r"params\.yaml", "clone")


def test_a_dataset_with_a_broken_image_lists_its_problems():
    write_zip(Path("a.zip"), pairs(16) | {"Image/s00.jpg": b"no image"})
    data = SMALL["data"] | {"train": {"set": "mine", "first": 12}, "val": {"set": "mine", "last": 4}}
    mine = {"mine": {"archive": "a.zip", "images": "Image", "masks": "GT"}}
    params = PARAMS | {"data_root": ".", "datasets": mine, "experiments": {"small": SMALL | {"data": data}}}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    refused("run-job prepare/mine", r"results/small/prepared/mine/problems\.failed\.csv$")
