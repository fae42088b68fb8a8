"""Input that `judge` and `calibrate` refuse: one row per branch, with the names that the error has to hold."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from bad_input import refused

from pipeline_src.errors import UserError
from pipeline_src.maps.calibrate import calibrate_folder
from pipeline_src.maps.judge import judge_folder

Y, X = np.mgrid[:24, :32]
DISC = np.hypot(Y - 12, X - 14) < 7
P = np.where(DISC, 0.8, 0.3).astype(np.float32)
MASK, IDS = np.uint8(255 * DISC), np.uint8(DISC)
LABELS = np.uint8(DISC * (1 + (X > 14)))
THREE = np.float32([0.1, 0.2, 0.7])[(np.arange(3)[:, None, None] - LABELS - 1) % 3]
LAST = THREE.transpose(1, 2, 0)
CLASSES = {"maps/a.npy": THREE, "maps/b.npy": THREE, "masks/a.png": LABELS, "masks/b.png": LABELS}
JPEG = {"a.npy": None, "a.jpg": MASK, "b.npy": None, "b.JPEG": MASK}
NO_MASK = {"mask": None, "logits": True}
VOID = np.full(P.shape, 9, np.uint8)


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


JUDGE = [  # name, files, options, names in the error
    ("no folder", {}, {"mask": "nowhere"}, ["nowhere"]),
    ("an empty folder", {"empty/notes.txt": b""}, {"mask": "empty"}, ["empty", ".png"]),
    ("one folder for both", {}, {"mask": "maps"}, ["maps"]),
    ("no mask", {"maps/v/c.npy": P}, {}, ["v/c.npy: no mask"]),
    ("no map", {"masks/c.png": MASK}, {}, ["c.png: no prediction map"]),
    ("two maps of one stem", {"maps/a.png": MASK}, {}, ["a.npy and maps/a.png"]),
    ("half an array", {"maps/b.npy": b"\x93NUMPY"}, {}, ["b.npy"]),
    ("two arrays", {"maps/b.npy": None, "maps/b.npz": lambda path: np.savez(path, P, P)}, {}, ["b.npz: 2 arrays"]),
    ("text as picture", {"masks/b.png": b"no picture"}, {}, ["b.png"]),
    ("logits", {"maps/b.npy": 8 * P - 4}, {}, ["b.npy", "sigmoid"]),
    ("logits of classes", CLASSES | {"maps/b.npy": 8 * THREE - 4}, {}, ["b.npy", "softmax"]),
    ("NaN", {"maps/b.npy": np.where((Y == 2) & (X > 29), np.nan, P)}, {}, ["b.npy", " 2 NaN", "[2, 30]"]),
    ("infinity", {"maps/b.npy": np.where(DISC, np.inf, P)}, {}, ["b.npy", "infinite", "replace"]),
    ("a batch", {f"maps/{k}.npy": P[None, None] for k in "ab"}, {}, ["(1, 1, 24, 32)", "array[0]"]),
    ("a batch of classes", {f"maps/{k}.npy": THREE[None] for k in "ab"}, {}, ["(1, 3, 24, 32)", "array[0]"]),
    ("a batch of logits", {f"maps/{k}.npy": 8 * P[None, None] for k in "ab"}, NO_MASK, ["(1, 1, 24, 32)"]),
    ("logits last, no masks", {f"maps/{k}.npy": LAST for k in "ab"}, NO_MASK, ["(24, 32, 3)", "np.moveaxis"]),
    ("logits last", CLASSES | {f"maps/{k}.npy": LAST for k in "ab"}, {"logits": True}, ["b.npy", "np.moveaxis"]),
    ("one-hot mask", {"masks/a.png": None, "masks/a.npy": np.stack([~DISC, DISC])}, {}, ["mask.argmax(axis=0)"]),
    (
        "one-hot masks of classes",
        CLASSES
        | {f"masks/{k}.npy": np.uint8(np.arange(3)[:, None, None] == LABELS) for k in "ab"}
        | {"masks/a.png": None, "masks/b.png": None},
        {},
        ["a.npy", "b.npy", "mask.argmax(axis=0)"],
    ),
    ("NaN in logits", {"maps/b.npy": 8 * P - np.where(DISC, np.nan, 4)}, {"logits": True}, ["b.npy", "NaN"]),
    ("integers as logits", {"maps/b.npy": np.uint8(255 * P)}, {"logits": True}, ["b.npy", "uint8"]),
    ("probabilities as logits", {}, {"logits": True}, ["a.npy", "leave out --logits"]),
    ("classes as logits", CLASSES, {"logits": True}, ["a.npy", "leave out --logits"]),
    ("classes as uint8", {f"maps/{k}.npy": np.uint8(255 * THREE) for k in "ab"}, {}, ["uint8", "by 255"]),
    ("16-bit color", {"maps/b.npy": None, "maps/b.png": np.uint16(9 * LAST)}, {}, ["b.png", "16-bit"]),
    ("16-bit color TIFF", {"maps/b.npy": None, "maps/b.tif": np.uint16(9 * LAST)}, {}, ["b.tif", "16-bit"]),
    ("64-bit TIFF", {"maps/b.npy": None, "maps/b.tif": np.float64(P)}, {}, ["b.tif", "32 bits"]),
    ("16-bit mask", {"masks/b.png": np.uint16(65535 * DISC)}, {}, ["b.png", "65535", "257"]),
    ("nothing fits", {}, {"mask": "masks/*.bmp"}, ["masks/*.bmp", "pattern"]),
    ("missing groups", {}, {"groups": "none.csv"}, ["none.csv", "working folder"]),
    ("percent", {"maps/b.npy": 100 * P}, {}, ["b.npy", "percent"]),
    ("percent as uint16", {f"maps/{k}.npy": np.uint16(100 * P) for k in "ab"}, {}, ["80", "percent"]),
    ("JPEG map", {"maps/b.npy": None, "maps/b.jpg": MASK}, {}, ["b.jpg", "JPEG"]),
    ("JPEG maps", {f"maps/{k}": c for k, c in JPEG.items()}, {}, ["a.jpg", "b.JPEG"]),
    ("whole numbers", {"maps/b.npy": np.int64(DISC)}, {}, ["b.npy", "int64"]),
    ("one axis", {"maps/b.npy": P[0]}, {}, ["b.npy", "(32,)"]),
    ("rotated", {"maps/b.npy": P.T}, {}, ["b.npy", "32 x 24"]),
    ("a color picture", {"masks/b.png": np.dstack([MASK, IDS, MASK])}, {}, ["b.png", "color"]),
    ("transparent", {"masks/b.png": cv2.merge([IDS * 0] * 3 + [MASK])}, {}, ["b.png", "transparent"]),
    ("two pages", {"masks/b.png": None, "masks/b.tif": lambda p: cv2.imwritemulti(str(p), [MASK] * 2)}, {}, ["b.tif"]),
    ("decisions as uint8", {"maps/a.npy": IDS, "maps/b.npy": IDS}, {}, ["255 * probability"]),
    ("another object", {"masks/a.png": 3 * IDS, "masks/b.png": 3 * IDS}, {}, ["3 (masks/a.png)", "mask == 3"]),
    ("void of ids", {"masks/a.png": IDS, "masks/b.png": np.where(X < 3, 255, IDS)}, {}, ["b.png)", "--ignore 255"]),
    ("two encodings", {"masks/b.png": IDS}, {}, ["1 (masks/b.png)", "255 (masks/a.png)"]),
    ("mask beyond 255", {"masks/b.png": None, "masks/b.npy": np.float32(300 * DISC)}, {}, ["b.npy", "300"]),
    ("255 of two classes", {f"maps/{k}.npy": np.stack([1 - P, P]) for k in "ab"}, {}, ["--ignore 255"]),
    ("ignore of the object", {}, {"ignore": 255}, ["--ignore 255"]),
    ("all ignored", {"masks/a.png": VOID, "masks/b.png": VOID}, {"ignore": 9}, ["masks", "--ignore"]),
    ("classes and one object", CLASSES | {"maps/b.npy": P}, {}, ["b.npy", "(24, 32)", "3 classes"]),
    ("classes last", CLASSES | {"maps/b.npy": LAST}, {}, ["b.npy", "np.moveaxis(array, -1, 0)"]),
    (
        "all classes last",
        CLASSES | {"maps/a.npy": LAST, "maps/b.npy": LAST[3:]},
        {},
        ["a.npy", "b.npy", "np.moveaxis(array, -1, 0)"],
    ),
    ("sums below 1", CLASSES | {"maps/b.npy": THREE / 2}, {}, ["b.npy", "0.5"]),
    ("ids beyond", CLASSES | {"masks/b.png": LABELS + 2}, {}, ["b.png", "3, 4", "--ignore"]),
    ("JPEG ids", CLASSES | {"masks/b.png": None, "masks/b.jpg": LABELS}, {}, ["b.jpg"]),
    ("ids as floats", CLASSES | {"masks/b.png": None, "masks/b.npy": LABELS + 0.5}, {}, ["b.npy", "0.5", "2.5"]),
    ("bins", {}, {"bins": 11}, ["11", "10"]),
    ("groups", {}, {"groups": "^(b)"}, ["^(b)", "- a"]),
    ("groups of a file", {"groups.csv": b"id,group\nb,1\n"}, {"groups": "groups.csv"}, ["groups.csv", "- a"]),
    ("unknown risk", {}, {"risk": "fnn=0.1"}, ["fnn=0.1", "'fnr'"]),
    ("joint risk of an object", {}, {"risk": "fnr=0.5,joint"}, ["--risk fnr=0.5,joint", "one object"]),
    ("out is read", {}, {"out": "maps"}, ["maps"]),
    ("out is a file", {"out": b"", "masks/b.png": b"text"}, {"out": "out"}, ["--out out", "write permission"]),
    ("out calibrated", {"out/calibrator.json": b"{}"}, {"out": "out"}, ["calibrator.json", "calibrate"]),
]
OTHER = {"other/c.npy": P}
CALIBRATE = [
    ("unknown method", {}, {"method": "temprature"}, ["temprature", "'temperature'"]),
    ("method of two classes", CLASSES | {"other/c.npy": THREE}, {"method": "beta"}, ["beta", "3 classes"]),
    ("no applied map", {"other/c.npy": None}, {}, ["other"]),
    ("applied text", {"other/c.npy": b"text"}, {}, ["c.npy"]),
    ("applied JPEG", {"other/d.jpg": MASK}, {}, ["d.jpg", "JPEG"]),
    ("groups of the masks", {"groups.csv": b"id,group\nb,1\n"}, {"groups": "groups.csv"}, ["groups.csv", "- a"]),
    ("applied classes", {"other/c.npy": THREE}, {}, ["c.npy", "(3, "]),
    ("applied sigmoids", CLASSES | {"other/c.npy": 0 * THREE + 0.5}, {"method": "platt"}, ["c.npy", "0.5 off 1"]),
    ("test mask missing", {}, {"test_mask": "masks"}, ["c.npy"]),
    ("one image", {"maps/b.npy": None, "masks/b.png": None}, {}, ["1 image"]),
    ("no object", {"masks/a.png": 0 * MASK, "masks/b.png": 0 * MASK}, {}, ["masks", "background"]),
    ("out is a file", {"out": b"", "masks/b.png": b"text"}, {"out": "out"}, ["--out out", "write permission"]),
    ("out/maps is read", {}, {"out": "."}, ["- maps"]),
    ("out/maps of the user", {"out/maps/mine.png": b"mine"}, {}, ["out/maps"]),
    ("out judged", {"out/metrics.json": b"{}"}, {}, ["metrics.json", "judge"]),
]


@pytest.mark.parametrize(("files", "options", "names"), [row[1:] for row in JUDGE], ids=[row[0] for row in JUDGE])
def test_judge_refuses(files, options, names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(tmp_path, files)
    options = {"mask": "masks", "out": "results", "resamples": 0} | options
    mask, out = options.pop("mask"), Path(options.pop("out"))
    refused(lambda: judge_folder(Path("maps"), mask and Path(mask), "net", out, **options), *names)


@pytest.mark.parametrize(
    ("files", "options", "names"), [row[1:] for row in CALIBRATE], ids=[row[0] for row in CALIBRATE]
)
def test_calibrate_refuses(files, options, names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(tmp_path, OTHER | files)
    options = {"out": "out", "test_mask": None, "resamples": 0} | options
    out, test_mask = Path(options.pop("out")), options.pop("test_mask")
    options["test_mask"] = test_mask and Path(test_mask)
    folders = Path("maps"), Path("masks"), Path("other"), out
    refused(lambda: calibrate_folder(*folders, **options), *names)


def test_all_problems_are_named_at_once(tmp_path):
    make(tmp_path, {"maps/a.npy": 2 * P, "masks/b.png": b"text"})
    with pytest.raises(UserError, match=r"2 file\(s\)") as error:
        judge_folder(tmp_path / "maps", tmp_path / "masks", "net", tmp_path / "out")
    assert all(name in str(error.value) for name in ("a.npy", "b.png")) and not (tmp_path / "out").exists()
