"""Input that `judge` and `calibrate` refuse: one row per branch, with the names that the error has to hold."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from pipeline_src.errors import UserError
from pipeline_src.maps.calibrate import calibrate_folder
from pipeline_src.maps.judge import judge_folder

Y, X = np.mgrid[:24, :32]
DISC = np.hypot(Y - 12, X - 14) < 7
P = np.where(DISC, 0.8, 0.3).astype(np.float32)
MASK = np.uint8(255 * DISC)
LABELS = np.uint8(DISC * (1 + (X > 14)))
THREE = np.float32([0.1, 0.2, 0.7])[(np.arange(3)[:, None, None] - LABELS - 1) % 3]
TWO_OF_THREE = {"maps/a.npy": THREE, "maps/b.npy": THREE, "masks/a.png": LABELS, "masks/b.png": LABELS}
RECORD = {
    "version": 1,
    "calibrator": "temperature",
    "classes": 2,
    "parameters": {"temperature": 2.0},
    "fitted_on": {"images": 1, "pixels": 1, "nll_before": 0.1, "nll_after": 0.1},
}


def save(path: Path, content: object) -> None:
    """Write a file: bytes, an array by the suffix, or what a function writes; None removes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        path.unlink(missing_ok=True)
    elif callable(content):
        content(path)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    elif path.suffix == ".npy":
        np.save(path, content)
    else:
        cv2.imwrite(str(path), content)


def make(folder: Path, files: dict[str, object]) -> None:
    """Two good pairs a and b, and further or other files; a map or mask replaces the one of its stem."""
    for stem in "ab":
        save(folder / f"maps/{stem}.npy", P)
        save(folder / f"masks/{stem}.png", MASK)
    for name, content in files.items():
        save(folder / name, content)


def picture(image: Image.Image, **options) -> Callable[[Path], None]:
    return lambda path: image.save(path, **options)


def turned() -> Callable[[Path], None]:
    exif = Image.Exif()
    exif[274] = 3
    return picture(Image.fromarray(MASK), exif=exif)


def npz(*arrays: np.ndarray) -> Callable[[Path], None]:
    return lambda path: np.savez(path, *arrays)


def calibrator(**changes) -> dict[str, object]:
    return {"calibrator.json": json.dumps(RECORD | changes).encode()}


