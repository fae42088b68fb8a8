"""The catalog, entries of users, sources, and the identity of a dataset."""

from __future__ import annotations

import hashlib
import os
import tarfile
from pathlib import Path

import pytest
from made_sets import entry, pairs, write_files, write_tar, write_zip

from pipeline_src import files
from pipeline_src.data import catalog, pairing, sources, unpacking
from pipeline_src.data.entry import Entry
from pipeline_src.data.sources import identify
from pipeline_src.errors import UserError
from pipeline_src.params.schema import Split

OURS = {"images": "a", "masks": "b"}


def opened(mine: Entry, data_root: Path, unpacked: Path) -> Path:
    return sources.open_root(sources.locate(mine, data_root, unpacked), unpacked)


@pytest.mark.parametrize(
    "text", [b"\xff\xfe", b"datasets: [1", b"[]", b"datasets: {a: 1}\ntasks: {}\n", b"tasks: {}\n"]
)
def test_garbage_in_the_catalog_names_the_file(tmp_path, monkeypatch, text):
    (tmp_path / "catalog.yaml").write_bytes(text)
    monkeypatch.setattr(catalog, "FILE", tmp_path / "catalog.yaml")
    catalog._content.cache_clear()
    try:
        with pytest.raises(UserError, match=r"/catalog\.yaml"):
            catalog.load()
    finally:
        catalog._content.cache_clear()


def test_the_catalog_has_datasets_with_terms_and_citations():
    sets = catalog.load()
    assert {"DUTS-TR", "ECSSD", "DTD", "Brodatz", "CAMO", "SMOKE5K", "Kvasir-SEG", "CVC-ClinicDB", "CrackForest"} <= {
        *sets
    }
    assert sets["DTD"].ood and sets["DTD"].splits["test"].names == ("DTD-official-500.txt",)
    assert len(sets["CamVid"].classes) == 11 and sets["CamVid"].void == 11 and not sets["ECSSD"].classes
    for one in sets.values():
        assert one.terms and (one.citation or one.generated), one.name


@pytest.mark.parametrize(
    "raw, named",
    [
        ({"imagse": "a", "masks": "b"}, "mine.imagse.*'images'"),
        ({**OURS, "sources": {"x": {"archve": "a.zip"}}}, "archve.*'archive'"),
        ({"images": "a"}, "`masks`"),
        ({"masks": "a"}, "`images`"),
        ({**OURS, "groups": "^clip_"}, "mine.groups"),
        ({**OURS, "archive": "a.zip", "folder": "b"}, "archive and folder"),
        ({**OURS, "archive": "a.zip", "sha256": "123"}, "sha256"),
        ({**OURS, "splits": {"all": "x.txt"}}, "`all`"),
        ({**OURS, "splits": {"val": {"of": "trian", "fraction": 0.1}, "train": "t.txt"}}, "'train'"),
        ({**OURS, "splits": {"v": {"of": "all"}}}, "splits.v"),
        ({**OURS, "splits": {"v": {"of": "t", "fraction": 0.1}, "t": {"of": "all", "without": "v"}}}, "v, t, v"),
        ({**OURS, "count": 3, "sources": {"x": {"folder": "a"}}}, "count"),
        ({**OURS, "classes": ["no", "yes"]}, "`classes`"),
        (3, "datasets.mine"),
    ],
)
def test_a_wrong_entry_names_the_key(raw, named):
    with pytest.raises(UserError, match=named):
        catalog.load({"mine": raw})


def test_unknown_sets_and_splits_name_the_nearest():
    sets = catalog.load({"mine": OURS})
    for name, near in (("DUTS-TRAIN", "'DUTS-TR'"), ("ecsd", "'ECSSD'")):
        with pytest.raises(UserError, match=near):
            catalog.find(sets, name)
    with pytest.raises(UserError, match="'val'"):
        catalog.check_splits(sets, {"train": (Split(set="DUTS-TR", split="vall"), "train")})
    catalog.check_splits(sets, {"train": (Split(set="ECSSD", first=3), "train")})
    with pytest.raises(UserError, match="'train'"):
        catalog.check_splits(sets, {"train": (Split(set="mine", split="train"), "train")})


def test_sets_of_an_experiment_have_the_same_classes():
    one = {**OURS, "classes": ["background", "car", "tree"]}
    others = {"more": ["road", *one["classes"]], "turned": one["classes"][::-1]}
    more = {name: {**OURS, "classes": classes} for name, classes in others.items()}
    sets = catalog.load({"one": one, "plain": {"images": "a", "ood": True}, **more})
    train = {"train": (Split(set="one"), "train")}
    catalog.check_splits(sets, {**train, "t": (Split(set="one"), "id"), "o": (Split(set="plain"), "ood")})
    for name in (*more, "ECSSD"):
        with pytest.raises(UserError, match=name):
            catalog.check_splits(sets, {**train, "t": (Split(set=name), "shifted")})
    train = {"train": (Split(set="more"), "train")}
    catalog.check_splits(sets, {**train, "o": (Split(set="plain"), "ood")})
    with pytest.raises(UserError, match="more"):
        catalog.check_splits(sets, {**train, "o": (Split(set="plain"), "id")})


