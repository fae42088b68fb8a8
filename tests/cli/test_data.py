"""`data list`, `check`, `get` and `add`: datasets are found, faults are named, and entries are written that work."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import yaml
from made_sets import encoded, files, mask, pairs, photo, write_files, write_tar, write_zip
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


def added(*words: str) -> dict:
    """The entry that `add --write` put into params.yaml."""
    call("add", *words, "--write")
    return next(iter(yaml.safe_load(Path("params.yaml").read_text())["datasets"].values()))


def test_list_has_roles_addresses_and_what_is_available(project):
    write_zip(project / "downloads/DUTS-TE.zip", {})
    with_sets(mine={"images": "i", "masks": "m"}, bare={"images": "i", "ood": True})
    text = dict(block.split(":", 1) for block in call("list").split("\n\n")[1:])
    assert "* DUTS-TE.zip (5,019 images)" in text["DUTS-TE"] and "data get DUTS-TE" in text["DUTS-TE"]
    assert "*" not in text["SOD"] and "elderlab" in text["SOD"] and ".rar" in text["HKU-IS"]
    assert "ood" not in text["mine"] and "custom; ood\n" in text["bare"]


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
    assert "in order" in text and "Eve" in text and "foreground: 0" in text and "5 groups" in text
    write_files(project / "downloads/DUTS-TR", files(3, "Image/*.jpg", "Mask/*.png"))
    for text in (call("get", "DUTS-TR"), call("check", "DUTS-TR", code=1)):
        assert "DUTS-TR-official-train.txt (it is Dataset/DUTS-TR-Train.txt" in text and "official-val" in text


def test_get_leaves_available_sets_alone(project):
    write_files(project / "downloads/SOD", files(3, "Imgs/*.jpg", "Imgs/*.png"))
    assert call("get", "SOD", "scenes").startswith("SOD: is in downloads\nscenes: ")


def test_a_folder_becomes_an_entry_that_is_in_order(project):
    write_files(project / "mine", files(20, "photos/*.jpg", "masks/*.png"))
    (project / "mine/test.txt").write_text("p3\np7\n")
    entry = added("mine")
    assert entry["folder"] == "mine" and entry["splits"]["test"] == "test.txt"
    assert entry["splits"]["val"]["fraction"] == 0.3
    assert "all 20, test 2, not-test 18, val 5, train 13" in call("check", "mine")
    text = (project / "params.yaml").read_text()
    assert [line for line in PARAMS.splitlines() if line not in text.splitlines()] == ["datasets: {}      # yours"]
    assert "This is already in" in call("add", "mine", "--write")
    with pytest.raises(UserError, match="another dataset mine"):
        call("add", "mine", "--ood", "--images", "photos", "--write", code=2)
    assert (project / "params.yaml").read_text() == text
    call("add", "mine", "--name", "other", "--write")
    assert [*yaml.safe_load((project / "params.yaml").read_text())["datasets"]] == ["other", "mine"]


def test_an_archive_with_lists_outside_and_inside(project):
    made = files(10, "x/Image/*.jpg", "x/GT/*.png", lambda i: mask(i) // 255)
    write_tar(project / "downloads/Set.tar", made)
    for split, numbers in (("train", range(7)), ("val", [7, 8]), ("test", [9])):
        write_files(project, {f"downloads/splits/Set-{split}.txt": "\n".join(f"p{i}" for i in numbers).encode()})
    assert added("downloads/Set.tar") == {
        "archive": "Set.tar",
        "images": "Image",
        "masks": "GT",
        "foreground": 1,
        "splits": {name: f"Set-{name}.txt" for name in ("test", "train", "val")},
    }
    assert "in order; 10 samples; all 10, test 1, train 7, val 2" in call("check", "Set")
    write_zip(
        project / "In.zip", files(3, "images/*.jpg", "masks/*.png") | {"x/train.txt": b"p0\np1", "x/test.txt": b"p2"}
    )
    splits = added("In.zip")["splits"]
    assert (splits["test"], splits["train-all"]) == ("x/test.txt", "x/train.txt")


def test_textures_classes_and_void(project):
    write_files(project / "walls", {f"a/{i}.jpg": photo(i) for i in range(3)})
    assert added("walls", "--ood") == {"folder": "walls", "images": ".", "ood": True}
    ids = np.resize([0, 1, 2, 255], (30, 40)).astype(np.uint8)
    write_files(project / "street", files(5, "images/*.jpg", "labels/*.png", lambda i: ids))
    assert added("street")["classes"] == ["background", "class1", "class2"]
    gaps = np.resize([1, 5, 7, 9, 255], (30, 40)).astype(np.uint8)
    write_files(project / "gaps", files(5, "images/*.jpg", "labels/*.png", lambda i: gaps))
    assert "1, 5, 7, 9" in call("add", "gaps", "--write")
    entry = yaml.safe_load(Path("params.yaml").read_text())["datasets"]["gaps"]
    assert entry["classes"] == [f"class{i}" for i in range(10)] and call("check").count("in order") == 3


@pytest.mark.parametrize(
    ("words", "named"),
    [(["nothing"], "nothing"), (["my set"], "--name"), (["ECSSD"], "data check ECSSD"), (["a.zip"], r"a\.zip")],
)
def test_what_cannot_be_added_is_named(project, words, named):
    for folder in ("my set", "ECSSD"):
        (project / folder).mkdir()
    write_zip(project / "a.zip", {"notes.txt": b"none"})
    with pytest.raises(UserError, match=named):
        call("add", *words, code=2)


@pytest.mark.parametrize(
    "text",
    [
        PARAMS.replace("datasets: {}      # yours\n", ""),
        PARAMS.replace("datasets: {}", "datasets:\t{}").replace("\n", "\r\n"),
        PARAMS.replace("datasets: {}      # yours\n", "").rstrip("\n"),
    ],
)
def test_params_of_other_forms_keep_their_lines(project, text):
    write_files(project / "mine", files(6, "photos/*.jpg", "masks/*.png"))
    (project / "real.yaml").write_bytes(text.encode())
    (project / "params.yaml").unlink()
    (project / "params.yaml").symlink_to("real.yaml")
    assert added("mine")["images"] == "photos"
    new = (project / "real.yaml").read_bytes().decode()
    assert (project / "params.yaml").is_symlink() and new.count("\r\n") in (0, new.count("\n"))
    assert ("\r\n" in new) == ("\r\n" in text)


def test_entries_in_braces_are_left_alone(project):
    write_files(project / "mine", files(3, "photos/*.jpg", "masks/*.png"))
    text = PARAMS.replace("datasets: {}", "datasets: {other: {images: a, masks: b}}")
    (project / "params.yaml").write_text(text)
    with pytest.raises(UserError, match=r"params\.yaml"):
        call("add", "mine", "--write", code=2)
    assert (project / "params.yaml").read_text() == text


def test_an_entry_goes_into_the_params_file_that_is_named(project, monkeypatch):
    write_files(project / "[/v2]", files(3, "photos/*.jpg", "masks/*.png"))
    (project / "other.yaml").write_text(PARAMS)
    monkeypatch.setenv("ASLP_PARAMS", "other.yaml")
    assert "[/v2]: 3 pairs" in call("add", "[/v2]", "--name", "mine", "--write")
    assert (project / "params.yaml").read_text() == PARAMS
    assert "mine" in yaml.safe_load((project / "other.yaml").read_text())["datasets"]
    assert "* [/v2]/" in call("list")
