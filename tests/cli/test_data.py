"""`data list`, `check` and `add`: sets are found, faults are told, and entries are written that work."""

from __future__ import annotations

import builtins
import gzip
import hashlib
import io
import lzma
import re
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import yaml
from made_sets import encoded, files, mask, pairs, photo, write_files, write_tar, write_zip
from PIL import Image
from typer.testing import CliRunner

from pipeline_src import locks
from pipeline_src.cli.main import app
from pipeline_src.data.detection import params_entry
from pipeline_src.data.detection.contact_sheet import contact_sheet, in_blocks
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


def call(*words: str, code: int = 0, columns: int = 400) -> str:
    done = CliRunner(env={"COLUMNS": str(columns)}).invoke(app, ["data", *words], catch_exceptions=code != 2)
    assert done.exit_code == code, done.output
    return done.output


def added(*words: str) -> dict:
    """The entry that `add --write` put into params.yaml."""
    call("add", *words, "--write")
    (entry,) = yaml.safe_load(Path("params.yaml").read_text())["datasets"].values()
    return entry


def test_list_shows_what_is_here(project):
    write_zip(project / "downloads/DUTS-TE.zip", {})
    said = dict(block.split(":", 1) for block in call("list", columns=80).split("\n\n")[1:])
    official = "DUTS-TE.zip (5,019 images), from http://saliencydetection.net/duts/ (data get DUTS-TE)\n"
    assert (
        f"\n  * {official}" in said["DUTS-TE"] and "\n    DUTS-TE/" in said["DUTS-TE"] and " smoke;" in said["SMOKE5K"]
    )
    assert "*" not in said["SOD"] and "\n    SOD/ (300 images), from http://elderlab.yorku.ca/SOD/\n" in said["SOD"]


def test_list_calls_no_set_with_objects_out_of_distribution(project):
    sets = {"mine": {"images": "i", "masks": "m"}, "bare": {"images": "i", "ood": True}}
    sets |= {"said": {"images": "i", "masks": "m", "roles": ["ood", "test"]}}
    Path("params.yaml").write_text(yaml.safe_dump(yaml.safe_load(Path("params.yaml").read_text()) | {"datasets": sets}))
    said = call("list").splitlines()
    for line in ("mine: custom; train, val, test", "bare: custom; ood", "said: custom; ood, test"):
        assert line in said


def test_check_names_files_of_several_pictures_and_orientations(project):
    write_files(project / "set", pairs(2))
    exif = Image.Exif()
    exif[274] = 3
    with Image.open(project / "set/Image/s00.jpg") as image:
        image.save(project / "set/Image/s00.jpg", exif=exif)
    (project / "set/GT/s01.png").unlink()
    Image.fromarray(mask(1)).save(project / "set/GT/s01.tif", save_all=True, append_images=[Image.fromarray(mask(2))])
    entry = {"folder": "set", "images": "Image", "masks": "GT"}
    (project / "params.yaml").write_text(PARAMS.replace("datasets: {}", f"datasets: {{mine: {entry}}}"))
    said = call("check", code=1)
    assert "1 problems; 2 samples" in said and "GT/s01.tif: holds several pictures; save the one that counts" in said
    assert "1 files, such as Image/s00.jpg, have an EXIF orientation, which is not applied" in said


