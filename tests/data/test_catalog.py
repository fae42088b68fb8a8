"""The catalog, users' entries, and what identifies a set's content."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from damaged import written_into
from made_sets import entry, pairs, write_files, write_tar, write_zip

from pipeline_src import verified
from pipeline_src.data import catalog, content_hash, pairing, sources
from pipeline_src.data.detection.params_entry import complete_splits
from pipeline_src.data.entry import Entry
from pipeline_src.data.identity import identify
from pipeline_src.data.lookup import LISTS, find_name_list, read_name_list
from pipeline_src.data.part_checks import check_name_lists, check_parts
from pipeline_src.errors import UserError
from pipeline_src.params.parts import Part

PAPER = {
    "DUTS-TR": 10553,
    "DUTS-TE": 5019,
    "DUT-OMRON": 5168,
    "PASCAL-S": 850,
    "SOD": 300,
    "ECSSD": 1000,
    "HKU-IS": 4447,
}


def opened(mine: Entry, data_root: Path | None, unpacked: Path) -> Path:
    return sources.open_root(sources.locate(mine, data_root, unpacked), unpacked)


def test_the_sets_of_the_paper_are_there_with_their_counts():
    sets = catalog.load()
    for name, count in PAPER.items():
        assert next(iter(sets[name].sources.values())).count == count, name
    assert {"DTD", "Brodatz", "CAMO", "SMOKE5K", "Kvasir-SEG", "CVC-ClinicDB", "CrackForest"} <= set(sets)
    assert sets["DTD"].ood and sets["DTD"].splits["test"].names == ("DTD-official-500.txt",)
    for one in sets.values():
        assert one.terms, one.name
        assert one.citation or one.sources.keys() == {"generator"}, one.name


def test_a_users_entry_is_as_short_as_it_can_be():
    mine = entry(images="photos", masks="masks")
    assert mine.split_names == ("all",) and not mine.ood
    assert entry(images="photos", ood=True).ood
    assert entry(archive="a.zip", images="I", masks="M", splits={"val": "v.txt"}).split_names == ("all", "val")
    assert set(catalog.load({"mine": {"images": "a", "masks": "b"}})) == {*catalog.load(), "mine"}


@pytest.mark.parametrize(
    "raw, message",
    [
        ({"imagse": "a", "masks": "b"}, r"datasets.mine.imagse: no such key; did you mean 'images'"),
        ({"images": "a", "masks": "b", "sorces": {}}, r"sorces: no such key; did you mean 'sources'"),
        (
            {"images": "a", "masks": "b", "sources": {"x": {"archve": "a.zip"}}},
            r"archve: no such key; did you mean 'archive'",
        ),
        ({"images": "a", "masks": "b", "splits": {"v": {"foldr": "a"}}}, r"foldr: no such key; did you mean 'folder'"),
        ({"images": "a"}, "`masks` is missing"),
        ({"images": "a", "masks": "b", "groups": "^clip_"}, r"datasets.mine.groups: .*one group in brackets.*has 0"),
        ({"images": "a", "masks": "b", "groups": "(a"}, r"datasets.mine.groups: .*nor a regular expression"),
        ({"masks": "a"}, "`images` is missing"),
        ({"images": "a", "masks": "b", "archive": "a.zip", "folder": "b"}, "cannot be given together"),
        ({"images": "a", "masks": "b", "archive": "a.zip", "sha256": "123"}, "sha256"),
        ({"images": "a", "masks": "b", "archive": ["a.zip", "b.zip"], "sha256": "0" * 64}, "one sha256 for each"),
        ({"images": "a", "masks": "b", "splits": {"all": "x.txt"}}, "every set's own split"),
        (
            {"images": "a", "masks": "b", "splits": {"val": {"of": "trian", "fraction": 0.1}, "train": "t.txt"}},
            "did you mean 'train'",
        ),
        ({"images": "a", "masks": "b", "splits": {"v": {"of": "all"}}}, "goes with `fraction` or `without`"),
        ({"images": "a", "masks": "b", "splits": {"v": {"of": "all", "fraction": 1.5}}}, "less than 1"),
        (
            {"images": "a", "masks": "b", "sources": {"folder": {"flder": "a"}}},
            r"sources.folder.flder: no such key; did you mean 'folder'",
        ),
        ({"images": "a", "masks": "b", "count": 3, "sources": {"x": {"folder": "a"}}}, "move count into the `sources`"),
    ],
)
def test_a_wrong_entry_is_told_in_the_users_words(raw, message):
    with pytest.raises(UserError, match=message):
        catalog.load({"mine": raw})


def test_all_faults_come_at_once_and_names_are_plain():
    with pytest.raises(UserError) as error:
        catalog.load({"one": {"images": "a"}, "../two": {"images": "a", "masks": "b"}, "three": {"imgs": 1}})
    assert all(text in str(error.value) for text in ("datasets.one", "datasets.../two", "datasets.three.imgs"))


def test_a_set_without_splits_is_told_those_that_data_add_writes():
    mine = {"mine": entry(images="a", masks="b")}
    with pytest.raises(UserError, match="has no split 'train'") as error:
        check_parts(mine, {"train": (Part(set="mine", split="train"), "train")})
    shown = yaml.safe_load(str(error.value).partition("splits: ")[2])
    assert shown == complete_splits({}) and list(shown) == list(complete_splits({}))


def test_unknown_sets_and_splits_name_the_nearest():
    sets = catalog.load()
    with pytest.raises(UserError, match=r"'DUTS-TRAIN'; did you mean 'DUTS-TR'"):
        catalog.find(sets, "DUTS-TRAIN")
    with pytest.raises(UserError, match=r"did you mean 'ECSSD'"):
        catalog.find(sets, "ecsd")
    with pytest.raises(UserError, match=r"no split 'vall'; did you mean 'val'"):
        check_parts(sets, {"train": (Part(set="DUTS-TR", split="vall"), "train")})
    check_parts(sets, {"train": (Part(set="ECSSD", first=3), "train")})


def test_pairing_knows_alternatives_depth_and_patterns(tmp_path):
    junk = {"__MACOSX/x/Image/._s00.jpg": b"", "x/Image/.DS_Store": b"", "x/Image/notes.txt": b""}
    write_files(tmp_path, {**pairs(2, "x/Image", "x/GT"), **pairs(1, "x/both", "x/both"), **junk})
    assert pairing.find_files(tmp_path, ["Imgs", "Image"]) == {"s00": ["x/Image/s00.jpg"], "s01": ["x/Image/s01.jpg"]}
    assert pairing.find_files(tmp_path, ["both/*.png"]) == {"s00": ["x/both/s00.png"]}
    assert pairing.find_files(tmp_path, ["both/s*.jpg"]) == {"00": ["x/both/s00.jpg"]}
    assert list(pairing.find_files(tmp_path, ["."])) == ["s00", "s01"]
    assert list(pairing.find_files(tmp_path, ["x/Im*/*"])) == ["s00", "s01"]
    with pytest.raises(UserError, match=r"no folder img or imgs(.|\n)*x/GT"):
        pairing.find_files(tmp_path, ["img", "imgs"])


def test_name_lists_may_have_folders_suffixes_comments_and_windows_ends(tmp_path):
    path = tmp_path / "names.txt"
    path.write_bytes(b"\xef\xbb\xbfa.jpg\r\nImage/b.png\r\n\r\n# note\r\nc.v2\r\n")
    assert read_name_list(path) == ["a", "b", "c.v2"]


def test_a_set_is_identified_by_its_content_and_its_entry_not_by_its_place(tmp_path):
    files = pairs(3)
    one, two = tmp_path / "one", tmp_path / "two"
    for root in (one, two):
        write_files(root / "data", files)
    mine = entry(folder="data", images="Image", masks="GT", splits={"val": "val.txt"})
    first = identify(mine, one, tmp_path / "u1")
    assert first == identify(mine, two, tmp_path / "u2")
    os.utime(two / "data/GT/s00.png", (1, 1))
    assert first == identify(mine, two, tmp_path / "u2")
    (two / "val.txt").write_text("s00\n")
    listed = identify(mine, two, tmp_path / "u2")
    (two / "val.txt").write_text("s01\n")
    again = identify(mine, two, tmp_path / "u2")
    assert first != listed != again != first
    (two / "val.txt").unlink()
    (two / "data/GT/s00.png").write_bytes(files["GT/s01.png"])
    assert first != identify(mine, two, tmp_path / "u2")
    assert first != identify(mine.model_copy(update={"ood": True}), one, tmp_path / "u1")
    text = mine.model_copy(update={"citation": "another", "terms": "others"})
    assert first == identify(text, one, tmp_path / "u1")


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_an_edit_that_keeps_size_and_mtime_is_seen(tmp_path, kind):
    name = "data/GT/s00.png"
    if kind == "folder":
        write_files(tmp_path / "data", pairs(2))
    else:
        name = "data"
        write_tar(tmp_path / "data", pairs(2))
    mine = entry(**{kind: "data"}, images="Image", masks="GT")
    before = identify(mine, tmp_path, tmp_path / "u")
    written_into(tmp_path / name)
    assert identify(mine, tmp_path, tmp_path / "u") != before


@pytest.mark.parametrize("text", ["[1]", "null", '{"%s": 3}', '{"%s": [1, 2, 3]}', '{"%s": ["a", "b"]}', "{", "\udcff"])
def test_a_record_of_other_content_is_made_again(tmp_path, text):
    write_files(tmp_path / "data", pairs(2))
    mine = entry(folder="data", images="Image", masks="GT")
    before = identify(mine, tmp_path, tmp_path / "u")
    (record,) = (tmp_path / "u" / content_hash.FINGERPRINTS).iterdir()
    states = {name: state for name, (state, *_) in json.loads(record.read_text()).items()}
    record.write_bytes(text.replace("%s", "Image/s00.jpg").encode("utf-8", "surrogateescape"))
    assert identify(mine, tmp_path, tmp_path / "u") == before
    assert {name: state for name, (state, *_) in json.loads(record.read_text()).items()} == states


def test_an_archive_is_hashed_once_and_its_declared_hash_is_taken(tmp_path, monkeypatch):
    path = write_zip(tmp_path / "a.zip", pairs(2))
    mine = entry(archive="a.zip", images="Image", masks="GT")
    undeclared = identify(mine, tmp_path, tmp_path / "u")
    declared = entry(archive="a.zip", images="Image", masks="GT", sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    monkeypatch.setattr(verified, "sha256", lambda path: pytest.fail("read again"))
    assert undeclared == identify(mine, tmp_path, tmp_path / "u")
    assert undeclared == identify(declared, tmp_path, tmp_path / "none")


def test_the_first_source_that_is_here_is_used(tmp_path):
    source = {"official": {"archive": "big.zip", "count": 9}, "small": {"archive": "small.tar", "count": 2}}
    mine = entry(images="Image", masks="GT", sources=source)
    (tmp_path / "archives").mkdir()
    write_tar(tmp_path / "archives/small.tar", pairs(2))
    assert sources.locate(mine, tmp_path, tmp_path / "u").key == "small"
    write_zip(tmp_path / "big.zip", pairs(3))
    assert sources.locate(mine, tmp_path, tmp_path / "u").key == "official"


def test_what_is_absent_says_what_to_get(tmp_path):
    ecssd = catalog.load()["ECSSD"]
    with pytest.raises(
        UserError, match=r"images.zip \+ ground_truth_mask.zip \(1,000 images\), from https(.|\n)*data_root"
    ):
        identify(ecssd, tmp_path, tmp_path / "u")
    with pytest.raises(UserError, match="it is not set"):
        identify(ecssd, None, tmp_path / "u")
    for text in ("{", "[]", "{}", '{"fingerprint": "f"}', '{"source": "official", "identity": {"place": 3}}'):
        (tmp_path / "summary.json").write_text(text)  # damaged, or of an older version
        with pytest.raises(UserError, match="is not available"):
            identify(ecssd, tmp_path, tmp_path / "u", tmp_path)


def test_a_missing_set_that_can_be_downloaded_says_how(tmp_path):
    for name, said in (("DTD", True), ("CAMO", False)):
        with pytest.raises(UserError) as error:
            sources.locate(catalog.load()[name], tmp_path, tmp_path / "u")
        assert (f"dense-calibration data get {name}" in str(error.value)) == said


def test_archives_are_spoken_of_only_where_there_are_some(tmp_path):
    for name, said in (("ECSSD", True), ("COD10K", False)):
        with pytest.raises(UserError) as error:
            sources.locate(catalog.load()[name], tmp_path, tmp_path / "u")
        assert ("need not be unpacked" in str(error.value)) == said


def test_a_part_whose_name_list_is_not_here_is_refused(tmp_path):
    write_files(tmp_path / "DUTS-TR", pairs(3, "Image", "Mask"))
    sets, parts = catalog.load(), {"train": (Part(set="DUTS-TR", split="train"), "train")}
    with pytest.raises(
        UserError, match=r"DUTS-TR-official-train.txt, for train: split train of DUTS-TR(.|\n)*splits/(.|\n)*`all`"
    ):
        check_name_lists(sets, parts, tmp_path, tmp_path / "u")
    write_files(tmp_path, {"splits/DUTS-TR-official-train.txt": b"s00"})
    check_name_lists(sets, parts, tmp_path, tmp_path / "u")
    check_name_lists(sets, {"val": (Part(set="DUTS-TR"), "val")}, tmp_path, tmp_path / "u")
    # A list of an archive may lie inside it, which shows once it is unpacked.
    write_zip(tmp_path / "a.zip", pairs(2))
    mine = {"mine": entry(archive="a.zip", images="Image", masks="GT", splits={"late": "late.txt"})}
    part = {"test": (Part(set="mine", split="late"), "id")}
    check_name_lists(mine, part, tmp_path, tmp_path / "u")
    opened(mine["mine"], tmp_path, tmp_path / "u")
    with pytest.raises(UserError, match=r"late\.txt"):
        check_name_lists(mine, part, tmp_path, tmp_path / "u")


def test_our_own_lists_are_found_from_any_folder_and_are_used(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    splits = [
        split for one in catalog.load().values() for s in one.sources.values() for split in one.splits_of(s).values()
    ]
    named = {name for split in splits for name in split.names} | {one.groups for one in catalog.load().values()}
    assert len(list(LISTS.iterdir())) == 7
    for path in LISTS.iterdir():
        assert path.name in named and find_name_list(path.name, tmp_path, None) == path


def test_a_wrong_archive_is_refused_and_an_unpacked_one_needs_no_archive(tmp_path):
    path = write_zip(tmp_path / "a.zip", pairs(2))
    good = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(UserError, match=f"found: +sha256 {good}\n +expected: +sha256 {'0' * 64}"):
        opened(entry(archive="a.zip", sha256="0" * 64, images="Image", masks="GT"), tmp_path, tmp_path / "u")
    mine = entry(archive="a.zip", sha256=good, images="Image", masks="GT")
    root = opened(mine, tmp_path, tmp_path / "u")
    assert root.name == f"mine-{good[:8]}" and len(list(root.rglob("*.jpg"))) == 2
    inode = root.stat().st_ino
    path.unlink()
    assert opened(mine, tmp_path, tmp_path / "u").stat().st_ino == inode
    shutil.rmtree(root)
    with pytest.raises(UserError, match="is not available"):
        opened(mine, tmp_path, tmp_path / "u")


def test_two_archives_make_one_set(tmp_path):
    files = pairs(2, "images", "ground_truth_mask")
    for name in ("images", "ground_truth_mask"):
        write_zip(tmp_path / f"{name}.zip", {key: data for key, data in files.items() if key.startswith(name)})
    ecssd = catalog.load()["ECSSD"]
    located = sources.locate(ecssd, tmp_path, tmp_path / "u")
    root = sources.open_root(located, tmp_path / "u")
    assert located.key == "official"
    assert list(pairing.find_files(root, located.layout.images)) == list(pairing.find_files(root, located.layout.masks))


def test_what_runs_at_every_start_is_light():
    code = (
        "import sys, pipeline_src.data.sources; print(sorted({'numpy', 'cv2', 'torch', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