VOID = np.full(P.shape, 9, np.uint8)
VOIDED = {void: np.where(X < 3, void, LABELS).astype(np.uint8) for void in (9, 255)}
SIX = np.concatenate([THREE, THREE]) / 2
LAST, GAP = THREE.transpose(1, 2, 0), LABELS + (LABELS > 0)
IDS = np.uint8(DISC)
INVALID = {"calibrator": Path("calibrator.json")}
JUDGE = [  # name, files, options, names in the error
    ("no folder", {}, {"mask": "nowhere"}, ["nowhere"]),
    ("an empty folder", {"empty/notes.txt": b""}, {"mask": "empty"}, ["empty", ".png"]),
    ("one folder for both", {}, {"mask": "maps"}, ["maps"]),
    ("no mask", {"maps/c.npy": P}, {}, ["c.npy: no mask"]),
    ("no map", {"masks/c.png": MASK}, {}, ["c.png: no prediction map"]),
    ("no mask in a subfolder", {"maps/v/c.npy": P}, {}, ["v/c.npy: no mask"]),
    ("no pair at all", {"maps/a.npy": None, "maps/b.npy": None, "maps/a_sal.npy": P}, {}, ["a_sal.npy", "name"]),
    ("two maps of one stem", {"maps/a.png": MASK}, {}, ["a.npy and a.png"]),
    ("half an array", {"maps/b.npy": b"\x93NUMPY"}, {}, ["b.npy"]),
    ("two arrays", {"maps/b.npy": None, "maps/b.npz": npz(P, P)}, {}, ["b.npz: 2 arrays"]),
    ("text as picture", {"masks/b.png": b"no picture"}, {}, ["b.png"]),
    ("logits", {"maps/b.npy": 8 * P - 4}, {}, ["b.npy", "sigmoid"]),
    ("logits of classes", TWO_OF_THREE | {"maps/b.npy": 8 * THREE - 4}, {}, ["b.npy", "softmax"]),
    ("NaN", {"maps/b.npy": P * np.nan}, {}, ["b.npy", "nan"]),
    ("whole numbers", {"maps/b.npy": np.int64(DISC)}, {}, ["b.npy", "int64"]),
    ("one axis", {"maps/b.npy": P[0]}, {}, ["b.npy", "(32,)"]),
    ("rotated", {"maps/b.npy": P.T}, {}, ["b.npy", "32 x 24"]),
    ("nearly square and rotated", {"maps/b.npy": P[:, :23], "masks/b.png": MASK[:, :23].T}, {}, ["b.npy", "24 x 23"]),
    ("a color picture", {"masks/b.png": np.dstack([MASK, IDS, MASK])}, {}, ["b.png", "color"]),
    ("transparent", {"masks/b.png": cv2.merge([IDS * 0] * 3 + [MASK])}, {}, ["b.png", "transparent"]),
    ("two pages", {"masks/b.png": None, "masks/b.tif": lambda p: cv2.imwritemulti(str(p), [MASK] * 2)}, {}, ["b.tif"]),
    ("to be turned", {"masks/b.png": turned()}, {}, ["b.png", "3"]),
    ("decisions as uint8", {"maps/a.npy": IDS, "maps/b.npy": IDS}, {}, ["maps", "255 * probability"]),
    ("8 bits in 16", {"maps/a.npy": np.uint16(255 * P), "maps/b.npy": np.uint16(255 * P)}, {}, ["uint16"]),
    ("another object", {"masks/a.png": 3 * IDS, "masks/b.png": 3 * IDS}, {}, ["3 (a.png)", "mask == 3"]),
    (
        "void of ids",
        {"masks/a.png": IDS, "masks/b.png": np.where(X < 3, 255, IDS)},
        {},
        ["255 (b.png)", "--ignore 255"],
    ),
    ("two encodings", {"masks/b.png": IDS}, {}, ["1 (b.png)", "255 (a.png)"]),
    ("mask beyond 255", {"masks/b.png": None, "masks/b.npy": np.float32(300 * DISC)}, {}, ["b.npy", "300"]),
    ("JPEG ids", {"masks/b.png": None, "masks/b.jpg": IDS, "masks/a.png": IDS}, {}, ["b.jpg", "PNG"]),
    ("JPEG void", {"masks/b.png": None, "masks/b.jpg": MASK}, {"ignore": 128}, ["b.jpg", "--ignore 128"]),
    ("ignore of the object", {}, {"ignore": 255}, ["--ignore 255"]),
    ("ignore without masks", {}, {"ignore": 7, "mask": None}, ["--ignore"]),
    ("all ignored", {"masks/a.png": VOID, "masks/b.png": VOID}, {"ignore": 9}, ["masks", "9"]),
    ("classes and one object", TWO_OF_THREE | {"maps/b.npy": P}, {}, ["b.npy", "(3, "]),
    ("classes last", TWO_OF_THREE | {"maps/b.npy": LAST}, {}, ["b.npy", ".transpose(2, 0, 1)"]),
    ("sums below 1", TWO_OF_THREE | {"maps/b.npy": THREE / 2}, {}, ["b.npy", "0.5"]),
    ("ids beyond", TWO_OF_THREE | {"masks/b.png": LABELS + 2}, {}, ["b.png", "2 to 4"]),
    ("an unnamed void", TWO_OF_THREE | {"masks/b.png": VOIDED[9]}, {}, ["b.png", "9", "--ignore"]),
    ("JPEG class ids", TWO_OF_THREE | {"masks/b.png": None, "masks/b.jpg": LABELS}, {}, ["b.jpg"]),
    (
        "ids as floats",
        TWO_OF_THREE | {"masks/b.png": None, "masks/b.npy": np.float32(LABELS)},
        {},
        ["b.npy", "float32"],
    ),
    ("classes without masks", TWO_OF_THREE, {"mask": None}, ["--mask"]),
    ("classes normalized", TWO_OF_THREE, {"protocols": ("stretched",)}, ["--protocol raw"]),
    ("bins", {}, {"bins": 11}, ["11", "10"]),
    ("groups", {}, {"groups": "^(b)"}, ["^(b)", "- a"]),
    ("risk without objects", {}, {"risk": "fnr=0.5", "mask": None}, ["--risk fnr=0.5", "fpr"]),
    ("risk of classes", TWO_OF_THREE, {"risk": "fnr=0.5"}, ["--risk", "3 classes"]),
    ("risk of few images", {}, {"risk": "fpr=0.05"}, ["--risk fpr=0.05", "19"]),
    ("out is read", {}, {"out": "maps"}, ["maps"]),
    ("out calibrated", {"out/calibrator.json": b"{}"}, {"out": "out"}, ["calibrator.json", "calibrate"]),
    ("half a calibrator", {"calibrator.json": b'{"version": 1'}, INVALID, ["calibrator.json"]),
    ("an unknown calibrator", calibrator(calibrator="plat"), INVALID, ["calibrator.json", "'platt'"]),
    ("a wrong parameter", calibrator(parameters={"temperature": -1}), INVALID, ["calibrator.json", "temperature"]),
    ("fitted to three classes", calibrator(classes=3), INVALID, ["calibrator.json", "3 classes"]),
]
OTHER = {"other/c.npy": P}
FIT_CLASSES = TWO_OF_THREE | {"other/c.npy": THREE}
CALIBRATE = [
    ("unknown method", {}, {"method": "temprature"}, ["temprature", "'temperature'"]),
    ("method of classes", {}, {"method": "dirichlet"}, ["dirichlet", "2 classes"]),
    ("no applied map", {"other/c.npy": None}, {}, ["other"]),
    ("applied text", {"other/c.npy": b"text"}, {"method": "platt"}, ["c.npy"]),
    ("applied classes", {"other/c.npy": THREE}, {"method": "platt"}, ["c.npy", "(3, "]),
    (
        "applied classes last",
        FIT_CLASSES | {"other/c.npy": LAST},
        {"method": "platt"},
        ["c.npy", "transpose"],
    ),
    ("applied sigmoids", FIT_CLASSES | {"other/c.npy": 0 * THREE + 0.5}, {"method": "platt"}, ["c.npy", "1.5"]),
    ("test mask missing", {}, {"test_mask": "masks"}, ["c.npy"]),
    ("scored on the fitted", {}, {"apply": "maps", "test_mask": "masks"}, ["--test-mask", "maps"]),
    ("one image", {"maps/b.npy": None, "masks/b.png": None}, {}, ["1 image"]),
    ("no object", {"masks/a.png": 0 * MASK, "masks/b.png": 0 * MASK}, {}, ["masks", "background"]),
    ("bins", {}, {"bins": 7}, ["7"]),
    ("unknown risk", {}, {"risk": "fnn=0.1"}, ["fnn=0.1", "'fnr'"]),
    ("out is applied", {}, {"out": "other"}, ["other"]),
    ("out/maps is read", {}, {"out": "."}, ["- maps"]),
    ("out/maps of the user", {"out/maps/mine.png": b"mine"}, {}, ["out/maps"]),
    ("out judged", {"out/metrics.json": b"{}"}, {}, ["metrics.json", "judge"]),
    ("out is a file", {"out": b""}, {}, ["out"]),
]


