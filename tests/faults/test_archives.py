"""What is wrong with an archive."""

from __future__ import annotations

import io
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from bad_input import BadInput, check
from made_sets import pairs, write_tar, write_zip

from pipeline_src.data.unpack import unpack
from pipeline_src.params.schema import Limits

SMALL = Limits(archive_bytes=2_000_000, archive_members=100)
REFUSED = "the archive and the member are named; nothing lands outside of its folder"


def tar(*members: tuple[str, bytes, str, int]) -> Callable[[Path], None]:
    """A tar archive of members (name, type, link, size)."""

    def make(folder: Path) -> None:
        with tarfile.open(folder / "a", "w") as archive:
            for name, kind, link, size in members:
                info = tarfile.TarInfo(name)
                info.type, info.linkname, info.size = kind, link, size
                archive.addfile(info, io.BytesIO(b"x" * size))

    return make


def link_in_zip(folder: Path) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(folder / "a", "w") as archive:
        archive.writestr(info, "/etc/passwd")


def changed(write: Callable, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        write(folder / "a", {"Image/a.jpg": bytes(range(256)) * 400})
        (folder / "a").write_bytes(change((folder / "a").read_bytes()))

    return make


def zip_of(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        with zipfile.ZipFile(folder / "a", "w", method) as archive:
            for name, data in files.items():
                archive.writestr(name, data)

    return make


def lying_zip(folder: Path) -> None:
    """A zip whose directory says that 3 MB of zeros are 10 bytes."""
    zip_of({"zeros": b"\0" * 3_000_000})(folder)
    data = (folder / "a").read_bytes()
    (folder / "a").write_bytes(data.replace(struct.pack("<I", 3_000_000), struct.pack("<I", 10)))


def huge_name(folder: Path) -> None:
    """A whole tar whose second member has a name of 2 MB."""
    with tarfile.open(folder / "a", "w", format=tarfile.GNU_FORMAT) as archive:
        for name in ("fine", "x" * 2_000_000):
            archive.addfile(tarfile.TarInfo(name))


def row(
    name: str,
    fault: str,
    make: Callable,
    what: str,
    found: str = "",
    expected: str = "",
    do: str = "",
    happens: str = REFUSED,
) -> BadInput:
    def call(folder: Path) -> None:
        unpack(folder / "a", folder / "deep" / "into", SMALL)

    return BadInput(name, fault, call, what, found, expected, do, make, happens)


BROKEN = "the archive and what is broken are named"
BOUNDED = "the archive, the limit and its key are named"
PLAIN = "plain files and folders"
UNSAFE = r"archive .*/a is not safe to unpack"
ROWS = [
    *(
        row(f"{kind}-leads-out-{i}", f"a member called `{name}` in a {kind}", make(name), UNSAFE, "leads out", PLAIN)
        for i, name in enumerate(["../out", "a/../../out", "/tmp/out", "..\\out", "C:\\out", "\\out"])
        for kind, make in (
            ("zip", lambda name: lambda folder: write_zip(folder / "a", {"fine": b"x", name: b"evil"})),
            ("tar", lambda name: lambda folder: write_tar(folder / "a", {"fine": b"x", name: b"evil"})),
        )
    ),
    *(
        row(
            f"tar-{name}",
            f"a {name} in a tar",
            tar(("fine.jpg", tarfile.REGTYPE, "", 3), ("evil", kind, link, 0)),
            UNSAFE,
            "evil, neither file nor folder",
            PLAIN,
        )
        for name, kind, link in (
            ("symbolic link", tarfile.SYMTYPE, "/etc/passwd"),
            ("hard link", tarfile.LNKTYPE, "fine.jpg"),
            ("device", tarfile.CHRTYPE, ""),
            ("named pipe", tarfile.FIFOTYPE, ""),
        )
    ),
    row("zip-link", "a link in a zip", link_in_zip, UNSAFE, "link, neither file nor folder", PLAIN),
    row(
        "duplicate",
        "two members of one name",
        tar(("a", tarfile.REGTYPE, "", 1), ("a", tarfile.REGTYPE, "", 2)),
        UNSAFE,
        "the duplicate name a",
        "without duplicate names",
    ),
    row(
        "file-and-folder",
        "a name that is a file and a folder",
        zip_of({"a": b"1", "a/b": b"2"}),
        UNSAFE,
        "the duplicate name",
        "without duplicate names",
    ),
    row(
        "zip-bomb",
        "a zip of more bytes than the limit",
        zip_of({"zeros": b"\0" * 3_000_000}),
        "archive .*/a is larger than the limit",
        "3,000,000 bytes unpacked",
        "at most 2,000,000",
        r"limits: \{archive_bytes: N\}",
        BOUNDED + "; nothing is unpacked",
    ),
    row(
        "tar-bomb",
        "a tar.gz of more bytes than the limit",
        lambda folder: write_tar(folder / "a", {"zeros": b"\0" * 3_000_000}, "w:gz"),
        "archive .*/a is larger than the limit",
        "bytes unpacked, or more",
        "at most 2,000,000",
        r"limits: \{archive_bytes: N\}",
        BOUNDED,
    ),
    row(
        "lying-zip",
        "a zip that holds more than it declares",
        lying_zip,
        "archive .*/a is broken",
        "BadZipFile|Error",
        "a whole zip",
        "download it again",
        BROKEN,
    ),
    row(
        "many-members",
        "a zip of more members than the limit",
        zip_of({f"{i}": b"" for i in range(101)}),
        "archive .*/a is larger than the limit",
        "101 members",
        "at most 100",
        r"limits: \{archive_members: N\}",
        BOUNDED + "; nothing is unpacked",
    ),
    row(
        "many-members-of-tar",
        "a tar of more members than the limit",
        lambda folder: write_tar(folder / "a", {f"{i}": b"" for i in range(101)}),
        "archive .*/a is larger than the limit",
        "101 members",
        "at most 100",
        r"limits: \{archive_members: N\}",
        BOUNDED,
    ),
    row(
        "huge-name",
        "a tar with a name of 2 MB",
        huge_name,
        "archive .*/a is broken",
        "a name or header of 2,000,001 bytes",
        do="download it again",
        happens=BROKEN + "; it is not read",
    ),
    row(
        "long-name",
        "a name that the file system cannot have",
        zip_of({"x" * 300: b"1"}),
        "archive .*/a could not be unpacked",
        "File name too long",
        happens="the archive and the reason are named",
    ),
    *(
        row(
            f"cut-off-{name}",
            f"a third of a {name}",
            changed(write, lambda data: data[: len(data) // 3]),
            "archive .*/a is broken|a is neither a zip nor a tar",
            "|Error",
            do="download it again",
            happens=BROKEN,
        )
        for name, write in (
            ("zip", write_zip),
            ("tar", write_tar),
            ("tar.gz", lambda path, files: write_tar(path, files, "w:gz")),
            ("tar.xz", lambda path, files: write_tar(path, files, "w:xz")),
        )
    ),
    row(
        "changed-bytes",
        "a zip with changed bytes in the middle",
        changed(write_zip, lambda data: data[:300] + b"?" * 50 + data[350:]),
        "archive .*/a is broken",
        "Bad CRC-32",
        "a whole zip",
        "compare its sha256",
        BROKEN,
    ),
    row(
        "rar",
        "another kind of archive",
        lambda folder: (folder / "a").write_bytes(b"Rar!\x1a\x07\x00" + b"x" * 100),
        "a is neither a zip nor a tar archive",
        "Rar!",
        r"\.zip, \.tar",
        "unpack it yourself and give `folder:`",
        "what to do instead is said",
    ),
    row(
        "empty",
        "an empty file",
        lambda folder: (folder / "a").touch(),
        "a is neither a zip nor a tar archive",
        "0 bytes",
        r"\.zip, \.tar",
        "download it again",
        "it says so",
    ),
    row(
        "pipe",
        "a named pipe",
        lambda folder: os.mkfifo(folder / "a"),
        "archive .*/a is a named pipe",
        expected="a zip or tar archive",
        happens="it is named; nothing waits for it",
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_it_is_refused(row, tmp_path):
    check(row, tmp_path)
    outside = {path.name for path in tmp_path.iterdir()} - {"a", "deep"}
    assert not outside and not Path("/tmp/out").exists()


def test_a_full_disk_is_told_before_unpacking(tmp_path, monkeypatch):
    write_zip(tmp_path / "a.zip", pairs(3))
    usage = type("Usage", (), {"free": 100})
    monkeypatch.setattr("pipeline_src.files.shutil.disk_usage", lambda _: usage)
    with pytest.raises(Exception, match=r"what .*a\.zip holds does not fit into"):
        unpack(tmp_path / "a.zip", tmp_path / "into")
    assert not any((tmp_path / "into").iterdir())
