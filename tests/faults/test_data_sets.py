"""What is wrong with the files of a data set, and with what was made of them."""

from __future__ import annotations

import errno
import io
import os
import socket
import struct
import unicodedata
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from bad_input import BadInput, refusals, run
from damaged import written_into
from made_sets import encoded, entry, image, mask, pairs, write_files, write_zip
from PIL import Image
from project import ROOT

from pipeline_src.data import catalog, groups, manifest, sources
from pipeline_src.data.build import build
from pipeline_src.data.detection.detect import detect
from pipeline_src.data.lookup import read_name_list
from pipeline_src.data.prepare import prepare
from pipeline_src.data.store import Store
from pipeline_src.errors import UserError
from pipeline_src.params.parts import Part
from pipeline_src.params.schema import Limits

MINE = {"folder": "set", "images": "Image", "masks": "GT"}


def png_of(width: int, height: int) -> bytes:
    """A grey PNG of that size by its header, with its first row."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header, data = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0), zlib.compress(bytes(width + 1))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def folder_set(**more: bytes) -> Callable[[Path], None]:
    """Three pairs, and files by name (with __ for /)."""

    def make(folder: Path) -> None:
        files = pairs(3) | {name.replace("__", "/").replace("_dot_", "."): data for name, data in more.items()}
        write_files(folder / "set", files)

    return make


def with_path(name: str, put: Callable[[Path], object]) -> Callable[[Path], None]:
    """Three pairs, and a path that `put` makes, with the other half of its pair."""

    def make(folder: Path) -> None:
        write_files(folder / "set", pairs(3))
        other = folder / "set" / ("GT/x.png" if name.startswith("Image") else "Image/x.png")
        other.write_bytes(encoded(mask() if name.startswith("Image") else image(9)))
        put(folder / "set" / name)

    return make


def bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as there:
        there.bind(os.path.relpath(path))


def preparing(**raw) -> Callable[[Path], None]:
    return lambda folder: prepare(entry(**(raw or MINE)), folder, folder / "unpacked", folder / "out") and None


def row(
    name: str,
    fault: str,
    happens: str,
    make: Callable[[Path], object],
    what: str,
    found: str = "usable samples in",
    expected: str = "",
    do: str = "on_problem: skip",
    call: Callable[[Path], None] | None = None,
) -> BadInput:
    """A row; by default a problem of a file that `prepare` lists."""
    return BadInput(name, fault, call or preparing(), what, found, expected, do, make, happens)


def of_tiny(folder: Path, part: str, changed: str) -> None:
    """params.yaml with another set in the place of one of `tiny`."""
    text = (ROOT / "params.yaml").read_text()
    (folder / "params.yaml").write_text(
        text.replace(part, changed).replace("data_root: data/downloads", "data_root: .")
    )


def of_hku_is(folder: Path) -> None:
    of_tiny(folder, "scenes: {set: tiny-scenes, split: test}", "HKU-IS: {set: HKU-IS}")
    (folder / "HKU-IS.rar").write_bytes(b"Rar!")


def of_dtd(folder: Path) -> None:
    of_tiny(folder, "textures: {set: tiny-textures}", "textures: {set: DTD, split: test}")
    write_files(folder / "dtd/images", {"banded/banded_0001.jpg": encoded(image(0), ".jpg")})


NAMED = "it is listed by name, with what to do; with `on_problem: skip` it is left out"


def palette_mask() -> bytes:
    picture = Image.fromarray(mask() // 255, "P")
    picture.putpalette([0, 0, 0, 200, 0, 0])
    picture.save(file := io.BytesIO(), "PNG")
    return file.getvalue()


def jpeg_pairs(top: int) -> dict[str, bytes]:
    files = pairs(3)
    masks = {name[:-4] + ".jpg": encoded(mask() // 255 * np.uint8(top), ".jpg") for name in files if "GT" in name}
    return {name: data for name, data in files.items() if "GT" not in name} | masks


def adding(folder: Path) -> None:
    detect(folder / "set")


def stored(folder: Path) -> None:
    """A store."""
    write_files(folder / "set", pairs(3))
    prepare(entry(**MINE), folder, folder / "unpacked", folder / "out")
    build(Part(set="mine"), entry(**MINE), folder, folder / "unpacked", folder / "out", 32, folder / "store")


def damaged(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        stored(folder)
        file = folder / name
        file.write_bytes(change(file.read_bytes()))

    return make


def opening(folder: Path) -> None:
    Store(folder / "store")


def selecting(folder: Path) -> None:
    manifest.select(Part(set="mine"), folder / "out")


def storing(folder: Path) -> None:
    build(Part(set="mine"), entry(**MINE), folder, folder / "another", folder / "out", 32, folder / "store")


def unpacked(folder: Path) -> None:
    """A set of an archive, prepared, with a mask edited since; size and mtime are as before."""
    write_zip(folder / "a.zip", pairs(2))
    prepare(entry(archive="a.zip", images="Image", masks="GT"), folder, folder / "unpacked", folder / "out")
    (file,) = (folder / "unpacked").glob("mine-*/GT/s00.png")
    written_into(file, -20)


def list_of_unpacked(folder: Path, text: str) -> None:
    """A set of an archive, prepared, with another list of its unpacked files."""
    write_zip(folder / "a.zip", pairs(2))
    prepare(entry(archive="a.zip", images="Image", masks="GT"), folder, folder / "unpacked", folder / "out")
    (root,) = (folder / "unpacked").glob("mine-*")
    (root / ".files.json").write_text(text)


OF_ARCHIVE = {"archive": "a.zip", "images": "Image", "masks": "GT"}
ROWS = [
    row(
        "name-of-ours",
        "`data add` of a folder that has the name of a built-in set",
        "refused, with the entry to write where its layout is another",
        lambda folder: of_tiny(folder, "", ""),
        "SOD is the name of a data set that is known already",
        found="",
        expected="no entry unless its layout is another",
        do=r"data check SOD; .*SOD: \{folder: PATH, images: Imgs/\*\.jpg, masks: Imgs/\*\.png\}",
        call=lambda folder: run("data", "add", ".", "--name", "SOD"),
    ),
    row(
        "other-layout",
        "a built-in set whose folders have other names",
        "refused, with the folders that there are and the entry to write",
        lambda folder: write_files(folder / "SOD", pairs(2, "Photos", "Labels")),
        "data set SOD: no folder Imgs or ",
        found="Labels",
        do=r"`datasets:` of params\.yaml.*SOD: \{folder: SOD, images: Imgs/\*\.jpg, masks: Imgs/\*\.png\}",
        call=lambda folder: sources.locate(catalog.load()["SOD"], folder, folder / "unpacked") and None,
    ),
    row(
        "absent-with-note",
        "a set of an experiment that is not here, and whose authors give a .rar",
        "refused before anything runs, with what to know of getting it",
        of_hku_is,
        "data set HKU-IS is not available",
        found="",
        do=r"note: +HKU-IS/: the authors' archive is a \.rar(.|\n)*note: +.*HKU-IS\.rar cannot be unpacked",
        call=lambda folder: run("plan", "--experiment", "tiny"),
    ),
    row(
        "absent-name-list",
        "a name list of the paper that is not here",
        "refused before anything runs; the message says which file of the authors' it is, and the name to give it",
        of_dtd,
        "name lists are missing:(.|\n)*DTD-official-500.txt, for textures: .*it is Dataset/Texture_Image_Names.txt of",
        found="",
        expected="under these names in",
        do="put them there",
        call=lambda folder: run("plan", "--experiment", "tiny"),
    ),
    row(
        "jpeg-foreground",
        "a JPEG mask of 0 and 1, with `foreground: 1`",
        NAMED,
        folder_set(Image__j_dot_png=encoded(image(9)), GT__j_dot_jpg=encoded(mask() // 255, ".jpg")),
        r"GT/j\.jpg: mask is a JPEG file, which does not keep the value `foreground`; save it as PNG",
        call=preparing(**MINE, foreground=1),
    ),
    row(
        "jpeg-classes",
        "a JPEG mask of class ids",
        NAMED,
        folder_set(Image__j_dot_png=encoded(image(9)), GT__j_dot_jpg=encoded(mask() // 255, ".jpg")),
        r"GT/j\.jpg: mask is a JPEG file, which does not keep class ids",
        call=preparing(**MINE, classes=["background", "a", "b"]),
    ),
    *(
        row(
            f"jpeg-added-{top}",
            f"`data add` of JPEG masks of 0 and {top}",
            "it is refused, and PNG is named",
            lambda folder, top=top: write_files(folder / "set", jpeg_pairs(top)),
            "JPEG files, which do not keep ids",
            "values up to",
            "PNG files",
            "as PNG",
            call=adding,
        )
        for top in (1, 3, 100)
    ),
    row(
        "mask-of-2",
        "a mask of 0 and 2",
        NAMED,
        folder_set(Image__j_dot_png=encoded(image(9)), GT__j_dot_png=encoded(mask() // 255 * 2)),
        r"GT/j\.png: mask has no value above 2, (.*)if 2 is its object, add `foreground: 2`",
    ),
    row(
        "mask-palette",
        "a mask with a palette of two colours",
        NAMED,
        folder_set(Image__j_dot_png=encoded(image(9)), GT__j_dot_png=palette_mask()),
        r"GT/j\.png: mask is coloured; it has a palette: add `foreground: 1`, the index",
    ),
    row(
        "pipe",
        "a named pipe among the images",
        NAMED + "; nothing waits for it",
        with_path("Image/x.jpg", os.mkfifo),
        "Image/x.jpg: is a named pipe; replace it",
    ),
    row(
        "socket",
        "a socket among the masks",
        NAMED,
        with_path("GT/x.png", bind),
        "GT/x.png: is a socket",
    ),
    row(
        "link-to-device",
        "a link to /dev/zero among the images",
        NAMED + "; nothing is read",
        with_path("Image/x.jpg", lambda path: path.symlink_to("/dev/zero")),
        "Image/x.jpg: is a link to a device",
    ),
    row(
        "dangling-link",
        "a link to nothing among the images",
        NAMED,
        with_path("Image/x.jpg", lambda path: path.symlink_to("nowhere.jpg")),
        "Image/x.jpg: is a link to nothing",
    ),
    row(
        "link-loop",
        "a link to itself among the masks",
        NAMED,
        with_path("GT/x.png", lambda path: path.symlink_to("x.png")),
        "GT/x.png: is a link in a loop",
    ),
    row(
        "folder-as-file",
        "a link to a folder called like an image",
        NAMED,
        with_path("Image/x.jpg", lambda path: path.symlink_to("../GT")),
        "x.*without",
    ),
    row(
        "name-not-utf8",
        "a file name that is not UTF-8",
        NAMED,
        with_path("Image/x.jpg", lambda path: Path(os.fsdecode(bytes(path.parent) + b"/\xe9.jpg")).write_bytes(b"x")),
        r"Image/\\xe9\.jpg: its name is not UTF-8; rename it",
    ),
    row(
        "same-name-composed",
        "two images whose names differ in their form of Unicode alone",
        "both are listed as of the same stem",
        lambda folder: write_files(
            folder / "set",
            pairs(2) | {f"Image/{unicodedata.normalize(form, 'é')}.png": encoded(image(5)) for form in ("NFC", "NFD")},
        ),
        "image of the same stem as another",
    ),
    row(
        "pixel-bomb",
        "a PNG of 30,000 x 30,000 pixels",
        "its header is read and no more; size, limit and key are named",
        folder_set(Image__x_dot_png=png_of(30_000, 30_000), GT__x_dot_png=encoded(mask())),
        r"Image/x.png: has 30,000 x 30,000 pixels, and the limit is 100,000,000; .*limits: \{pixels: N\}",
    ),
    row(
        "mask-bomb",
        "the same as a mask",
        "the same",
        folder_set(Image__x_dot_png=encoded(image(1)), GT__x_dot_png=png_of(30_000, 30_000)),
        "GT/x.png: has 30,000 x 30,000 pixels",
    ),
    row(
        "no-image",
        "a web page called .jpg",
        NAMED,
        folder_set(Image__x_dot_jpg=b"<html>not found</html>", GT__x_dot_png=encoded(mask())),
        "Image/x.jpg: cannot be decoded as an image; get the file again",
    ),
    row(
        "cut-off",
        "half an image",
        NAMED,
        folder_set(Image__x_dot_jpg=encoded(image(1), ".jpg")[:300], GT__x_dot_png=encoded(mask())),
        "Image/x.jpg: is cut off",
    ),
    row(
        "empty-set",
        "folders without an image",
        "the set is called empty",
        lambda folder: [(folder / "set" / name).mkdir(parents=True) for name in ("Image", "GT")],
        "data set mine is empty",
        found="no image in Image and GT of",
        expected=r"\.jpg",
        do="put the images there",
    ),
    row(
        "no-such-folder",
        "a folder that the set does not have",
        "those that it has are listed",
        folder_set(),
        "data set mine: no folder Photos",
        found="- Image",
        do="correct `images:`",
        call=preparing(**MINE | {"images": "Photos"}),
    ),
    row(
        "list-is-a-pipe",
        "a name list that is a named pipe",
        "it is named; nothing waits for it",
        lambda folder: os.mkfifo(folder / "val.txt"),
        r"name list .*val\.txt cannot be read",
        found="is a named pipe",
        expected="UTF-8",
        do="correct",
        call=lambda folder: read_name_list(folder / "val.txt") and None,
    ),
    row(
        "list-not-utf8",
        "a name list that is not UTF-8",
        "it is named",
        lambda folder: (folder / "val.txt").write_bytes(b"\xe9\n"),
        r"name list .*val\.txt cannot be read",
        found="can't decode",
        expected="UTF-8",
        do="correct",
        call=lambda folder: read_name_list(folder / "val.txt") and None,
    ),
    row(
        "groups-with-nul",
        "a file of groups with a field of 200,000 letters",
        "it is named",
        lambda folder: (folder / "groups.csv").write_text("id,group\na," + "x" * 200_000 + "\n"),
        r"groups .*groups\.csv cannot be read",
        found="field larger",
        expected="csv",
        do="correct",
        call=lambda folder: groups.number(["a"], "groups.csv", folder / "groups.csv") is None,
    ),
    row(
        "mask-edited-after-unpacking",
        "a mask edited in the unpacked cache, size and mtime kept",
        "`prepare` refuses it and names it: it is not what the archive holds",
        unpacked,
        "files in .*/mine-[0-9a-f]{8} have changed since they were unpacked",
        found=r"GT/s00\.png",
        expected=r"the files of a\.zip",
        do=r"remove .*/mine-",
        call=preparing(**OF_ARCHIVE),
    ),
    *(
        row(
            f"list-of-unpacked-files-{name}",
            f"the list of unpacked files (`.files.json`) {what}",
            "`prepare` says that the list is damaged, and what to remove",
            lambda folder, text=text: list_of_unpacked(folder, text),
            r"unpacked/mine-[0-9a-f]{8}/\.files\.json is damaged",
            found=found,
            expected="SHA-256 of each file",
            do=r"remove .*/mine-[0-9a-f]{8}, and it is unpacked again",
            call=preparing(**OF_ARCHIVE),
        )
        for name, what, text, found in (
            ("list", "is a list", "[1]", "list"),
            ("number", "is a number", "3", "int"),
            ("null", "is `null`", "null", "NoneType"),
            ("text", "is a text", '"x"', "str"),
            ("empty", "is empty", "", "JSONDecodeError"),
        )
    ),
    row(
        "mask-edited-before-storing",
        "the same, found by `store`",
        "the same",
        unpacked,
        r"GT/s00\.png has changed since the data set was prepared",
        found="sha256 [0-9a-f]{64}",
        expected="sha256 [0-9a-f]{64}",
        do=r"remove .*/mine-",
        call=lambda folder: (
            build(
                Part(set="mine"), entry(**OF_ARCHIVE), folder, folder / "unpacked", folder / "out", 32, folder / "store"
            )
            and None
        ),
    ),
    row(
        "image-gone",
        "an image that is gone since it was prepared",
        "it is named",
        lambda folder: (stored(folder), (folder / "set/Image/s01.jpg").unlink()),
        r"Image/s01\.jpg cannot be read any more",
        found="is a link to nothing|No such file",
        expected="sha256",
        do="start the run again",
        call=storing,
    ),
    *(
        row(
            f"store-{name.partition('.')[0]}-cut-off",
            f"a truncated `{name}` of a store",
            "it is named, and how to make it again",
            damaged(f"store/{name}", lambda data: data[: len(data) // 2]),
            rf"store/{name} of a data store cannot be read",
            found="Error",
            expected="that the step `store` wrote",
            do="remove .*store",
            call=opening,
        )
        for name in ("images.npy", "truth.npy", "store.json")
    ),
    row(
        "store-of-another-index",
        "a store whose index has lost a line",
        "the array that does not fit is named",
        damaged("store/index.csv", lambda data: data[: data.rstrip().rfind(b"\n") + 1]),
        r"store/\w+\.npy of a data store cannot be read",
        found="an array of shape",
        expected="`store` wrote",
        do="remove",
        call=opening,
    ),
    row(
        "store-truth-header",
        "a `truth.npy` of three bytes",
        "it is named",
        damaged("store/truth.npy", lambda data: data[:3]),
        r"store/truth\.npy of a data store cannot be read",
        found="Error",
        expected="`store` wrote",
        do="remove",
        call=opening,
    ),
    *(
        row(
            f"manifest-{name}",
            fault,
            "it is named, and how to make it again",
            damaged("out/manifest.csv", change),
            r"out/manifest\.csv cannot be read",
            found="Error",
            expected="that `prepare` wrote",
            do="prepare the data set again",
            call=selecting,
        )
        for name, fault, change in (
            ("cut-off", "a truncated manifest", lambda data: data[:-90]),
            ("other-columns", "a manifest of other columns", lambda data: data.replace(b"height", b"hight")),
            ("binary", "a manifest of other bytes", lambda data: b"\xff\xfe" + data),
            ("text-as-number", "a manifest with a text for a number", lambda data: data.replace(b",30,40,", b",x,40,")),
        )
    ),
    row(
        "manifest-missing",
        "no manifest",
        "it is named",
        lambda folder: None,
        r"no list .*manifest\.csv",
        found="No such file",
        do="prepare",
        call=selecting,
    ),
    row(
        "archive-is-a-pipe",
        "an archive that is a named pipe",
        "it is named; nothing waits for it",
        lambda folder: os.mkfifo(folder / "a.zip"),
        r"data set mine: .*a\.zip is a named pipe",
        found="",
        expected="zip or tar",
        do="`folder:`",
        call=preparing(**OF_ARCHIVE),
    ),
    row(
        "archive-is-a-folder",
        "a folder in the place of an archive",
        "it is named",
        lambda folder: (folder / "a.zip").mkdir(),
        r"data set mine: .*a\.zip is a folder",
        found="",
        expected="zip or tar",
        do="write `folder:`",
        call=preparing(**OF_ARCHIVE),
    ),
    row(
        "archive-of-300-letters",
        "an archive's name that no file can have",
        "the set is not available",
        lambda folder: None,
        "data set mine is not available",
        found="",
        expected="x{300}",
        do="data_root",
        call=preparing(**OF_ARCHIVE | {"archive": "x" * 300}),
    ),
    row(
        "download-folder-missing",
        "a folder of downloads that does not exist",
        "it is named",
        lambda folder: None,
        "data set mine is not available",
        found="no folder .*/nowhere",
        expected=r"a\.zip",
        do="data_root",
        call=lambda folder: sources.locate(entry(**OF_ARCHIVE), folder / "nowhere", folder) and None,
    ),
]


test_it_is_refused = refusals(ROWS)


@pytest.mark.parametrize(
    "name", ["pipe", "link-to-device", "dangling-link", "link-loop", "name-not-utf8", "pixel-bomb"]
)
def test_it_is_left_out_on_request(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    next(row for row in ROWS if row.name == name).make(tmp_path)
    assert prepare(entry(**MINE), tmp_path, tmp_path / "unpacked", tmp_path / "out", "skip")["samples"] == 3


def test_a_read_error_of_the_disk_names_the_file(tmp_path, monkeypatch):
    write_files(tmp_path / "set", pairs(3))
    read = Path.read_bytes

    def fails(path: Path) -> bytes:
        if path.name == "s01.png":
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", fails)
    with pytest.raises(UserError, match=r"GT/s01\.png: cannot be read: Input/output error; check its permissions"):
        prepare(entry(**MINE), tmp_path, tmp_path / "unpacked", tmp_path / "out")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_named(tmp_path):
    write_files(tmp_path / "set", pairs(3))
    (tmp_path / "set/GT/s01.png").chmod(0)
    with pytest.raises(UserError, match=r"GT/s01\.png: cannot be read: Permission denied"):
        prepare(entry(**MINE), tmp_path, tmp_path / "unpacked", tmp_path / "out")


def test_what_libjpeg_warns_of_is_named(tmp_path, capfd):
    good = encoded(image(0, 60, 80), ".jpg")
    files = {"Image/x.jpg": good[: len(good) // 2] + good[-2:], "GT/x.png": encoded(mask(0, 60, 80))}
    write_files(tmp_path / "set", pairs(2) | files)
    summary = prepare(entry(**MINE), tmp_path, tmp_path / "unpacked", tmp_path / "out")
    assert [
        note
        for note in summary["notes"]
        if note.startswith("Image/x.jpg: libjpeg warns: Corrupt JPEG data: premature end")
    ]
    assert summary["samples"] == 3 and "JPEG" not in capfd.readouterr().err


def test_names_in_other_forms_of_unicode_are_paired(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "blé") for form in ("NFC", "NFD"))
    assert composed != decomposed
    files = {f"Image/{decomposed}.jpg": encoded(image(0), ".jpg"), f"GT/{composed}.png": encoded(mask())}
    write_files(tmp_path / "set", files | {"val.txt": f"{decomposed}\n".encode()})
    mine = entry(**MINE, splits={"val": "val.txt"})
    assert prepare(mine, tmp_path, tmp_path / "unpacked", tmp_path / "out")["splits"] == {"all": 1, "val": 1}
    assert [row.stem for row in manifest.read(tmp_path / "out")] == [composed]


def test_one_bad_set_does_not_end_the_check_of_the_others(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ASLP_DOWNLOADS", raising=False)
    with_path("Image/x.jpg", os.mkfifo)(tmp_path)
    (tmp_path / "empty").mkdir()
    sets = {
        "typo": {"imagse": "set/Image", "masks": "set/GT"},
        "pipe": {"folder": "set", "images": "Image", "masks": "GT"},
        "absent": {"archive": "absent.zip", "images": "Image", "masks": "GT"},
        "empty": {"folder": "empty", "images": ".", "ood": True},
        "good": {"folder": "set", "images": "Image/s*.jpg", "masks": "GT/s*.png"},
    }
    params = {"experiment": "x", "datasets": sets, "methods": {}, "defaults": {}, "experiments": {"x": {}}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    from typer.testing import CliRunner

    from pipeline_src.cli.main import app

    result = CliRunner().invoke(app, ["data", "check"])
    assert result.exit_code == 1
    said = result.output
    for words in (
        "typo: its entry is wrong",
        "imagse: no such key; did you mean 'images'",
        "pipe: Image/x.jpg: is a named pipe",
        "absent: data set absent is not available",
        "empty: data set empty is empty",
        "good (given): in order; 3 samples",
    ):
        assert words in said, words
    with pytest.raises(UserError, match="imagse: no such key"):
        catalog.load(sets)


def test_limits_are_keys_of_params(tmp_path):
    write_files(tmp_path / "set", pairs(3))
    places = (tmp_path, tmp_path / "unpacked", tmp_path / "out")
    assert prepare(entry(**MINE), *places, limits=Limits(pixels=1200))["samples"] == 3
    with pytest.raises(UserError, match="has 40 x 30 pixels, and the limit is 1,199"):
        prepare(entry(**MINE), *places, limits=Limits(pixels=1199))


def test_identical_images_are_drawn_into_one_split(tmp_path):
    """Twelve photographs under two names each, half of which are drawn."""
    files = {}
    for i in range(24):
        files |= {f"Image/s{i:02}.jpg": encoded(image(i // 2), ".jpg"), f"GT/s{i:02}.png": encoded(mask(i // 2))}
    write_files(tmp_path / "set", files)
    splits = {"val": {"of": "all", "fraction": 0.5}, "train": {"of": "all", "without": "val"}}
    prepare(entry(**MINE, splits=splits), tmp_path, tmp_path / "unpacked", tmp_path / "out")
    rows = manifest.read(tmp_path / "out")
    hashes = [{row.sha256_image for row in rows if name in row.splits} for name in ("val", "train")]
    assert len(hashes[0]) == len(hashes[1]) == 6 and not hashes[0] & hashes[1]


def test_a_set_out_of_distribution_is_background_whatever_its_masks_show(tmp_path):
    write_files(tmp_path / "set", pairs(3))
    places = (entry(**MINE), tmp_path, tmp_path / "unpacked", tmp_path / "out")
    prepare(*places)
    for label, out in ((None, "id"), (0, "ood"), (254, "no-class")):
        build(Part(set="mine"), *places, 32, tmp_path / out, label)
    shown, background, no_class = (Store(tmp_path / out) for out in ("id", "ood", "no-class"))
    assert shown.truth(0).any() and shown.masks.any() and not shown.info["ood"]
    assert not background.truth(0).any() and not background.masks.any() and background.info["ood"]
    assert (no_class.truth(0) == 254).all() and np.array_equal(no_class.images, shown.images)
    assert {row.sha256_mask for row in background.index} == {""}


def test_add_says_when_few_images_validate(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = {"experiment": "x", "methods": {}, "defaults": {}, "experiments": {"x": {}}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    for count, said in ((40, True), (400, False)):
        small = encoded(image(1, 12, 12), ".jpg")
        files = {f"Image/s{i:03}.jpg": small + b"%d" % i for i in range(count)}
        write_files(tmp_path / f"n{count}", files | {f"GT/s{i:03}.png": encoded(mask(0, 12, 12)) for i in range(count)})
        from typer.testing import CliRunner

        from pipeline_src.cli.main import app

        result = CliRunner().invoke(app, ["data", "add", f"n{count}"])
        assert result.exit_code == 0, result.output
        assert ("The split val has 3 images. With fewer than 30" in result.output) == said
        assert ("The split val has" in result.output) == said