def refused(folder: Path, names: list[str], call: Callable[[], object]) -> None:
    earlier = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(UserError) as error:
        call()
    assert not [name for name in names if name not in str(error.value)], str(error.value)
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"}
    assert after == earlier


@pytest.mark.parametrize(("files", "options", "names"), [row[1:] for row in JUDGE], ids=[row[0] for row in JUDGE])
def test_judge_refuses(files, options, names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(tmp_path, files)
    options = {"mask": "masks", "out": "results", "resamples": 0, "whole_maps": False} | options
    mask, out = options.pop("mask"), Path(options.pop("out"))
    refused(tmp_path, names, lambda: judge_folder(Path("maps"), mask and Path(mask), "net", out, **options))


@pytest.mark.parametrize(
    ("files", "options", "names"), [row[1:] for row in CALIBRATE], ids=[row[0] for row in CALIBRATE]
)
def test_calibrate_refuses(files, options, names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(tmp_path, OTHER | files)
    options = {"apply": "other", "out": "out", "test_mask": None, "resamples": 0} | options
    paths = {key: options[key] and Path(options.pop(key)) for key in ("apply", "out", "test_mask")}
    options = {key: value for key, value in options.items() if key not in paths}
    refused(tmp_path, names, lambda: calibrate_folder(Path("maps"), Path("masks"), **paths, **options))


def test_all_problems_are_named_at_once(tmp_path):
    make(tmp_path, {"maps/a.npy": 2 * P, "masks/b.png": b"text", "maps/c.npy": P})
    with pytest.raises(UserError, match=r"3 file\(s\)") as error:
        judge_folder(tmp_path / "maps", tmp_path / "masks", "net", tmp_path / "out")
    assert all(name in str(error.value) for name in ("a.npy", "b.png", "c.npy"))
    assert not (tmp_path / "out").exists()


def test_a_read_error_of_the_disk_names_the_file(tmp_path, monkeypatch):
    make(tmp_path, {})

    def fails(path: Path) -> bytes:
        raise OSError(5, os.strerror(5))

    monkeypatch.setattr(Path, "read_bytes", fails)
    with pytest.raises(UserError, match=r"a\.png"):
        judge_folder(tmp_path / "maps", tmp_path / "masks", "net", tmp_path / "out")