def test_pairing_knows_alternatives_depth_and_patterns(tmp_path):
    junk = {"__MACOSX/x/Image/._s00.jpg": b"", "x/Image/.DS_Store": b"", "x/Image/notes.txt": b""}
    write_files(tmp_path, {**pairs(2, "x/Image", "x/GT"), **pairs(1, "x/both", "x/both"), **junk})
    assert pairing.find_files(tmp_path, ["Imgs", "Image"]) == {"s00": ["x/Image/s00.jpg"], "s01": ["x/Image/s01.jpg"]}
    assert pairing.find_files(tmp_path, ["both/*.png"]) == {"s00": ["x/both/s00.png"]}
    assert pairing.find_files(tmp_path, ["both/s*.jpg"]) == {"00": ["x/both/s00.jpg"]}
    assert (
        list(pairing.find_files(tmp_path, ["."])) == list(pairing.find_files(tmp_path, ["x/Im*/*"])) == ["s00", "s01"]
    )
    with pytest.raises(UserError, match="x/GT"):
        pairing.find_files(tmp_path, ["img", "imgs"])


def test_linked_folders_are_followed_once(tmp_path):
    write_files(tmp_path, {**pairs(2, "top/b", "GT"), **{"far/f.jpg": b"", "deep/d.jpg": b""}})
    links = {"top/a": "top/b", "top/z": "far", "far/back": "top", "far/more": "deep"}
    for link, target in links.items():
        (tmp_path / link).symlink_to(tmp_path / target)
    stems = {"d": ["top/z/more/d.jpg"], "f": ["top/z/f.jpg"], "s00": ["top/b/s00.jpg"], "s01": ["top/b/s01.jpg"]}
    assert pairing.find_files(tmp_path, ["top"]) == stems
    (tmp_path / "around").mkdir()
    (tmp_path / "around/Imgs").symlink_to(tmp_path / "deep")
    assert pairing.find_files(tmp_path, ["Imgs"]) == {"d": ["around/Imgs/d.jpg"]}


def test_a_set_is_identified_by_content_and_entry_not_by_place(tmp_path):
    one, two, files = tmp_path / "one", tmp_path / "two", pairs(3)
    for root in (one, two):
        write_files(root / "data", files)
    mine = entry(folder="data", images="Image", masks="GT", splits={"val": "val.txt"})
    first = identify(mine, one, tmp_path / "u1")

    def second(changed: Entry = mine):
        return identify(changed, two, tmp_path / "u2")

    os.utime(two / "data/GT/s00.png", (1, 1))
    assert first == second() == second(mine.model_copy(update={"citation": "another", "terms": "others"}))
    assert first != second(mine.model_copy(update={"ood": True}))
    seen = [first]
    for text in ("s00\n", "s01\n"):
        (two / "val.txt").write_text(text)
        assert second() not in seen
        seen.append(second())
    (two / "val.txt").unlink()
    (two / "data/GT/s00.png").write_bytes(files["GT/s01.png"])
    assert second() not in seen


