"""What is wrong with files that `judge` reads, and with its options."""

from __future__ import annotations

import errno
import io
import lzma
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from bad_input import BUSY, BadInput, hold, refusals, run
from numpy.lib import format as npy
from PIL import Image
from test_data_sets import bind, png_of

from pipeline_src.counting.loading import load
from pipeline_src.counting.statistic import TwoClassStatistic
from pipeline_src.errors import UserError
from pipeline_src.judging.folder import judge_folder

Y, X = np.mgrid[:24, :32]
DISC = np.hypot(Y - 12, X - 14) < 7
P = np.where(DISC, 0.8, 0.3).astype(np.float32)
BEFORE = "results/metrics.json"


def put(**files: object) -> Callable[[Path], None]:
    """Two good pairs a and b and results of before, and files by path (__ is /, _dot_ a dot): arrays, bytes, or what
    makes them."""

    def make(folder: Path) -> None:
        for name in ("maps", "masks", "results"):
            (folder / name).mkdir()
        (folder / BEFORE).write_text('{"name": "net"}')
        for stem in "ab":
            np.save(folder / f"maps/{stem}.npy", P)
            cv2.imwrite(str(folder / f"masks/{stem}.png"), np.uint8(255 * DISC))
        for name, content in files.items():
            path = folder / name.replace("__", "/").replace("_dot_", ".")
            if callable(content):
                path.unlink(missing_ok=True)
                content(path)
            elif isinstance(content, bytes):
                path.write_bytes(content)
            elif path.suffix == ".npy":
                np.save(path, content)
            else:
                cv2.imwrite(str(path), content)

    return make


def judging(mask: str | None = "masks", **options) -> Callable[[Path], None]:
    options = {"resamples": 0, "whole": False, **options}
    out = Path(options.pop("out", "results"))
    return lambda folder: judge_folder(Path("maps"), mask and Path(mask), "net", out, **options) and None


def row(
    name: str,
    fault: str,
    happens: str,
    make: Callable[[Path], None],
    found: str = "",
    what: str = r"file\(s\) cannot be used; nothing was written",
    expected: str = "",
    do: str = "",
    call: Callable[[Path], None] | None = None,
) -> BadInput:
    return BadInput(name, fault, call or judging(), what, found, expected, do, make, happens)


def header_of(shape: tuple, dtype: str = "<f4") -> bytes:
    """A .npy file that claims an array, and holds none of it."""
    file = io.BytesIO()
    npy.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue()


def npz_of(*shape: int) -> Callable[[Path], None]:
    """An .npz whose member's header claims an array, with its first row."""

    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("p.npy", "w", force_zip64=True) as to:
            to.write(header_of(shape))
            to.write(bytes(4 * shape[1]))

    return make


def void(value: int) -> np.ndarray:
    return np.full(P.shape, value, np.uint8)


def statistic(folder: Path) -> None:
    """A statistic of one image."""
    of = TwoClassStatistic.empty()
    of.add(P, DISC, "a")
    of.save(folder / "s.npz", {})


def rewritten(
    whole: Callable[[Path], None] = statistic, **arrays: Callable[[np.ndarray], np.ndarray]
) -> Callable[[Path], None]:
    """A statistic with other arrays, or more of them."""

    def make(folder: Path) -> None:
        whole(folder)
        with np.load(folder / "s.npz") as file:
            content = dict(file)
        for name, change in arrays.items():
            content[name] = change(content.get(name))
        np.savez_compressed(folder / "s.npz", **content)

    return make


def jpeg(values: np.ndarray, quality: int) -> Callable[[Path], None]:
    return lambda path: cv2.imwrite(
        str(path.with_suffix(".jpg")), np.uint8(values), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )


def sub(folder: Path) -> None:
    folder.mkdir()
    np.save(folder / "c.npy", P)


