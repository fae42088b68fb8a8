"""Archives are unpacked whole, or refused; nothing lands outside of the folder."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile

import pytest
from made_sets import pairs, write_tar, write_zip

from pipeline_src.data.unpack import unpack, whole_folder
from pipeline_src.errors import UserError
from pipeline_src.params.schema import Limits


def tar_with(path, *members: tarfile.TarInfo):
    with tarfile.open(path, "w") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, target, size
    return info


@pytest.fixture
def into(tmp_path):
    folder = tmp_path / "deep" / "into"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("mode", ["zip", "w", "w:gz", "w:bz2", "w:xz"])
def test_every_kind_of_archive_gives_its_files(tmp_path, into, mode):
    files = pairs(3)
    path = tmp_path / "archive"  # the kind is told by content, not by name
    write_zip(path, files) if mode == "zip" else write_tar(path, files, mode)
    unpack(path, into)
    assert {p.relative_to(into).as_posix(): p.read_bytes() for p in into.rglob("*") if p.is_file()} == files


NAMES = ["../out", "a/../../out", "/tmp/out", "..\\out", "\\out", "C:\\out", "C:/out"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_a_name_that_leads_out_is_refused(tmp_path, into, write, name):
    path = write(tmp_path / "archive", {"Image/fine.jpg": b"x", name: b"evil"})
    before = {p for p in tmp_path.rglob("*") if p.name.endswith("out")}
    with pytest.raises(UserError, match="not safe to unpack"):
        unpack(path, into)
    assert {p for p in tmp_path.rglob("*") if p.name.endswith("out")} == before


@pytest.mark.parametrize(
    "bad",
    [
        member("link", tarfile.SYMTYPE, "/etc/passwd"),
        member("link", tarfile.LNKTYPE, "Image/fine.jpg"),
        member("device", tarfile.CHRTYPE),
        member("disk", tarfile.BLKTYPE),
        member("pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda info: info.name + info.type.decode(),
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path, into, bad):
    path = tar_with(tmp_path / "a.tar", member("Image/fine.jpg", size=3), bad)
    with pytest.raises(UserError, match="neither file nor folder"):
        unpack(path, into)
    assert [p.name for p in into.rglob("*") if p.is_file()] == ["fine.jpg"]


def test_a_link_in_a_zip_is_refused(tmp_path, into):
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(UserError, match="neither file nor folder"):
        unpack(tmp_path / "a.zip", into)


@pytest.mark.parametrize("files", [{"a": b"1", "a/b": b"2"}, {"a/b": b"1", "a": b"2"}])
def test_a_name_that_is_file_and_folder_is_refused(tmp_path, into, files):
    with pytest.raises(UserError, match="duplicate name"):
        unpack(write_zip(tmp_path / "a.zip", files), into)


def test_a_duplicate_name_is_refused(tmp_path, into):
    with pytest.raises(UserError, match="duplicate name"):
        unpack(tar_with(tmp_path / "a.tar", member("a", size=1), member("a", size=2)), into)


def test_size_and_number_are_bounded(tmp_path, into):
    bomb = write_tar(tmp_path / "a.tar", {"zeros": b"\0" * 3_000_000}, "w:gz")
    assert bomb.stat().st_size < 10_000
    with pytest.raises(UserError, match="bytes unpacked"):
        unpack(bomb, into, Limits(archive_bytes=2_000_000))
    assert (into / "zeros").stat().st_size <= 2_000_000
    with pytest.raises(UserError, match="6 members"):
        unpack(write_zip(tmp_path / "b.zip", pairs(3)), into, Limits(archive_members=4))


@pytest.mark.parametrize("mode", ["zip", "w:gz", "w"])
def test_a_cut_off_or_foreign_archive_is_told(tmp_path, into, mode):
    files = {"Image/a.jpg": bytes(range(256)) * 400}
    whole = write_zip(tmp_path / "whole", files) if mode == "zip" else write_tar(tmp_path / "whole", files, mode)
    data = whole.read_bytes()
    cut = tmp_path / "cut"
    cut.write_bytes(data[: len(data) // 3])
    with pytest.raises(UserError, match=r"broken|neither a zip nor a tar"):
        unpack(cut, into)
    if mode == "zip":  # bytes changed in the middle: the checksum tells
        cut.write_bytes(data[:300] + b"?" * 50 + data[350:])
        with pytest.raises(UserError, match="broken"):
            unpack(cut, into.parent)


def test_another_format_says_what_to_do(tmp_path, into):
    (tmp_path / "HKU-IS.rar").write_bytes(b"Rar!\x1a\x07\x00" + b"x" * 100)
    with pytest.raises(UserError, match="unpack it yourself"):
        unpack(tmp_path / "HKU-IS.rar", into)


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "set"
    with pytest.raises(RuntimeError), whole_folder(target) as folder:
        (folder / "half").write_text("x")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    stale = tmp_path / ".set.partial"  # as left by a killed run
    stale.mkdir()
    (stale / "old").write_text("x")
    with whole_folder(target) as folder:
        (folder / "new").write_text("x")
        assert not target.exists()
    assert [p.name for p in target.iterdir()] == ["new"] and [p.name for p in tmp_path.iterdir()] == ["set"]