def test_an_archive_is_hashed_once_and_a_declared_hash_is_taken(tmp_path, monkeypatch):
    path, raw = write_zip(tmp_path / "a.zip", pairs(2)), {"archive": "a.zip", "images": "Image", "masks": "GT"}
    undeclared = identify(entry(**raw), tmp_path, tmp_path / "u")
    declared = entry(**raw, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    monkeypatch.setattr(files, "sha256", lambda path: pytest.fail("read again"))
    assert undeclared == identify(entry(**raw), tmp_path, tmp_path / "u")
    assert undeclared == identify(declared, tmp_path, tmp_path / "none")


def test_a_missing_set_names_its_files_and_ways_to_get_them(tmp_path):
    for root, where in ((tmp_path, str(tmp_path)), (tmp_path / "nowhere", "no folder")):
        with pytest.raises(sources.MissingSourceError) as error:
            sources.locate(catalog.load()["DTD"], root, tmp_path / "u")
        for named in (where, "data get DTD", "dtd-r1.0.1.tar.gz", "5,640", "DTD-official-500.txt"):
            assert named in str(error.value)


def test_a_wrong_archive_is_refused_and_a_good_one_is_unpacked_once(tmp_path):
    path, raw = write_zip(tmp_path / "a.zip", pairs(2)), {"archive": "a.zip", "images": "Image", "masks": "GT"}
    good = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(UserError, match=rf"a\.zip(.|\n)*{good}(.|\n)*{'0' * 64}"):
        opened(entry(**raw, sha256="0" * 64), tmp_path, tmp_path / "u")
    mine = entry(**raw, sha256=good)
    root = opened(mine, tmp_path, tmp_path / "u")
    assert len(list(root.rglob("*.jpg"))) == 2
    inode = root.stat().st_ino
    assert opened(mine, tmp_path, tmp_path / "u").stat().st_ino == inode
    path.unlink()
    with pytest.raises(sources.MissingSourceError):
        opened(mine, tmp_path, tmp_path / "u")


@pytest.mark.parametrize("data", [b"Rar!", b"PK\3\4 cut", b""])
def test_archives_that_cannot_be_unpacked_are_named(tmp_path, data):
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(UserError, match=r"a\.zip(.|\n)*folder:"):
        opened(entry(archive="a.zip", images="Image", masks="GT"), tmp_path, tmp_path / "u")


def test_archives_are_unpacked_inside_their_folder(tmp_path):
    unpacking.unpack(write_tar(tmp_path / "a", pairs(2), "w:xz"), tmp_path / "whole")
    assert sum(file.is_file() for file in (tmp_path / "whole").rglob("*")) == 4


def linked(path: Path, kind: bytes, target: str = "") -> Path:
    """An archive with a link or a device."""
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("a/member")
        member.type, member.linkname = kind, target
        archive.addfile(member)
    return path


EVIL = {
    "zip above": (lambda path: write_zip(path, {"a/../../outside": b"x"}), "a/../../outside"),
    "zip absolute": (lambda path: write_zip(path, {"/outside": b"x"}), "/outside"),
    "tar above": (lambda path: write_tar(path, {"../outside": b"x"}), "../outside"),
    "tar absolute": (lambda path: write_tar(path, {"/outside": b"x"}, "w:gz"), "/outside"),
    "link above": (lambda path: linked(path, tarfile.SYMTYPE, "../../outside"), "a/member"),
    "device": (lambda path: linked(path, tarfile.CHRTYPE), "a/member"),
    "named pipe": (lambda path: linked(path, tarfile.FIFOTYPE), "a/member"),
}


@pytest.mark.parametrize("name", EVIL)
def test_members_outside_of_an_archives_folder_are_named_and_refused(tmp_path, name):
    write, named = EVIL[name]
    with pytest.raises(UserError, match=f"evil(.|\n)*{named}"):
        unpacking.unpack(write(tmp_path / "evil"), tmp_path / "deep/inside")
    assert not [path for path in tmp_path.rglob("*") if path.name in ("outside", "member")]


def test_members_that_stay_inside_are_unpacked(tmp_path):
    write_zip(tmp_path / "a.zip", {"a/../b..": b"x", "..c": b"y"})
    unpacking.unpack(tmp_path / "a.zip", tmp_path / "out")
    assert (tmp_path / "out/..c").read_bytes() == b"y"


@pytest.mark.parametrize(("write", "name"), [(write_zip, "a.zip"), (write_tar, "a.tar")])
def test_unpacking_stops_at_a_limit_that_a_key_raises(tmp_path, monkeypatch, write, name):
    """Of 1,000 bytes here. An archive may also grow to 20 times its size."""
    monkeypatch.setattr(unpacking, "GB", 1000)
    raw = {"archive": name, "images": "Image", "masks": "GT"}
    bomb = {f"Image/{i}.png": bytes(400) for i in range(3)}
    with monkeypatch.context() as patch:
        patch.setattr(unpacking, "GROWTH", 0)
        write(tmp_path / name, bomb)
        with pytest.raises(UserError, match=r"Image/2\.png(.|\n)*max_unpacked_gb"):
            opened(entry(**raw), tmp_path, tmp_path / "u")
        opened(entry(**raw, max_unpacked_gb=1.2), tmp_path, tmp_path / "u")
    opened(entry(**raw), tmp_path, tmp_path / "v")


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_an_archive_is_a_regular_file(tmp_path, make):
    make(tmp_path / "a.zip")
    with pytest.raises(UserError, match=r"a\.zip is not a regular file"):
        sources.identify(entry(archive="a.zip", images="Image", masks="GT"), tmp_path, tmp_path / "u")


def test_the_first_available_source_is_used_and_may_have_several_archives(tmp_path):
    both = {"official": {"archive": ["images.zip", "masks.zip"]}, "small": {"archive": "small.tar"}}
    mine = entry(images="images", masks="masks", sources=both, splits={"val": "val.txt"})
    assert mine.split_names == ("all", "val") and sources.available_source(mine, tmp_path) is None
    (tmp_path / "archives").mkdir()
    files = pairs(2, "images", "masks")
    write_tar(tmp_path / "archives/small.tar", files)
    assert sources.locate(mine, tmp_path, tmp_path / "u").key == "small"
    for name in ("images", "masks"):
        write_zip(tmp_path / f"{name}.zip", {path: data for path, data in files.items() if path.startswith(name)})
    assert sources.locate(mine, tmp_path, tmp_path / "u").key == "official" == sources.available_source(mine, tmp_path)
    root = opened(mine, tmp_path, tmp_path / "u")
    assert list(pairing.find_files(root, ["images"])) == list(pairing.find_files(root, ["masks"])) == ["s00", "s01"]