def turned(path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 3
    Image.fromarray(np.uint8(255 * DISC)).save(path, exif=exif)


def with_dictionary(_: np.ndarray) -> np.ndarray:
    """Ids whose header asks for a dictionary of 1 GiB."""
    data = lzma.compress(b'["a"]', lzma.FORMAT_ALONE)
    return np.frombuffer(data[:1] + (1 << 30).to_bytes(4, "little") + data[5:], np.uint8)


def cut_statistic(folder: Path) -> None:
    statistic(folder)
    file = folder / "s.npz"
    file.write_bytes(file.read_bytes()[:2000])


def claiming(folder: Path) -> None:
    """A statistic whose ids claim to be 8 GB."""
    statistic(folder)
    with zipfile.ZipFile(folder / "s.npz") as file:
        content = {name: file.read(name) for name in file.namelist()}
    content["ids.npy"] = header_of((1 << 33,), "|u1")
    with zipfile.ZipFile(folder / "s.npz", "w") as file:
        for name, data in content.items():
            file.writestr(name, data)


def loading(folder: Path) -> None:
    load(folder / "s.npz")


def adding(truth: np.ndarray, f: np.ndarray = P) -> Callable[[Path], None]:
    return lambda folder: TwoClassStatistic.empty().add(f, truth, "photo-7")


NAMED = "it is named with the reason, and nothing is written"
JPEG = "it is refused: JPEG changes values"
IDS, EMPTY = {"masks__a_dot_png": np.uint8(DISC)}, {"masks__a_dot_png": void(0)}
UNREADABLE = r"s\.npz is not a statistic that can be read"
ROWS = [
    row(
        "pipe",
        "a named pipe among the maps",
        NAMED + "; nothing waits for it",
        put(maps__c_dot_npy=os.mkfifo),
        r"c\.npy is a named pipe",
        do="add the missing files",
    ),
    row("socket", "a socket among the masks", NAMED, put(masks__c_dot_png=bind), r"c\.png is a socket"),
    row(
        "link-to-device",
        "a link to /dev/zero among the maps",
        NAMED + "; nothing is read",
        put(maps__c_dot_npy=lambda path: path.symlink_to("/dev/zero")),
        r"c\.npy is a link to a device",
    ),
    row(
        "dangling-link",
        "a link to nothing among the masks",
        NAMED,
        put(masks__b_dot_png=lambda path: path.symlink_to("nowhere.png")),
        r"b\.png is a link to nothing",
    ),
    row(
        "link-loop",
        "a link to itself among the maps",
        NAMED,
        put(maps__b_dot_npy=lambda path: path.symlink_to("b.npy")),
        r"b\.npy is a link in a loop",
    ),
    row(
        "folder",
        "a folder called like a map",
        NAMED,
        put(maps__c_dot_npy=lambda path: path.mkdir()),
        r"c\.npy is a folder",
    ),
    row(
        "name-not-utf8",
        "a file name that is not UTF-8",
        NAMED,
        put(maps__c=lambda path: Path(os.fsdecode(bytes(path.parent) + b"/\xe9.npy")).write_bytes(b"x")),
        r"\\xe9\.npy has a name that is not UTF-8; rename it",
    ),
    row(
        "png-bomb",
        "a PNG of 30,000 x 30,000 pixels as a map",
        "its header is read and no more; size and limit are named",
        put(maps__b_dot_npy=lambda path: path.with_suffix(".png").write_bytes(png_of(30_000, 30_000))),
        r"b\.png: the file has 30,000 x 30,000 pixels, and the limit is 100,000,000",
    ),
    row(
        "mask-bomb",
        "the same as a mask",
        "the same",
        put(masks__b_dot_png=png_of(30_000, 30_000)),
        r"b\.png: the file has 30,000 x 30,000 pixels",
    ),
    row(
        "npz-bomb",
        "an .npz of 400 million values",
        "the same",
        put(maps__b_dot_npy=lambda path: npz_of(20_000, 20_000)(path.with_suffix(".npz"))),
        r"b\.npz: an array of shape \(20000, 20000\) has 400,000,000 values, and the limit is 100,000,000",
    ),
    row(
        "npy-claims",
        "a .npy whose header claims 4 TB",
        "the same",
        put(maps__b_dot_npy=header_of((10**6, 10**6))),
        r"b\.npy: an array of shape .* has 1,000,000,000,000 values",
    ),
    row(
        "npy-of-long-texts",
        "a .npy of one text of 2 GB",
        NAMED,
        put(maps__b_dot_npy=header_of((1, 1), "<U536870911")),
        r"b\.npy: cut off: an array of 2,147,483,644 bytes, of which 0 are there",
    ),
    row(
        "npy-cut-off",
        "half a .npy",
        NAMED,
        put(maps__b_dot_npy=lambda path: (np.save(path, P), os.truncate(path, 1000))),
        r"b\.npy: cut off: an array of 3,072 bytes, of which 872 are there",
    ),
    row(
        "npz-cut-off",
        "half an .npz",
        NAMED,
        put(maps__b_dot_npy=lambda path: (np.savez(file := path.with_suffix(".npz"), P), os.truncate(file, 1000))),
        r"b\.npz: not readable as an array \(File is not a zip file\)",
    ),
    row(
        "npz-empty",
        "an .npz without an array",
        NAMED,
        put(maps__b_dot_npy=lambda path: np.savez(path.with_suffix(".npz"))),
        r"b\.npz: 0 arrays",
    ),
    row(
        "pickled",
        "a .npy of pickled objects",
        NAMED + "; nothing is unpickled",
        put(maps__b_dot_npy=lambda path: np.save(path, np.array([[{}]], object))),
        r"b\.npy: .*pickled objects",
    ),
    row(
        "text",
        "a text called .png",
        NAMED,
        put(masks__b_dot_png=b"no picture"),
        r"b\.png: the file cannot be decoded as an image",
    ),
    row(
        "cut-off-png", "half a PNG", NAMED, put(masks__b_dot_png=png_of(100, 100)[:60]), r"b\.png: the file is cut off"
    ),
    row(
        "logits",
        "logits instead of probabilities",
        NAMED,
        put(maps__b_dot_npy=8 * P - 4),
        r"b\.npy: values from .*logits need a sigmoid",
    ),
    row(
        "interpolated",
        "a map that cubic interpolation took beyond 0 and 1",
        NAMED,
        put(maps__b_dot_npy=1.04 * P / P.max() - 0.02),
        r"b\.npy: values from .* to 1\.02.*clip to \[0, 1\]",
    ),
    row("nan", "NaN in a map", NAMED, put(maps__b_dot_npy=P * np.nan), r"b\.npy: .*NaN"),
    row(
        "rotated",
        "a map of height and width exchanged",
        NAMED,
        put(maps__b_dot_npy=np.ascontiguousarray(P.T)),
        r"b\.npy: height x width 32 x 24.*rotated",
    ),
    row(
        "no-partner",
        "a map without a mask",
        NAMED,
        put(maps__c_dot_npy=P),
        r"c\.npy: no mask",
        expected="one mask for every map",
        do="add the missing files",
    ),
    row(
        "same-stem",
        "two maps of one stem",
        NAMED,
        put(maps__a_dot_png=np.uint8(255 * P)),
        r"a\.npy and a\.png: the same stem",
        do="one of two with the same stem",
    ),
    row(
        "jpeg-map",
        "a JPEG instead of a map",
        NAMED,
        put(maps__b_dot_npy=lambda path: cv2.imwrite(str(path.with_suffix(".jpg")), np.uint8(255 * P))),
        r"b\.png: no prediction map but b\.jpg \(JPEG changes probabilities",
    ),
    row(
        "pages",
        "a TIFF of two pages as a map",
        NAMED,
        put(maps__b_dot_npy=lambda path: cv2.imwritemulti(str(path.with_suffix(".tif")), [np.uint8(255 * P)] * 2)),
        r"b\.tif: the file holds several pictures",
    ),
    row(
        "turned",
        "a mask whose EXIF data ask to turn it by 180 degrees",
        NAMED,
        put(masks__b_dot_png=turned),
        r"b\.png: an EXIF orientation of 3, which would not be applied; turn its pixels, or remove the tag",
    ),
    *(
        row(
            f"jpeg-{name}",
            f"JPEG masks of {fault}",
            happens,
            put(masks__b_dot_png=jpeg(values, quality), **more),
            found,
            "the masks in masks are JPEG files, which do not keep " + what,
            "PNG files",
            do,
            call=judging(**options),
        )
        for name, fault, happens, values, quality, more, found, what, do, options in (
            ("ids", "0 and 1", JPEG, DISC, 95, IDS, r"no value above 127 \(b\.jpg\)", "ids", "as PNG", {}),
            ("lost-ids", "0 and 1, of which all became 0", JPEG, DISC, 30, EMPTY, "no value above", "ids", "--ood", {}),
            (
                "ignored",
                "which `--ignore` names a value",
                "it is refused: the value is changed",
                np.where(X < 9, 128, 255 * DISC),
                95,
                {},
                r"--ignore 128, b\.jpg",
                "the value of ignored pixels",
                "as PNG",
                {"ignore": 128},
            ),
        )
    ),
    row(
        "jpeg-class-ids",
        "JPEG masks of class ids",
        NAMED,
        put(
            maps__a_dot_npy=np.full((3, 24, 32), 1 / 3, np.float32),
            maps__b_dot_npy=np.full((3, 24, 32), 1 / 3, np.float32),
            masks__b_dot_png=jpeg(2 * DISC, 95),
        ),
        r"b\.jpg: a JPEG file, which does not keep class ids; save the ids as PNG",
    ),
    row(
        "other-object",
        "masks whose object has another value than 1 and 255",
        "value and file are named, and how to save them",
        put(masks__a_dot_png=np.uint8(127 * DISC), masks__b_dot_png=np.uint8(127 * DISC)),
        r"0 \(a\.png\), 127 \(a\.png\)",
        "the masks in masks do not show what is an object",
        "0 and 255",
        r"255 \* \(mask == 127\)",
    ),
    *(
        row(
            f"ignore-{value}",
            f"`--ignore {value}`, which no mask of 8 bits can have",
            "it is refused",
            put(),
            rf"--ignore {value}, masks of 8 bits in masks",
            "--ignore is a value that no mask can have",
            "0 to 255",
            "name the value",
            call=judging(ignore=value),
        )
        for value in (300, -1)
    ),
    row(
        "subfolder-without-masks",
        "a subfolder of maps, but not of masks",
        NAMED,
        put(maps__v=sub),
        r"v/c\.npy: no mask",
        expected="one mask for every map",
        do="add the missing files",
    ),
    row(
        "linked-subfolder",
        "a link to a folder among the masks",
        NAMED + "; it is not followed",
        put(masks__v=lambda path: path.symlink_to("..")),
        r"v/ is a link to a folder",
    ),
    row(
        "all-ignored",
        "every pixel of all masks is ignored",
        "it says so, and nothing is written",
        put(masks__a_dot_png=void(9), masks__b_dot_png=void(9)),
        "the value 9, which is ignored",
        "no pixel of the masks in masks counts; nothing was written",
        "pixels of other values",
        "--ignore",
        judging(ignore=9),
    ),
    row(
        "no-folder",
        "a folder of maps that does not exist",
        "it is named",
        put(),
        "masks2: no such folder",
        "there are no maps, or no masks, to read",
        "a folder of maps and one of masks",
        call=judging(mask="masks2"),
    ),
    row(
        "folder-is-a-file",
        "a file in the place of the folder of masks",
        "it is named",
        put(notes=b""),
        "notes: not a folder",
        "there are no maps, or no masks, to read",
        "a folder",
        call=judging(mask="notes"),
    ),
    row(
        "empty-folder",
        "a folder without a mask",
        "it is named, with the suffixes",
        put(),
        r"empty: no file with one of the suffixes \.png",
        "there are no maps, or no masks, to read",
        "a folder",
        "--ood",
        lambda folder: (Path("empty").mkdir(), judging(mask="empty")(folder)),
    ),
    row(
        "huge-resamples",
        "`--resamples 1000000000000`",
        "the largest number is named",
        put(),
        "1,000,000,000,000",
        "--resamples cannot be used",
        "0 to 100,000",
        "--resamples 1000",
        lambda folder: run("judge", "--pred", "maps", "--mask", "masks", "--out", "o", "--resamples", str(10**12)),
    ),
    row(
        "infinite-border",
        "`--border inf`",
        "what it may be is named",
        put(),
        "inf",
        "--border cannot be used",
        "0 or more pixels",
        "--border 5",
        lambda folder: run("judge", "--pred", "maps", "--mask", "masks", "--out", "o", "--border", "inf"),
    ),
    row(
        "out-calibrated",
        "`--out` of `judge` is a folder that `calibrate` wrote",
        "it is refused before anything is computed: numbers of other maps would be beside its maps",
        put(results__calibrator_dot_json=b"{}"),
        "results/calibrator.json, of calibrate",
        "--out results holds results of another command",
        "a new folder",
        "another --out",
        judging(),
    ),
    row(
        "out-busy",
        "`--out` of `judge` is written into by another command",
        "it is refused before anything is computed",
        put(results___dot_lock=hold),
        BUSY["found"],
        "another command is writing into results",
        BUSY["expected"],
        BUSY["do"],
        judging(),
    ),
    row(
        "long-out",
        "an `--out` of 300 letters",
        "it is named",
        put(),
        "File name too long",
        "x{300} cannot be made",
        "a folder that can be made",
        "name another folder",
        judging(out="x" * 300),
    ),
    row(
        "bins",
        "a number of bins that levels cannot be dealt into",
        "those that can are named",
        put(),
        "11",
        "bins",
        call=judging(bins=11),
    ),
    row(
        "one-folder",
        "`--pred` and `--mask` are the same folder",
        "it is refused: they would agree in every pixel",
        put(),
        "maps",
        "maps and masks are the same folder",
        "a folder of maps and one of masks",
        "name the other",
        call=judging(mask="maps"),
    ),
    row(
        "groups-pattern",
        "a pattern of groups that does not fit all names",
        "those that do not are named",
        put(),
        "- a",
        "fits not all image names",
        do="csv file",
        call=judging(groups="^(b)"),
    ),
    row(
        "mask-of-255",
        "a mask of 0 and 255 counted by `TwoClassStatistic.add`",
        "it is refused: 255 may be the object or ignored",
        put(),
        r"\[0, 255\]",
        "the mask of photo-7 has no foreground, and 255 may be it",
        "1 for foreground",
        r"mask > 127.*ignore=255",
        adding(np.uint8(255 * DISC)),
    ),
    row(
        "grey-mask",
        "a grey mask counted by `TwoClassStatistic.add`",
        "it is refused",
        put(),
        r"\[0, 7\]",
        "the mask of photo-7 has unknown labels",
        "0 background, 1 foreground",
        "mask > 127",
        adding(np.uint8(7 * DISC)),
    ),
    row(
        "statistic-cut-off",
        "a truncated statistic",
        "it is named, and how to make it again",
        cut_statistic,
        "BadZipFile",
        UNREADABLE,
        "a file that `evaluate`",
        "remove it",
        loading,
    ),
    row(
        "statistic-claims",
        "a statistic whose header claims 8 GB",
        "it is refused before memory is taken",
        claiming,
        "ids.npy is for 8,589,934,592 bytes",
        UNREADABLE,
        "a file that `evaluate`",
        "remove it",
        loading,
    ),
    row(
        "statistic-without-rows",
        "a statistic whose rows are of other images",
        "it is named",
        rewritten(raw_table=lambda of: of[:0]),
        "rows of raw are not those of 1 images",
        UNREADABLE,
        call=loading,
    ),
    row(
        "statistic-level",
        "a statistic with a level that does not exist",
        "it is named",
        rewritten(raw_count_at=lambda of: of + 90_000),
        "out of bounds",
        UNREADABLE,
        call=loading,
    ),
    row(
        "risk-without-objects",
        "`--risk fnr` of maps without masks",
        "refused before anything is computed",
        put(),
        what="--risk fnr=0.5 needs masks",
        do="--risk fpr",
        call=judging(mask=None, risk="fnr=0.5"),
    ),
    row(
        "risk-classes",
        "`--risk` with maps of several classes",
        "refused before anything is computed",
        put(
            maps__a_dot_npy=np.full((3, 24, 32), 1 / 3, np.float32),
            maps__b_dot_npy=np.full((3, 24, 32), 1 / 3, np.float32),
        ),
        "maps of 3 classes in maps",
        "--risk is for maps of one object",
        do="leave out --risk",
        call=judging(risk="fnr=0.5"),
    ),
    row("statistic-missing", "no statistic", "it is named", put(), "No such file", UNREADABLE, call=loading),
]


test_it_is_refused = refusals(ROWS)


@pytest.mark.parametrize("name", ["a.npy", "b.png"])
def test_a_read_error_of_the_disk_names_the_file(name, tmp_path, monkeypatch):
    put()(tmp_path)
    monkeypatch.chdir(tmp_path)
    error = OSError(errno.EIO, os.strerror(errno.EIO))

    def fails(path, *_, **__):
        raise error

    target = (np, "load") if name == "a.npy" else (Path, "read_bytes")
    monkeypatch.setattr(*target, fails)
    with pytest.raises(UserError, match=rf"{name}.*: .*Input/output error"):
        judging()(tmp_path)


def test_a_larger_limit_can_be_given(tmp_path, monkeypatch):
    put()(tmp_path)
    monkeypatch.chdir(tmp_path)
    judging(max_pixels=768)(tmp_path)
    with pytest.raises(
        UserError, match=r"a\.png, b\.png: the file has 32 x 24 pixels(.|\n)*a larger value of --max-pixels"
    ):
        judging(max_pixels=767)(tmp_path)


def test_ignored_pixels_are_counted_when_they_are_named(tmp_path):
    statistic = TwoClassStatistic.empty()
    statistic.add(P, np.uint8(255 * DISC), "a", ignore=255)
    assert statistic.raw.pixels == (~DISC).sum()
    statistic.add(P, np.where(DISC, 1, 255).astype(np.uint8), "b")
    assert statistic.raw.pixels == DISC.size