def test_check_opens_each_file_once(project, monkeypatch):
    """After the set's fingerprint, which is kept, and looks at its header once."""
    write_files(project / "set", pairs(2))
    entry = {"folder": "set", "images": "Image", "masks": "GT"}
    (project / "params.yaml").write_text(PARAMS.replace("datasets: {}", f"datasets: {{mine: {entry}}}"))
    call("check")
    opens, looks = Mock(wraps=open), Mock(wraps=Image.open)
    for module in (io, builtins):
        monkeypatch.setattr(module, "open", opens)
    monkeypatch.setattr(Image, "open", looks)
    call("check")
    files = [path for path in (project / "set").rglob("*") if path.is_file()]
    opened = [Path(str(one.args[0])).absolute() for one in opens.call_args_list]
    assert [opened.count(file) for file in files] == [1] * 4 and looks.call_count == 4


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_a_tar_that_ends_between_two_files_is_told(project, mode):
    """tarfile and tar -x take it for a whole one of fewer files."""
    write_tar(whole := project / "whole.tar", pairs(3), mode)
    with tarfile.open(whole) as archive, archive.fileobj as opened:
        start = archive.getmembers()[4].offset  # of the third pair
        opened.seek(0)
        data = opened.read(start)
    compress = {"w": bytes, "w:gz": gzip.compress, "w:xz": lzma.compress}[mode]
    (cut := project / "downloads/cut.tar").write_bytes(compress(data))
    assert "cut.tar may be cut off" in call("add", str(cut)) and "cut off" not in call("add", str(whole))
    entry = {"archive": "cut.tar", "images": "Image", "masks": "GT"}
    for known, told in (({}, True), ({"sha256": hashlib.sha256(cut.read_bytes()).hexdigest()}, False)):
        (project / "params.yaml").write_text(PARAMS.replace("datasets: {}", f"datasets: {{mine: {entry | known}}}"))
        said = call("check", "mine")
        assert "in order; 2 samples" in said and ("cut.tar may be cut off" in said) == told


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
    assert re.search(
        rf"a.zip is not the archive(.|\n)*sha256 {digest}\n.*sha256 {'0' * 64}", call("check", "mine", code=1)
    )


