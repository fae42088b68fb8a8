"""`data list`, `check` and `add`: sets are found, faults are told, and entries are written that work."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import yaml
from made_sets import encoded, mask, pairs, write_files, write_tar, write_zip
from typer.testing import CliRunner

from pipeline_src.cli import app
from pipeline_src.data.detect import detect
from pipeline_src.data.thumbnails import contact_sheet, in_blocks
from pipeline_src.errors import UserError

PARAMS = """# ours
experiment: one   # which
data_root: downloads

datasets: {}      # yours

methods: {baseline: {}}
defaults: {}
experiments: {one: {data: {train: {set: mine, split: train}, val: {set: mine, split: val}, id: {}}}}
"""


def photo(seed: int, height: int = 30, width: int = 40) -> bytes:
    """A picture with many greys and no pattern of a mask, as JPEG."""
    slope = np.add.outer(np.linspace(40, 120, height), np.linspace(0, 90, width))
    return encoded(np.dstack([slope + seed, slope, slope * 0.8]).astype(np.uint8), ".jpg")


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "downloads").mkdir()
    (tmp_path / "params.yaml").write_text(PARAMS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ASLP_DOWNLOADS", raising=False)
    return tmp_path


def call(*words: str, code: int = 0) -> str:
    done = CliRunner(env={"COLUMNS": "400"}).invoke(app, ["data", *words], catch_exceptions=code != 2)
    assert done.exit_code == code, done.output
    return done.output


def added(*words: str) -> dict:
    """The entry that `add --write` put into params.yaml."""
    call("add", *words, "--write")
    (entry,) = yaml.safe_load(Path("params.yaml").read_text())["datasets"].values()
    return entry


def test_list_shows_what_is_here(project):
    write_zip(project / "downloads/DUTS-TE.zip", {})
    lines = {line.split("│")[1].strip(): line for line in call("list").splitlines() if line.startswith("│")}
    assert "5,019" in lines["DUTS-TE"] and "DUTS-TE.zip" in lines["DUTS-TE"] and "smoke" in lines["SMOKE5K"]
    assert lines["SOD"].split("│")[5].strip() == "" and "elderlab" in lines["SOD"]


def test_check_tells_every_fault_and_fails(project):
    files = pairs(3)
    write_files(project / "set", files | {"GT/s01.png": encoded(mask(0, 30, 41)), "Image/more.jpg": photo(0)})
    entry = {"folder": "set", "images": "Image", "masks": "GT", "count": 4}
    text = PARAMS.replace("datasets: {}", f"datasets: {{mine: {entry}}}")
    (project / "params.yaml").write_text(text)
    said = call("check", code=1)
    for fault in (
        "3 problems",
        "s01.png: mask is 41 x 30",
        "more.jpg: image without a mask",
        "2 usable samples, 4 expected",
    ):
        assert fault in said
    write_files(project / "set", files)
    (project / "set/Image/more.jpg").unlink()
    (project / "params.yaml").write_text(text.replace("'count': 4", "'count': 3"))
    assert "mine (given): in order; 3 samples; all 3" in call("check", "mine")


def test_check_compares_archives_with_their_sha256(project):
    path = write_zip(project / "downloads/a.zip", pairs(2))
    entry = {"archive": "a.zip", "sha256": "0" * 64, "images": "Image", "masks": "GT"}
    (project / "params.yaml").write_text(PARAMS.replace("datasets: {}", f"datasets: {{mine: {entry}}}"))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert f"a.zip: its sha256 is {digest}, not {'0' * 64}" in call("check", "mine", code=1)


def test_what_is_not_here_or_unknown_is_told(project):
    assert "holds none that is known" in call("check")
    with pytest.raises(UserError, match="ECSSD is not here"):
        call("check", "ECSSD", code=2)
    with pytest.raises(UserError, match="did you mean 'ECSSD'"):
        call("check", "ECSD", code=2)
    with pytest.raises(UserError, match="does not exist"):
        call("add", "nothing", code=2)
    (project / "empty").mkdir()
    with pytest.raises(UserError, match="no pictures in"):
        call("add", "empty", code=2)


def files(count: int, images: str, masks: str, kind=mask) -> dict[str, bytes]:
    made = {images.replace("*", f"p{i}"): photo(i) for i in range(count)}
    return made | {masks.replace("*", f"p{i}"): encoded(kind(i)) for i in range(count)}


LAYOUTS = {
    "beside": (files(4, "Photos/*.jpg", "GT/*.png"), "Photos", "GT", set()),
    "split above": (
        files(2, "train/img/*.jpg", "train/gt/*.png") | files(2, "test/img/t*.jpg", "test/gt/t*.png"),
        "img",
        "gt",
        {"train", "test"},
    ),
    "split below": (
        files(2, "images/train/*.jpg", "labels/train/*.png") | files(2, "images/val/v*.jpg", "labels/val/v*.png"),
        "images",
        "labels",
        {"train", "val"},
    ),
    "one folder": (files(4, "all/*.jpg", "all/*.png"), "all/*.jpg", "all/*.png", set()),
    "one ending": (files(4, "*.jpg", "*_mask.png"), "./*.jpg", "./*_mask.png", set()),
    "edges too": (
        files(4, "Imgs/*.jpg", "GT/*.png") | {f"Edge/p{i}.png": encoded(mask(i)) for i in range(4)},
        "Imgs",
        "GT",
        set(),
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_are_recognised(tmp_path, name):
    made, images, masks, splits = LAYOUTS[name]
    found = detect(write_files(tmp_path, made))
    assert (found.images, found.masks, set(found.splits), found.lonely) == (images, masks, splits, 0)
    assert len(found.pairs) == 4 and (found.foreground, found.classes) == (None, 0)
    assert list(found.others) == (["Edge"] if name == "edges too" else [])


def test_what_values_of_masks_mean(tmp_path):
    def of(values: list[int]):
        made = files(4, "images/*.jpg", "masks/*.png", lambda i: np.resize(values, (30, 40)).astype(np.uint8))
        return detect(write_files(tmp_path / "-".join(map(str, values)), made))

    assert (of([0, 1]).foreground, of([0, 1]).classes) == (1, 0)
    assert (of([0, 255]).foreground, of([0, 255]).classes) == (None, 0)
    assert (of([0, 1, 4]).foreground, of([0, 1, 4]).classes) == (None, 5)
    assert (of([0, 1, 2, 255]).foreground, of([0, 1, 2, 255]).classes) == (None, 3)
    assert of([0]).masks == "" and len(of([0]).pairs) == 4


def test_masks_in_colours_and_masks_alone_are_refused(tmp_path):
    colours = np.array([[128, 0, 0], [0, 128, 0]], np.uint8)
    made = files(3, "images/*.jpg", "masks/*.png", lambda i: np.resize(colours, (30, 40, 3)))
    with pytest.raises(UserError, match="masks in masks are coloured"):
        detect(write_files(tmp_path / "colours", made))
    with pytest.raises(UserError, match="only masks in the folders"):
        detect(write_files(tmp_path / "masks", {f"GT/{i}.png": encoded(mask(i)) for i in range(3)}))


def test_a_folder_becomes_an_entry_that_is_in_order(project):
    write_files(project / "mine", files(20, "photos/*.jpg", "masks/*.png"))
    (project / "mine/test.txt").write_text("p3\np7\n")
    entry = added("mine", "--sheet", "sheet.png")
    assert (project / "sheet.png").read_bytes().startswith(b"\x89PNG")
    assert entry["folder"] == "mine" and entry["splits"]["test"] == "mine/test.txt"
    assert "all 20, test 2, not-test 18, val 2, train 16" in call("check", "mine")
    kept = [line for line in (project / "params.yaml").read_text().splitlines() if line in PARAMS.splitlines()]
    assert kept == [line for line in PARAMS.splitlines() if not line.startswith("datasets")]
    assert "datasets:  # yours" in (project / "params.yaml").read_text()
    with pytest.raises(UserError, match="has a data set mine already"):
        call("add", "mine", "--write", code=2)
    call("add", "mine", "--name", "other", "--write")
    assert list(yaml.safe_load((project / "params.yaml").read_text())["datasets"]) == ["other", "mine"]


def test_an_archive_with_lists_beside_it(project):
    made = files(10, "x/Image/*.jpg", "x/GT/*.png", lambda i: mask(i) // 255)
    write_tar(project / "downloads/Set.tar", made)
    for split, numbers in (("train", range(7)), ("val", [7, 8]), ("test", [9])):
        write_files(project, {f"downloads/splits/Set-{split}.txt": "\n".join(f"p{i}" for i in numbers).encode()})
    entry = added("downloads/Set.tar")
    assert entry == {
        "archive": "Set.tar",
        "images": "Image",
        "masks": "GT",
        "foreground": 1,
        "splits": {name: f"Set-{name}.txt" for name in ("test", "train", "val")},
    }
    assert "in order; 10 samples; all 10, test 1, train 7, val 2" in call("check", "Set")


def test_textures_and_classes(project):
    write_files(project / "walls", {f"a/{i}.jpg": photo(i) for i in range(3)})
    assert added("walls") == {"folder": "walls", "images": "a", "ood": True}
    (project / "params.yaml").write_text(PARAMS)
    ids = np.resize([0, 1, 2, 255], (30, 40)).astype(np.uint8)
    write_files(project / "street", files(5, "images/*.jpg", "labels/*.png", lambda i: ids))
    assert added("street")["classes"] == ["background", "class1", "class2"]
    assert "in order; 5 samples" in call("check")


def test_pairs_are_shown_as_a_picture_and_in_characters(tmp_path):
    ids = np.resize([0, 1, 2], (8, 8)).astype(np.uint8)
    write_files(tmp_path, {"a.png": encoded(np.full((8, 8, 3), (10, 200, 30), np.uint8)), "m.png": encoded(ids)})
    sheet = contact_sheet([(tmp_path / "a.png", tmp_path / "m.png")] * 3, most=2, side=8)
    assert sheet.shape == (16, 16, 3) and (sheet[:8] == (10, 200, 30)).all()
    assert np.array_equal(sheet[8:, 8:, 0], ids * 127)  # ids are spread over the greys
    text = in_blocks(np.array([[[255, 0, 0]] * 4, [[0, 0, 255]] * 4] * 2, np.uint8), 4)
    assert text.plain == "▀▀▀▀\n▀▀▀▀\n"
    assert {span.style for span in text.spans} == {"rgb(255,0,0) on rgb(0,0,255)"}


def test_a_params_file_of_another_form_is_left_alone(project):
    write_files(project / "mine", files(3, "photos/*.jpg", "masks/*.png"))
    text = PARAMS.replace("datasets: {}", "datasets: {other: {images: a, masks: b}}")
    (project / "params.yaml").write_text(text)
    with pytest.raises(UserError, match="cannot be put into"):
        call("add", "mine", "--write", code=2)
    assert (project / "params.yaml").read_text() == text
