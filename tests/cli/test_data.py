"""`data list`, `check` and `get`: datasets are found, and faults are named."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from made_sets import encoded, mask, pairs, write_files, write_zip
from typer.testing import CliRunner

from pipeline_src.cli.main import app
from pipeline_src.errors import UserError

PARAMS = """# ours
experiment: one   # which
data_root: downloads

datasets: {}      # yours

methods: {baseline: {}}
defaults: {}
experiments: {one: {data: {train: {set: mine, split: train}, val: {set: mine, split: val}, id: {}}}}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "downloads").mkdir()
    (tmp_path / "params.yaml").write_text(PARAMS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ASLP_DOWNLOADS", raising=False)
    return tmp_path


def with_sets(**sets: dict) -> None:
    Path("params.yaml").write_text(PARAMS.replace("datasets: {}", f"datasets: {sets}"))


def call(*words: str, code: int = 0) -> str:
    done = CliRunner(env={"COLUMNS": "400"}).invoke(app, ["data", *words], catch_exceptions=code != 2)
    assert done.exit_code == code, done.output
    return done.output


def test_list_has_addresses_and_what_is_available(project):
    write_zip(project / "downloads/DUTS-TE.zip", {})
    with_sets(mine={"images": "i", "masks": "m"}, bare={"images": "i", "ood": True})
    text = dict(block.split(":", 1) for block in call("list").split("\n\n")[1:])
    assert "* DUTS-TE.zip (5,019 images)" in text["DUTS-TE"] and "data get DUTS-TE" in text["DUTS-TE"]
    assert "*" not in text["SOD"] and "elderlab" in text["SOD"] and ".rar" in text["HKU-IS"]
    assert "object" not in text["mine"] and "without an object" in text["bare"]


def test_check_names_every_fault_and_goes_on(project):
    write_files(project / "set", pairs(3) | {"Image/x.jpg": b"<html>", "GT/x.png": encoded(mask())})
    (project / "downloads/SOD").mkdir()
    with_sets(
        bad={"folder": "set", "images": "Image", "masks": "GT"},
        absent={"archive": "absent.zip", "images": "Image", "masks": "GT"},
        good={"folder": "set", "images": "Image/s*.jpg", "masks": "GT/s*.png"},
    )
    text = call("check", code=1)
    for named in ("bad: Image/x.jpg", "absent.zip", "SOD", "good (given): in order; 3 samples"):
        assert named in text, named
    assert "good" not in call("check", "bad", code=1)
    with pytest.raises(UserError, match="'ECSSD'"):
        call("check", "ECSD", code=2)


def test_check_compares_archives_with_their_sha256_even_if_they_are_unpacked(project):
    path = write_zip(project / "downloads/a.zip", pairs(2))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with_sets(mine={"archive": "a.zip", "sha256": digest, "images": "Image", "masks": "GT"})
    assert "in order; 2 samples" in call("check", "mine")
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    assert digest in call("check", "mine", code=1)


def test_check_names_groups_inverted_masks_and_missing_lists(project):
    inverted = {f"GT/s{i:02}.png": encoded(255 - mask(i)) for i in range(6)}
    write_files(
        project / "mine", pairs(6) | inverted | {"train.txt": b"s00\ns01\ns02\n", "test.txt": b"s03\ns04\ns05\n"}
    )
    (project / "groups.csv").write_text("id,group\ns02,Eve\ns03,Eve\ns04,Ada\n")
    splits = {"train": "train.txt", "test": "test.txt"}
    with_sets(mine={"folder": "mine", "images": "Image", "masks": "GT", "groups": "groups.csv", "splits": splits})
    text = call("check")
    assert "in order" in text and "foreground: 0" in text and "5 groups" in text
    write_files(project / "downloads/DUTS-TR", pairs(3, "Image", "Mask"))
    assert "DUTS-TR-official-train.txt" in call("check", "DUTS-TR", code=1)


def test_get_names_all_sets_without_an_address_and_goes_on(project):
    write_files(project / "downloads/SOD", pairs(3, "Imgs", "Imgs"))
    with_sets(**{name: {"archive": f"{name}.zip", "images": "i", "masks": "m"} for name in ("one", "two")})
    done = CliRunner().invoke(app, ["data", "get", "one", "SOD", "two"])
    assert "SOD: is in downloads" in done.output and isinstance(done.exception, UserError)
    assert "one.zip" in str(done.exception) and "two.zip" in str(done.exception)


def test_get_leaves_available_sets_alone(project):
    write_files(project / "downloads/SOD", pairs(3, "Imgs", "Imgs"))
    assert call("get", "SOD", "scenes").startswith("SOD: is in downloads\nscenes: ")