def test_check_reads_archives_that_are_unpacked_already(project):
    """What was unpacked is whole; the archive is not any more."""
    path = write_zip(project / "downloads/a.zip", pairs(2))
    entry = {"archive": "a.zip", "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "images": "Image"}
    entry |= {"masks": "GT"}
    (project / "params.yaml").write_text(PARAMS.replace("datasets: {}", f"datasets: {{mine: {entry}}}"))
    assert "in order; 2 samples" in call("check", "mine")
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert "a.zip is not the archive" in call("check", "mine", code=1)


def test_what_is_not_here_or_unknown_is_told(project):
    assert "holds none that is known" in call("check")
    assert "ECSSD is not available" in call("check", "ECSSD", code=1)
    with pytest.raises(UserError, match="did you mean 'ECSSD'"):
        call("check", "ECSD", code=2)
    with pytest.raises(UserError, match="does not exist"):
        call("add", "nothing", code=2)
    (project / "empty").mkdir()
    with pytest.raises(UserError, match="no images in"):
        call("add", "empty", code=2)
    write_zip(project / "some.zip", {"notes.txt": b"none"})
    with pytest.raises(UserError, match=r"no images in some\.zip"):
        call("add", "some.zip", code=2)


def test_a_folder_becomes_an_entry_that_is_in_order(project):
    write_files(project / "mine", files(20, "photos/*.jpg", "masks/*.png"))
    (project / "mine/test.txt").write_text("p3\np7\n")
    entry = added("mine", "--sheet", "sheet.png")
    assert (project / "sheet.png").read_bytes().startswith(b"\x89PNG")
    assert entry["folder"] == "mine" and entry["splits"]["test"] == "test.txt"
    assert "all 20, test 2, not-test 18, val 2, train 16" in call("check", "mine")
    kept = [line for line in (project / "params.yaml").read_text().splitlines() if line in PARAMS.splitlines()]
    assert kept == [line for line in PARAMS.splitlines() if not line.startswith("datasets")]
    assert "datasets:  # yours" in (project / "params.yaml").read_text()
    before = (project / "params.yaml").read_bytes()
    assert "This is already in params.yaml" in call("add", "mine", "--write")
    with pytest.raises(UserError, match="has another data set mine already"):
        call("add", "mine", "--ood", "--images", "photos", "--write", code=2)
    assert (project / "params.yaml").read_bytes() == before
    call("add", "mine", "--name", "other", "--write")
    assert list(yaml.safe_load((project / "params.yaml").read_text())["datasets"]) == ["mine", "other"]


def test_entries_that_are_inserted_at_once_are_all_there(project, monkeypatch):
    monkeypatch.setattr(locks, "POLL", 0.01)
    loaded = params_entry.yaml.load

    def slowly(*given):
        content = loaded(*given)
        time.sleep(0.05)
        return content

    monkeypatch.setattr(params_entry.yaml, "load", slowly)
    (project / ".params-12345678.yaml").write_text("of a process that was killed")
    names = ["one", "two", "three", "four"]
    with ThreadPoolExecutor(4) as pool:
        entries = [{"folder": name, "images": ".", "ood": True} for name in names]
        assert all(pool.map(params_entry.insert, [project / "params.yaml"] * 4, names, entries))
    assert {*names} <= {*yaml.safe_load((project / "params.yaml").read_text())["datasets"]}
    assert not (project / ".params-12345678.yaml").exists()


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
    with pytest.raises(UserError, match=r"no masks of the images(.|\n)*a: 0.jpg, 1.jpg(.|\n)*--masks(.|\n)*--ood"):
        call("add", "walls", code=2)
    assert added("walls", "--ood") == {"folder": "walls", "images": "a", "ood": True}
    (project / "params.yaml").write_text(PARAMS)
    ids = np.resize([0, 1, 2, 255], (30, 40)).astype(np.uint8)
    write_files(project / "street", files(5, "images/*.jpg", "labels/*.png", lambda i: ids))
    assert added("street")["classes"] == ["background", "class1", "class2"]
    assert "in order; 5 samples" in call("check")


@pytest.mark.parametrize(("values", "told"), [([0] * 40 + [2] + [255] * 9, True), ([0] * 40 + [90, 255], False)])
def test_an_object_that_may_be_void_is_told_by_add_and_check(project, values, told):
    masks = np.resize(values, (30, 40)).astype(np.uint8)
    write_files(project / "mine", files(5, "images/*.jpg", "labels/*.png", lambda i: masks))
    said = [call("add", "mine", "--write"), call("check", "mine")]
    assert ["If 2 is a class and 255 is void" in text for text in said] == [told, told]


def test_ids_that_no_pixel_has_are_told(project):
    ids = np.resize([1, 5, 7, 9, 255], (30, 40)).astype(np.uint8)
    write_files(project / "gaps", files(5, "images/*.jpg", "labels/*.png", lambda i: ids))
    said = call("add", "gaps", "--write")
    assert "Masks of 4 ids" in said and "They are 1, 5, 7, 9" in said and "renumber the masks to 0 to 3" in said
    names = yaml.safe_load((project / "params.yaml").read_text())["datasets"]["gaps"]["classes"]
    assert names == [f"class{i}" for i in range(10)]


def test_one_large_value_beside_ids_is_void_in_the_entry(project):
    ids = np.resize([1, 5, 7, 9, 255], (30, 40)).astype(np.uint8)
    write_files(project / "rim", files(5, "images/*.jpg", "labels/*.png", lambda i: np.where(ids > 9, 254, ids // 4)))
    entry = added("rim")
    assert (entry["classes"], entry["void"]) == (["background", "class1", "class2"], 254)
    assert "in order; 5 samples" in call("check", "rim")


def test_pairs_are_shown_as_a_picture_and_in_characters(tmp_path):
    ids = np.resize([0, 1, 2], (8, 8)).astype(np.uint8)
    ids = ids.repeat(12, axis=0).repeat(12, axis=1)
    write_files(tmp_path, {"a.png": encoded(np.full((8, 8, 3), (10, 200, 30), np.uint8)), "m.png": encoded(ids)})
    sheet = contact_sheet([(tmp_path / "a.png", tmp_path / "m.png")] * 9)
    assert sheet.shape == (2 * 96, 8 * 96, 3) and (sheet[:96] == (10, 200, 30)).all()
    assert np.array_equal(sheet[96:, 96:192, 0], ids * 127)  # ids are spread over the greys
    text = in_blocks(np.array([[[255, 0, 0]] * 4, [[0, 0, 255]] * 4] * 2, np.uint8), 4)
    assert text.plain == "▀▀▀▀\n▀▀▀▀\n"
    assert {span.style for span in text.spans} == {"rgb(255,0,0) on rgb(0,0,255)"}


def test_a_params_file_of_another_form_is_left_alone(project):
    write_files(project / "mine", files(3, "photos/*.jpg", "masks/*.png"))
    text = PARAMS.replace("datasets: {}", "datasets: {other: {images: a,\n  masks: b}}")
    (project / "params.yaml").write_text(text)
    with pytest.raises(UserError, match="cannot be inserted into"):
        call("add", "mine", "--write", code=2)
    assert (project / "params.yaml").read_text() == text


def test_an_entry_goes_beside_those_in_braces(project):
    """As README and the comment in params.yaml once showed them."""
    write_files(project / "mine", files(3, "photos/*.jpg", "masks/*.png"))
    old = "{a: {images: a, masks: b}, b: {images: c, ood: true}}"
    (project / "params.yaml").write_text(PARAMS.replace("datasets: {}", f"datasets: {old}"))
    call("add", "mine", "--write")
    written = (project / "params.yaml").read_text()
    sets = yaml.safe_load(written)["datasets"]
    assert {name: sets[name] for name in "ab"} == yaml.safe_load(old) and sets["mine"]["folder"] == "mine"
    assert list(sets) == ["a", "b", "mine"]
    assert "datasets:  # yours\n  a: {images: a, masks: b}\n" in written


def test_get_tells_what_does_not_fit_of_a_set_that_is_here(project):
    write_files(project / "downloads/SOD", files(3, "Imgs/*.jpg", "Imgs/*.png"))
    assert call("get", "SOD") == "SOD: is in downloads\n"
    write_files(project / "downloads/ECSSD", files(3, "Photos/*.jpg", "Labels/*.png"))
    said = call("get", "SOD", "ECSSD", code=1)
    assert "SOD: is in" in said and "ECSSD: 1 problems" in said and "Labels" in said
    assert "SOD: {folder: SOD, images: Imgs/*.jpg, masks: Imgs/*.png}" in said


def test_name_lists_that_are_missing_are_named_with_their_origin(project):
    write_files(project / "downloads/DUTS-TR", files(3, "Image/*.jpg", "Mask/*.png"))
    for told in (call("get", "DUTS-TR"), call("check", "DUTS-TR", code=1)):  # the latter counts three images, too
        for ours, theirs in (("train", "Train"), ("val", "Validation")):
            assert f"split {ours} needs the name list DUTS-TR-official-{ours}.txt" in told
            assert f"(it is Dataset/DUTS-TR-{theirs}.txt of https://github.com/" in told
    (project / "downloads/splits").mkdir()
    (project / "downloads/splits/DUTS-TR-official-val.txt").write_text("p0\n")
    said = call("get", "DUTS-TR")
    assert "official-train" in said and "official-val" not in said


def test_list_says_what_to_know_of_a_source(project):
    assert "the authors' archive is a .rar" in call("list") and "outlines of annotators and no masks" in call("list")


def test_check_names_groups_that_cross_splits(project):
    """By design they do in some published sets, so that it is no fault."""
    write_files(project / "mine", pairs(6) | {"train.txt": b"s00\ns01\ns02\n", "test.txt": b"s03\ns04\ns05\n"})
    (project / "groups.csv").write_text("id,group\ns02,Eve\ns03,Eve\ns04,Ada\n")
    entry = {"folder": "mine", "images": "Image", "masks": "GT", "groups": "groups.csv"}
    entry |= {"splits": {"train": "train.txt", "test": "test.txt"}}
    (project / "params.yaml").write_text(PARAMS.replace("datasets: {}", f"datasets: {{mine: {entry}}}"))
    said = call("check")
    assert "in order" in said
    assert "splits train and test share 1 group of images that are not independent: Eve\n" in said


def test_an_entry_goes_into_the_params_file_that_is_named(project, monkeypatch):
    """`--params other.yaml`; the params.yaml beside it is another project's."""
    write_files(project / "mine", files(3, "photos/*.jpg", "masks/*.png"))
    (project / "other.yaml").write_text(PARAMS)
    monkeypatch.setenv("ASLP_PARAMS", "other.yaml")
    assert "Written to other.yaml" in call("add", "mine", "--write")
    assert (project / "params.yaml").read_text() == PARAMS
    assert "mine" in yaml.safe_load((project / "other.yaml").read_text())["datasets"]


def test_check_goes_on_after_what_is_absent_or_of_another_layout(project):
    write_files(project / "set", pairs(2))
    (project / "downloads/SOD").mkdir()
    entries = "{mine: {folder: set, images: Image, masks: GT}, gone: {folder: nowhere, images: a, masks: b}}"
    (project / "params.yaml").write_text(PARAMS.replace("datasets: {}", f"datasets: {entries}"))
    for said in (call("check", code=1), call("check", "gone", "SOD", "mine", code=1)):
        assert "data set gone is not available" in said and "data set SOD: no folder Imgs" in said
        assert "mine (given): in order; 2 samples" in said


def test_lists_inside_an_archive_are_found_there(project):
    lists = {f"{name}.txt": "\n".join(names).encode() for name, names in (("train", ["p0", "p1"]), ("test", ["p2"]))}
    write_zip(project / "Set.zip", files(3, "images/*.jpg", "masks/*.png") | {f"x/{k}": v for k, v in lists.items()})
    splits = added("Set.zip")["splits"]
    assert (splits["test"], splits["train-all"]) == ("x/test.txt", "x/train.txt")
    assert "in order; 3 samples; all 3, test 1, train-all 2" in call("check", "Set")


def test_an_entry_is_of_the_files_that_were_looked_into(project):
    write_files(project / "set", files(6, "photos/*.jpg", "masks/*.png"))
    write_files(project / "downloads/set", files(3, "photos/*.jpg", "masks/*.png"))
    assert added("set")["folder"] == str(project / "set")
    assert "in order; 6 samples" in call("check", "set")


def test_names_are_checked_before_anything_else(project):
    for path, told in (("my set", "--name my-set"), ("ECSSD", "data check ECSSD")):
        (project / path).mkdir()
        with pytest.raises(UserError, match=told):
            call("add", path, code=2)


def test_a_sheet_is_a_new_file(project):
    write_files(project / "mine", files(3, "photos/*.jpg", "masks/*.png"))
    (project / "there.png").write_bytes(b"old")
    for name, told in (
        ("params.yaml", "exists already"),
        ("there.png", "exists already"),
        ("sheet.gif", "not a .png file"),
    ):
        with pytest.raises(UserError, match=told):
            call("add", "mine", "--sheet", name, code=2)
    assert (project / "there.png").read_bytes() == b"old"
    call("add", "mine", "--sheet", "new/sheet.png")
    assert (project / "new/sheet.png").read_bytes().startswith(b"\x89PNG")


def test_names_with_brackets_are_printed_as_they_are(project):
    write_files(project / "[/v2]", files(3, "photos/*.jpg", "masks/*.png"))
    assert "[/v2]: 3 pairs" in call("add", "[/v2]", "--name", "mine", "--write")
    assert "* [/v2]/" in call("list") and "in order" in call("check", "mine")


@pytest.mark.parametrize(
    "text",
    [
        PARAMS.replace("datasets: {}      # yours\n", ""),
        PARAMS.replace("datasets: {}", "datasets:\t{}").replace("\n", "\r\n"),
        PARAMS.replace("datasets: {}", "datasets: { }"),
    ],
)
def test_params_of_other_forms_keep_theirs(project, text):
    write_files(project / "mine", files(6, "photos/*.jpg", "masks/*.png"))
    (project / "real.yaml").write_bytes(text.encode())
    (project / "params.yaml").unlink()
    (project / "params.yaml").symlink_to("real.yaml")
    assert added("mine")["images"] == "photos"
    new = (project / "real.yaml").read_bytes().decode()
    assert (project / "params.yaml").is_symlink() and new.count("\r\n") in (0, new.count("\n"))
    assert ("\r\n" in new) == ("\r\n" in text)
