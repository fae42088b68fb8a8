"""Data sets that cannot be downloaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from bad_input import BadInput, check, hold

from pipeline_src.data import catalog
from pipeline_src.data import download as module
from pipeline_src.data.download import download

CLOSED = "http://127.0.0.1:9/a.zip"  # nothing listens there
MINE = {"archive": "a.zip", "images": "Image", "masks": "GT", "download": CLOSED, "get": "https://example.org/mine"}
SHA256 = "0" * 64


def get(name: str = "mine", **more) -> Callable[[Path], None]:
    entries = {"mine": MINE | more}
    return lambda folder: download(catalog.load(entries)[name], folder, lambda *_: None) and None


def nothing(folder: Path) -> None:
    """A file of before, and the start of a download."""
    (folder / "b.zip").write_bytes(b"mine")
    (folder / "a.zip.part").write_bytes(b"start")


def locked(folder: Path) -> None:
    nothing(folder)
    hold(folder / ".a.zip.part.lock")


def row(name: str, fault: str, call: Callable[[Path], None], what: str, make=nothing, **parts: str) -> BadInput:
    happens = "nothing gets the archive's name, and the message says what to put where"
    return BadInput(name, fault, call, what, make=make, happens=happens, **parts)


ROWS = [
    row(
        "get-offline",
        "a download without a network",
        get(),
        r"data set mine: a\.zip could not be downloaded",
        found=r"127.0.0.1:9/a\.zip: no connection(.|\n)*5 bytes are kept in",
        expected=r"/a\.zip$",
        do=r"put the file there by hand; its authors' page is https://example\.org/mine",
    ),
    row(
        "get-by-hand",
        "a download of a set whose authors ask for a click",
        get("HKU-IS"),
        "data set HKU-IS cannot be downloaded by a command",
        found="a click or a registration",
        expected=r"HKU-IS/ \(4,447 images\), from https://i\.cs\.hku\.hk",
        do=r"by hand(.|\n)*HKU-IS/: the authors' archive is a \.rar",
    ),
    row(
        "get-rar",
        "a set whose authors' archive, a .rar, lies in the folder of downloads",
        get("HKU-IS"),
        "data set HKU-IS cannot be downloaded by a command",
        make=lambda folder: (folder / "HKU-IS.rar").write_bytes(b"Rar!"),
        do=r"/HKU-IS\.rar cannot be unpacked by this program: unpack it into .*/HKU-IS/",
    ),
    row(
        "get-other-number",
        "an entry with two archives and one address",
        get(archive=["a.zip", "b.zip"]),
        "data set mine: `download` does not fit `archive`",
        found="2 archives and 1 addresses",
        do="params.yaml",
    ),
    row(
        "get-other-protocol",
        "an address that is none of the web",
        get(download="file:///etc/hostname"),
        "data set mine: `download` does not fit `archive`",
        found="file:///etc/hostname",
        expected="https://",
    ),
    row(
        "get-unchecked-mirror",
        "a mirror of a file whose sha256 is not known",
        get(mirror=CLOSED),
        "data set mine: `mirror` needs `sha256`",
        found="sha256 unknown",
    ),
    row(
        "get-too-few-mirrors",
        "an entry with two archives and one mirror",
        get(archive=["a.zip", "b.zip"], download=[CLOSED, CLOSED], mirror=CLOSED, sha256=[SHA256, SHA256]),
        "data set mine: `mirror` needs `sha256`",
        found="1 mirrors, 2 archives",
    ),
    row(
        "get-twice",
        "a download that another process is at",
        get(),
        r"a\.zip\.part is being written by another process",
        make=locked,
        do="wait for the other command",
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_it_is_refused(row: BadInput, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "WAIT", 0)
    check(row, tmp_path)
