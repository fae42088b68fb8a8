"""Readers of users' files under files that nobody thought of: `python tests/faults/fuzz.py [READER ...] --seconds 120`.

Whatever the file, a reader gives a value or raises a UserError, in bounded time and memory. `test_fuzz.py` runs a few
examples of each in the suite; what the long runs found are rows of the other modules, or `FOUND` here.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import logging
import os
import resource
import signal
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1])]

from made_sets import encoded, entry, image, mask  # noqa: E402
from numpy.lib import format as npy  # noqa: E402

from pipeline_src.counting.loading import load  # noqa: E402
from pipeline_src.counting.statistic import TwoClassStatistic  # noqa: E402
from pipeline_src.data import catalog, groups, manifest  # noqa: E402
from pipeline_src.data.lookup import read_name_list  # noqa: E402
from pipeline_src.data.prepare import prepare  # noqa: E402
from pipeline_src.data.unpack import unpack  # noqa: E402
from pipeline_src.errors import UserError  # noqa: E402
from pipeline_src.judging.files import pair_files  # noqa: E402
from pipeline_src.judging.several_classes import classes_of  # noqa: E402
from pipeline_src.judging.two_classes import count  # noqa: E402
from pipeline_src.params.load import read, resolve  # noqa: E402
from pipeline_src.params.schema import Limits, Part  # noqa: E402

SECONDS = 20  # that one file may take
MEMORY = 3 << 30  # bytes that a run may take
LIMITS = Limits(archive_bytes=1_000_000, archive_members=50, pixels=1_000_000)
TEXT = (HERE.parents[1] / "params.yaml").read_bytes()
P = np.random.default_rng(0).random((12, 16)).astype(np.float32)
TOKENS = [
    b"\0",
    b"\xff" * 4,
    b"\xff\xff\xff\x7f",
    b"\n",
    b"\t",
    b"- ",
    b": ",
    b"{",
    b"[",
    b"&a ",
    b"*a",
    b"<<: *a",
    b"'",
    b"../",
]
TOKENS += [
    b"yes",
    b"~",
    b".inf",
    b"1e3",
    b"2026-13-45",
    b"!!python/object:os.system",
    b"\xc3\xa9",
    b"\xe9",
    b"|O",
    b"9" * 30,
]


@dataclass(frozen=True)
class Reader:
    """A reader of files.

    Attributes:
        wholes: makes files that it can read, from which others are made.
        read: reads a file in a folder of its own; its suffix is that of the whole file.
        made: further files, as a strategy of their content.
    """

    wholes: Callable[[], list[tuple[str, bytes]]]
    read: Callable[[Path], object]
    made: Callable[[], st.SearchStrategy[tuple[str, bytes]]] | None = None


@st.composite
def altered(draw: st.DrawFn, wholes: list[tuple[str, bytes]]) -> tuple[str, bytes]:
    """A whole file with bytes changed, cut out, doubled or put in."""
    suffix, whole = draw(st.sampled_from(wholes))
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        stop = min(len(data), at + draw(st.sampled_from([1, 2, 4, 16, 300, 1 << 30])))
        kind = draw(st.sampled_from(["flip", "cut", "double", "put", "bytes"]))
        if kind == "flip" and at < len(data):
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "cut":
            del data[at:stop]
        elif kind == "double":
            data[at:at] = data[at:stop][:10_000]
        elif kind == "put":
            data[at : at + draw(st.sampled_from([0, 4]))] = draw(st.sampled_from(TOKENS))
        else:
            data[at:at] = draw(st.binary(max_size=8))
    return suffix, bytes(data)


# Archives


def archives() -> list[tuple[str, bytes]]:
    files = {"Image/a.jpg": b"x" * 500, "GT/a.png": bytes(range(256)), "b/c/d.txt": b""}
    whole = []
    for mode in ("w", "w:gz", "w:bz2", "w:xz"):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode=mode, format=tarfile.PAX_FORMAT) as archive:
            for name, data in (files | {"é" * 120: b"1"}).items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        whole.append((".tar", file.getvalue()))
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        whole.append((".zip", file.getvalue()))
    return whole


@st.composite
def made_archives(draw: st.DrawFn) -> tuple[str, bytes]:
    """Archives of any names and kinds of members."""
    file = io.BytesIO()
    names = st.one_of(
        st.text(max_size=12), st.sampled_from(["", ".", "..", "a", "a/b", "/a", "A", "a" * 300, "a/", "\\a"])
    )
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name in draw(st.lists(names, max_size=5)):
            info = tarfile.TarInfo(name)
            info.type = draw(st.sampled_from([b"0", b"1", b"2", b"3", b"5", b"6", b"S", b"g", b"x", b"L", b"K", b"?"]))
            info.size = draw(st.sampled_from([0, 3, 600, 1 << 33]))
            info.linkname = draw(st.sampled_from(["", "a", "/etc/passwd"]))
            with contextlib.suppress(ValueError, UnicodeError, OSError):
                archive.addfile(info, io.BytesIO(b"x" * 600) if info.size < 1000 else None)
    return ".tar", file.getvalue()


def read_archive(file: Path) -> None:
    before = {path.name for path in file.parent.iterdir()}
    try:
        unpack(file, file.parent / "into" / "here", LIMITS)
    finally:
        assert {path.name for path in file.parent.iterdir()} <= before | {"into"}
        assert {path.name for path in file.parent.glob("into/*")} <= {"here"}


# Lists of a data set


def manifests() -> list[tuple[str, bytes]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [
            manifest.Row(id=f"a/é{k}", stem=f"é{k}", splits={"val": k}, image="i.jpg", mask="", sha256_image="0" * 64)
            for k in range(3)
        ]
        manifest.write(folder, rows)
        return [(".csv", (folder / "manifest.csv").read_bytes())]


def read_manifest(file: Path) -> None:
    file.rename(file.parent / "manifest.csv")
    manifest.select(Part(set="a", split="val"), file.parent)


def lists() -> list[tuple[str, bytes]]:
    return [(".txt", "a.jpg\nb/c.png\n# é\n".encode()), (".csv", "id,group\na,é\nb,2\n".encode())]


def read_list(file: Path) -> None:
    if file.suffix == ".csv":
        groups.number(["a", "b"], file.name, file)
    else:
        read_name_list(file)


# Images, masks and maps


def pictures() -> list[tuple[str, bytes]]:
    grey = mask(0, 12, 16)
    shown = [(suffix, encoded(image(0, 12, 16), suffix)) for suffix in (".png", ".jpg", ".bmp", ".tif", ".webp")]
    return shown + [(suffix, encoded(grey, suffix)) for suffix in (".png", ".tif", ".bmp")]


def read_picture(file: Path) -> None:
    """As an image and as a mask of a set."""
    for name, other in (("Image", encoded(mask(0, 12, 16))), ("GT", encoded(image(0, 12, 16)))):
        root = file.parent / f"as{name}"
        for folder, data, suffix in ((name, file.read_bytes(), file.suffix), ("OT", other, ".png")):
            (root / folder).mkdir(parents=True)
            (root / folder / f"a{suffix}").write_bytes(data)
        layout = {"images": "Image", "masks": "OT"} if name == "Image" else {"images": "OT", "masks": "GT"}
        with contextlib.suppress(UserError):
            prepare(
                entry(folder=root.name, **layout), file.parent, file.parent / "u", file.parent / "o", "skip", LIMITS
            )


def maps() -> list[tuple[str, bytes]]:
    whole = []
    for array in (P, P.astype(np.float64), np.uint8(255 * P), np.stack([P, 1 - P]), np.float16(P)):
        file, packed = io.BytesIO(), io.BytesIO()
        np.save(file, array)
        np.savez_compressed(packed, array)
        whole += [(".npy", file.getvalue()), (".npz", packed.getvalue())]
    whole += [(suffix, encoded(np.uint8(255 * P), suffix)) for suffix in (".png", ".tif", ".bmp")]
    return [*whole, (".png", cv2.imencode(".png", np.uint16(65535 * P))[1].tobytes())]


@st.composite
def headers(draw: st.DrawFn) -> tuple[str, bytes]:
    """Headers of .npy files that claim anything, alone or in an .npz."""
    sizes = st.sampled_from([-1, 0, 1, 2, 12, 16, 10**6, 1 << 31, 1 << 63, 10**30])
    kinds = ["<f4", "<f8", "|u1", "<u2", "|b1", "|O", "<U9", "<U536870911", "|V0", "<c8", "<M8[s]", "|S0", "<f2", ">f4"]
    shape, dtype = tuple(draw(st.lists(sizes, max_size=4))), draw(st.sampled_from(kinds))
    text = f"{{'descr': {dtype!r}, 'fortran_order': {draw(st.booleans())}, 'shape': {shape}, }}".encode()
    text += b" " * ((-len(text) - 11) % 64) + b"\n"
    data = npy.magic(1, 0) + len(text).to_bytes(2, "little") + text + draw(st.binary(max_size=64)) * 12
    if draw(st.booleans()):
        return ".npy", data
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))) as archive:
        archive.writestr(draw(st.sampled_from(["a.npy", "a", "é.npy", "../a.npy"])), data)
    return ".npz", file.getvalue()


def read_map(file: Path) -> None:
    """As a map, of one object and of several classes, and as a mask."""
    for maps_of, masks_of in (("own", "whole"), ("whole", "own")):
        folders = [file.parent / f"{maps_of}{k}-{masks_of}" for k in range(2)]
        for folder, of in zip(folders, (maps_of, masks_of), strict=True):
            folder.mkdir()
            if of == "own":
                (folder / f"a{file.suffix}").write_bytes(file.read_bytes())
            else:
                (folder / "a.png").write_bytes(encoded(np.uint8(255 * (P > 0.5))))
        with contextlib.suppress(UserError):
            pairs = pair_files(*folders, LIMITS.pixels)
            classes_of(pairs)
            count(pairs, border=2)


# Statistics


def statistics() -> list[tuple[str, bytes]]:
    statistic = TwoClassStatistic.empty()
    for name in "ab":
        statistic.add(P, P > 0.4, name)
    with tempfile.TemporaryDirectory() as folder:
        full = Path(folder, "full.npz")
        statistic.save(full, {"of": "é"})
        return [(".npz", full.read_bytes())]


@st.composite
def repacked(draw: st.DrawFn) -> tuple[str, bytes]:
    """A statistic whose members were altered, with right checksums."""
    _, whole = draw(st.sampled_from(known("npz")))
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(file, "w") as new:
        chosen = draw(st.sampled_from(old.namelist()))
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, draw(altered([("", data)]))[1] if name == chosen else data)
    return ".npz", file.getvalue()


# Checkpoints


def checkpoints() -> list[tuple[str, bytes]]:
    import torch

    from pipeline_src.training import checkpoint

    with tempfile.TemporaryDirectory() as folder:
        checkpoint.save(Path(folder), 3, {"weights": torch.arange(9.0), "rows": checkpoint.packed({"a": P}, "rows")})
        return [(".pt", (Path(folder) / "epoch3.pt").read_bytes())]


@st.composite
def sealed(draw: st.DrawFn) -> tuple[str, bytes]:
    """A checkpoint that was altered, with a right digest of it."""
    from pipeline_src.training.checkpoint import DIGITS, MARK

    whole = known("checkpoint")[0][1][: -DIGITS - len(MARK)]
    data = draw(altered([("", whole)]))[1]
    return ".pt", data + MARK + hashlib.sha256(data).hexdigest().encode()


def read_checkpoint(file: Path) -> None:
    from pipeline_src.training import checkpoint

    folder = file.parent / "run"
    folder.mkdir()
    file.rename(folder / "epoch3.pt")
    content = checkpoint.load(folder)
    if isinstance(content, dict) and "rows" in content:
        checkpoint.unpacked(content["rows"])


# params.yaml


@st.composite
def values(draw: st.DrawFn) -> tuple[str, bytes]:
    """params.yaml with a value of any kind somewhere."""
    import yaml

    leaves = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), st.dates(), st.binary(max_size=3)
    )
    keys = st.one_of(st.sampled_from(KEYS), st.text(max_size=5), st.integers(), st.booleans(), st.none())
    value = draw(
        st.recursive(leaves, lambda of: st.lists(of, max_size=3) | st.dictionaries(keys, of, max_size=3), max_leaves=8)
    )
    content = yaml.safe_load(TEXT)
    at = content
    for _ in range(draw(st.integers(1, 4))):
        key = draw(st.sampled_from([*at]) | keys)
        if not isinstance(at.get(key), dict) or not at[key]:
            break
        at = at[key]
    at[draw(st.sampled_from([*at]) | keys)] = value
    return ".yaml", yaml.safe_dump(content, allow_unicode=True).encode("utf-8", "surrogatepass")


KEYS = [
    "images",
    "masks",
    "splits",
    "of",
    "fraction",
    "without",
    "names",
    "folder",
    "archive",
    "sources",
    "classes",
    "set",
]
KEYS += ["train", "val", "id", "ood", "first", "last", "method", "file", "alpha", "limits", "pixels", "seeds", "model"]


def read_params(file: Path) -> None:
    params = read(file)
    with contextlib.suppress(UserError):
        catalog.load(params.datasets)
    for name in list(params.experiments)[:3]:
        with contextlib.suppress(UserError):
            resolve(params, name)


READERS = {
    "archive": Reader(archives, read_archive, made_archives),
    "manifest": Reader(manifests, read_manifest),
    "list": Reader(lists, read_list),
    "picture": Reader(pictures, read_picture),
    "map": Reader(maps, read_map, headers),
    "npz": Reader(statistics, load, repacked),
    "checkpoint": Reader(checkpoints, read_checkpoint, sealed),
    "params": Reader(lambda: [(".yaml", TEXT)], read_params, values),
}


@cache
def known(name: str) -> list[tuple[str, bytes]]:
    return READERS[name].wholes()


@contextlib.contextmanager
def in_time(seconds: int) -> Iterator[None]:
    def late(*_: object) -> None:
        raise TimeoutError(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def check(name: str, suffix: str, data: bytes) -> None:
    """The reader `name` gives a value or raises a UserError, in time."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"file{suffix}"
        file.write_bytes(data)
        with in_time(SECONDS), contextlib.suppress(UserError):
            READERS[name].read(file)


def fuzz(name: str, examples: int, number: int = 0) -> None:
    """Give the reader `name` so many files; AssertionError or whatever it raised, with the smallest file found."""
    made = READERS[name].made
    files = altered(known(name)) if made is None else st.one_of(altered(known(name)), made())

    @seed(number)
    @settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck), print_blob=False
    )
    @given(files)
    def each(file: tuple[str, bytes]) -> None:
        check(name, *file)

    each()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("readers", nargs="*", default=list(READERS), choices=[*READERS, []], metavar="READER")
    parser.add_argument("--seconds", type=float, default=120)
    chosen = parser.parse_args()
    logging.disable()  # a reader may name each file in its log
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for name in chosen.readers:
        began, number = time.monotonic(), 0
        while time.monotonic() - began < chosen.seconds:
            fuzz(name, 200, int.from_bytes(os.urandom(4), "little"))
            number += 200
        print(f"{name}: about {number:,} files in {time.monotonic() - began:.0f} s, nothing but UserError", flush=True)


if __name__ == "__main__":
    main()
