"""What `predict` and `export` refuse."""

from __future__ import annotations

import json
import shutil
from functools import cache, partial
from pathlib import Path
from tempfile import mkdtemp

import cv2
import exported_folders
import numpy as np
import pytest
import torch
from bad_input import BUSY, BadInput, check, hold, run
from project import ROOT
from safetensors.torch import save_file

from pipeline_src.errors import UserError
from pipeline_src.export.onnx_file import check_installed
from pipeline_src.files import sha256

REFUSED = "refused"
PREDICT = ("predict", "--images", "photos", "--out", "maps")
FOLDER = (*PREDICT, "--weights", "net")


@cache
def folder(classes: int = 2) -> Path:
    """An exported folder, made once."""
    made = Path(mkdtemp()) / "net"
    exported_folders.write(made, exported_folders.predictor(classes))
    return made


def make(where: Path, classes: int = 2) -> None:
    """A project that was never run, images, and an exported folder."""
    shutil.copy(ROOT / "params.yaml", where)
    (where / "photos").mkdir()
    for name in "ab":
        cv2.imwrite(str(where / "photos" / f"{name}.png"), np.full((40, 50, 3), 99, np.uint8))
    shutil.copytree(folder(classes), where / "net")


def and_then(change):
    def made(where: Path) -> None:
        make(where)
        change(where)

    return made


def command(*words: str):
    return lambda where: run(*words)


def changed(name: str, **changes):
    """An exported folder with other values in one of its JSON files."""

    def change(where: Path) -> None:
        file = where / "net" / name
        content = json.loads(file.read_text()) if file.exists() else exported_folders.record()
        file.write_text(json.dumps(content | changes))

    return and_then(change)


def written(name: str, content: str | bytes):
    def change(where: Path) -> None:
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return and_then(change)


def remove(name: str):
    return and_then(lambda where: (where / name).unlink())


def with_code(where: Path) -> None:
    file = where / "net/network.py"
    file.write_text(file.read_text() + "\n\nimport os\n\nos.mkdir('made')\n")


def cut_off(where: Path) -> None:
    file = where / "net/model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def flipped(name: str):
    """A file of the exported folder with one bit flipped, near its end; a digit of it where it is JSON."""

    def change(where: Path) -> None:
        data = bytearray((where / "net" / name).read_bytes())
        place = data.index(b"32") if name.endswith(".json") else len(data) - 10
        data[place] ^= 1
        (where / "net" / name).write_bytes(data)

    return and_then(change)


def of_before(**changes):
    """An exported folder with foreign weights or, if there are any, changes of preprocessing.json, hashed anew."""

    def change(where: Path) -> None:
        if changes:
            file = where / "net/preprocessing.json"
            file.write_text(json.dumps(json.loads(file.read_text()) | changes))
        else:
            save_file({"mine": torch.zeros(3)}, where / "net/model.safetensors")
        names = [path.name for path in (where / "net").iterdir() if path.name != "SHA256SUMS"]
        lines = [f"{sha256(where / 'net' / name)}  {name}\n" for name in names]
        (where / "net/SHA256SUMS").write_text("".join(lines))

    return and_then(change)


def calibrated_folder(where: Path) -> None:
    shutil.rmtree(where / "net")
    exported_folders.write(where / "net", exported_folders.predictor(), exported_folders.record())


def calibrator_lost(where: Path) -> None:
    calibrated_folder(where)
    (where / "net/calibrator.json").unlink()


def maps_of_another(where: Path) -> None:
    (where / "maps").mkdir()
    line = {"map": "a.png", "model": "other", "made_by": "x", "image": "x", "content": "x"}
    (where / "maps/maps.jsonl").write_text(json.dumps(line) + "\n")


def maps_as_png(where: Path) -> None:
    maps_of_another(where)
    file = where / "maps/maps.jsonl"
    file.write_text(file.read_text().replace('"other"', '"net"'))
    (where / "maps/a.png").write_bytes(b"")


def calibrated_twice(where: Path) -> None:
    calibrated_folder(where)
    (where / "calibrator.json").write_text(json.dumps(exported_folders.record()))


row = partial(BadInput, make=make, happens=REFUSED)  # of a project with an exported folder, if not said otherwise
LONG = 82 * "\u56fe"

ROWS = [
    row(
        "nothing_predicts",
        "`predict` without a run or a folder",
        command(*PREDICT),
        "either --run or --weights",
        do="--run EXPERIMENT/METHOD/seedN",
    ),
    row(
        "run_form",
        "`--run` that is not the name of a run",
        command(*PREDICT, "--run", "tiny"),
        "--run tiny is not the name of a run",
        "tiny",
        "EXPERIMENT/METHOD/seedN",
        "plan",
        happens="refused; the form of names is shown",
    ),
    row(
        "run_experiment",
        "`--run` of an experiment that there is not",
        command(*PREDICT, "--run", "tniy/baseline/seed0"),
        "no experiment 'tniy'",
        expected="demo, tiny",
        do="did you mean 'tiny'",
        happens="refused, with the nearest name",
    ),
    row(
        "run_method",
        "`--run` of a method that the experiment does not have",
        command(*PREDICT, "--run", "tiny/baselin/seed0"),
        "tiny has no job train/baselin/seed0",
        expected="train/baseline/seed0",
        do="did you mean 'train/baseline/seed0'",
        happens="refused, with the nearest run",
    ),
    row(
        "run_unfinished",
        "`--run` of a run that was never trained",
        command(*PREDICT, "--run", "tiny/aslp_mc/seed0"),
        "the run tiny/aslp_mc/seed0 is not finished",
        "train/aslp_mc/seed0: not made yet",
        "today's parameters",
        "snakemake --cores all --config experiment=tiny",
        happens="refused; what is missing and the command that makes it are named",
    ),
    row(
        "folder_missing",
        "`--weights` names no folder",
        command(*PREDICT, "--weights", "nte"),
        "nte is not an exported folder",
        "no such folder",
        "`export` wrote",
        "export --run",
    ),
    row(
        "folder_incomplete",
        "an exported folder without one of its files",
        command(*FOLDER),
        "net is not an exported folder",
        r"no network\.py",
        "`export` wrote",
        "export --run",
        make=remove("net/network.py"),
        happens="refused; the file is named",
    ),
    row(
        "folder_without_hashes",
        "an exported folder that has lost SHA256SUMS",
        command(*FOLDER),
        "net is not an exported folder",
        "no SHA256SUMS",
        "`export` wrote",
        "export --run",
        make=remove("net/SHA256SUMS"),
        happens="refused: nothing says that its files are those that were exported",
    ),
    row(
        "folder_with_code",
        "an exported folder whose network.py holds other code than torch's operators",
        command(*FOLDER),
        r"network\.py is not run",
        "line [0-9]+: import os|line [0-9]+: os.mkdir",
        r"torch\.ops\.aten alone",
        "export the network again",
        make=and_then(with_code),
        happens="refused; the line is named, and nothing of it is run",
    ),
    row(
        "folder_weights",
        "an exported folder whose weights were cut off",
        command(*FOLDER),
        r"model\.safetensors can't be read",
        expected="safetensors",
        do="export the run again",
        make=and_then(cut_off),
        happens="refused; the file is named",
    ),
    row(
        "folder_weights_flipped",
        "an exported folder with a flipped bit in a weight",
        command(*FOLDER),
        r"net/model\.safetensors is not the file that was exported",
        "sha256 [0-9a-f]{64}",
        "sha256 [0-9a-f]{64}, as SHA256SUMS says",
        "export the run again",
        make=flipped("model.safetensors"),
        happens="refused; the file and both hashes are named",
    ),
    row(
        "folder_size_flipped",
        "an exported folder with another digit in preprocessing.json",
        command(*FOLDER),
        r"net/preprocessing\.json is not the file that was exported",
        "sha256",
        "sha256",
        make=flipped("preprocessing.json"),
        happens="the same",
    ),
    row(
        "folder_calibrator_lost",
        "an exported folder that has lost its calibrator",
        command(*FOLDER),
        r"net/calibrator\.json is not the file that was exported",
        "the file is missing",
        "sha256",
        make=and_then(calibrator_lost),
        happens="the same: its maps would not be calibrated",
    ),
    row(
        "folder_foreign_weights",
        "a folder with a file of safetensors of another network, hashed anew",
        command(*FOLDER),
        r"net/model\.safetensors does not go with network\.py",
        "KeyError",
        "for 2 classes",
        "export the run again",
        make=of_before(),
        happens="refused before anything is predicted",
    ),
    row(
        "folder_other_classes",
        "the same with another number of classes in preprocessing.json",
        command(*FOLDER),
        r"net/model\.safetensors does not go with network\.py and preprocessing\.json",
        "logits of 1 channels",
        "for 5 classes",
        make=of_before(classes=5),
        happens="the same",
    ),
    row(
        "folder_json",
        "a preprocessing.json that is no JSON",
        command(*FOLDER),
        r"preprocessing\.json cannot be read",
        "Expecting",
        "JSON",
        "export the run again",
        make=written("net/preprocessing.json", "{"),
        happens="refused; the file is named",
    ),
    row(
        "folder_key",
        "a preprocessing.json with a wrong value",
        command(*FOLDER),
        r"preprocessing\.json.*(.|\n)*image_size: expected a whole number",
        make=changed("preprocessing.json", image_size="small"),
        happens="refused; file and key are named",
    ),
    row(
        "folder_calibrator",
        "an exported folder with a calibrator of another number of classes",
        command(*FOLDER),
        r"net/calibrator\.json was fitted to maps of 3 classes",
        r"2 classes in net/preprocessing\.json",
        "as many classes",
        "export the run again",
        make=changed("calibrator.json", classes=3),
        happens="refused; both files are named",
    ),
    row(
        "images_missing",
        "`--images` names nothing",
        command("predict", "--images", "phtos/*.png", "--out", "maps", "--weights", "net"),
        r"--images phtos/\*\.png: there are no images",
        "nothing at",
        "a folder, or a pattern",
        "correct the path",
    ),
    row(
        "images_empty",
        "`--images` names an empty folder",
        command("predict", "--images", "none", "--out", "maps", "--weights", "net"),
        "--images none: there are no images",
        "an empty folder, /",
        r"\.jpg",
        "put images into the folder",
        make=and_then(lambda where: (where / "none").mkdir()),
    ),
    row(
        "images_of_other_kinds",
        "`--images` names files that are no images",
        command("predict", "--images", "notes", "--out", "maps", "--weights", "net"),
        "--images notes: there are no images",
        "1 files of other kinds",
        r"\.jpg",
        make=written("notes/a.txt", "x"),
    ),
    row(
        "images_of_one_name",
        "two images that would have the same map",
        command(*FOLDER),
        r"the same map(.|\n)*photos/a\.jpg, photos/a\.png",
        expected="one image of each name",
        do="rename them",
        make=written("photos/a.jpg", "x"),
        happens="refused; all such images are named",
    ),
    row(
        "image_name_long",
        "an image whose name has 82 Chinese letters",
        command(*FOLDER),
        rf"maps of 1 images cannot be written(.|\n)*photos/{LONG}\.jpg: its map has a name of 250 bytes; at most 245",
        expected="shorter names",
        do="rename them",
        make=written(f"photos/{LONG}.jpg", "x"),
        happens="refused; all such images are named",
    ),
    row(
        "image_broken",
        "an image that cannot be read",
        command(*FOLDER),
        r"1 of 2 images cannot be used(.|\n)*photos/a\.png cannot be decoded",
        expected="whole image files",
        do="get them again",
        make=written("photos/a.png", "x"),
        happens="refused before anything is predicted; all such images are named",
    ),
    row(
        "image_of_32_bits",
        "a TIFF of 32-bit values",
        command(*FOLDER),
        r"1 of 3 images cannot be used(.|\n)*photos/c\.tif has values of 32 bits",
        expected="8 or 16 bits",
        do="get them again",
        make=written("photos/c.tif", cv2.imencode(".tif", np.zeros((64, 64), np.float32))[1].tobytes()),
        happens="the same",
    ),
    row(
        "image_of_two_pages",
        "a TIFF of two pages",
        command(*FOLDER),
        r"1 of 3 images cannot be used(.|\n)*photos/c\.tif holds several pictures",
        expected="whole image files",
        do="by a pattern",
        make=written("photos/c.tif", cv2.imencodemulti(".tif", [np.zeros((64, 64), np.uint8)] * 2)[1].tobytes()),
        happens="the same",
    ),
    row(
        "image_too_large",
        "an image larger than `--max-pixels`",
        command(*FOLDER, "--max-pixels", "100"),
        r"2 of 2 images cannot be used(.|\n)*the limit is 100",
        happens="refused before it is decoded; all such images are named",
    ),
    row(
        "format_unknown",
        "`--format` that there is not",
        command(*FOLDER, "--format", "jpg"),
        "unknown --format",
        "jpg",
        "png8, png16, npy",
        "--format png16",
    ),
    row(
        "format_of_others",
        "`--format npy` into a folder with maps as PNG, or the other way round",
        command(*FOLDER, "--format", "npy"),
        r"--out maps has maps in another format(.|\n)*",
        r"a\.png",
        r"\.npy maps alone: --format npy",
        "another --out",
        make=and_then(maps_as_png),
        happens="refused: each image would have two maps",
    ),
    row(
        "format_of_classes",
        "PNG maps of several classes",
        command(*FOLDER, "--format", "png8"),
        "cannot be PNG files",
        "3 classes",
        "npy",
        "--format npy",
        make=lambda where: make(where, 3),
    ),
    row(
        "calibrated_twice",
        "`--calibrator` for a folder that has one",
        command(*FOLDER, "--calibrator", "calibrator.json"),
        "calibrated already",
        "net by temperature",
        "without a calibrator",
        "leave out --calibrator",
        make=and_then(calibrated_twice),
    ),
    row(
        "calibrator_classes",
        "`--calibrator` of another number of classes",
        command(*FOLDER, "--calibrator", "calibrator.json"),
        r"calibrator\.json was fitted to maps of 3 classes",
        "2 classes in net",
        "as many classes",
        "fit one",
        make=written("calibrator.json", json.dumps(exported_folders.record(classes=3))),
    ),
    row(
        "calibrator_missing",
        "`--calibrator` names no file",
        command(*FOLDER, "--calibrator", "calibrator.json"),
        r"calibrator\.json is not a calibrator's file",
        "No such file",
    ),
    row(
        "out_has_images",
        "`--out` is the folder of images",
        command("predict", "--images", "photos", "--out", "photos", "--weights", "net"),
        "--out photos is, or holds, what is read: results would be mixed",
        "- photos",
        "a new folder",
        "another --out",
        happens="refused: maps would be mixed with them",
    ),
    row(
        "out_below_a_file",
        "`--out` of `predict` is a file, or below one",
        command(*PREDICT[:-1], "maps/new", "--weights", "net"),
        "maps cannot be a folder, and what is made belongs into maps/new",
        "a file",
        "a folder",
        "move maps away",
        make=written("maps", ""),
    ),
    row(
        "out_of_another_model",
        "`--out` has maps of another model",
        command(*FOLDER),
        "--out maps holds results of another model than net",
        "- other",
        "a new folder",
        "another --out",
        make=and_then(maps_of_another),
        happens="refused: maps of two models would be mixed",
    ),
    row(
        "out_of_the_user",
        "`--out` has files of the maps' names that `predict` did not write",
        command(*FOLDER),
        "--out maps holds what predict did not write",
        r"- a\.png",
        "a new folder",
        "another --out",
        make=written("maps/a.png", "mine"),
        happens="refused: they would be overwritten",
    ),
    row(
        "out_busy",
        "`--out` of `predict` is written into by another command",
        command(*FOLDER),
        "another command is writing into maps",
        **BUSY,
        make=and_then(lambda where: hold(where / "maps/.lock")),
    ),
    row(
        "out_judged",
        "`--out` of `predict` is a folder that `judge` wrote",
        command(*FOLDER),
        "--out maps holds results of another command",
        r"- maps/metrics\.json, of judge",
        "a new folder",
        "another --out",
        make=written("maps/metrics.json", "{}"),
    ),
    row(
        "export_busy",
        "`--out` of `export` is written by another command",
        command("export", "--run", "tiny/baseline/seed0", "--out", "new"),
        "another command is writing into new",
        **BUSY,
        make=and_then(lambda where: hold(where / ".new.lock")),
    ),
    row(
        "export_without_run",
        "`export` without a run",
        command("export", "--out", "new"),
        "export needs --run",
        do="--run EXPERIMENT/METHOD/seedN",
    ),
    row(
        "export_unfinished",
        "`export` of a run that was never trained",
        command("export", "--run", "tiny/baseline/seed0", "--out", "new", "--no-onnx"),
        "the run tiny/baseline/seed0 is not finished",
        "train/baseline/seed0: not made yet",
        do="snakemake",
        happens="refused; what is missing and the command that makes it are named",
    ),
    row(
        "export_over_others",
        "`export` into a folder that it did not write",
        command("export", "--run", "tiny/baseline/seed0", "--out", "photos"),
        "--out photos holds what export did not write",
        r"- a\.png",
        "a new folder",
        "another --out",
        happens="refused: its files would be removed",
    ),
    row(
        "export_to_a_file",
        "`export` into a file",
        command("export", "--run", "tiny/baseline/seed0", "--out", "new"),
        "new cannot be a folder, and what is made belongs into new/",
        "a file",
        "a folder",
        "move new away",
        make=written("new", ""),
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_it_is_refused(row: BadInput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    check(row, tmp_path)
    there = (
        "format_of_others",
        "out_of_another_model",
        "out_of_the_user",
        "out_below_a_file",
        "out_busy",
        "out_judged",
    )
    assert (tmp_path / "maps").exists() == (row.name in there)
    assert not (tmp_path / "made").exists()


def test_onnx_without_its_libraries(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"found: +no onnx, onnxscript, onnxruntime(.|\n)*pip install onnx"):
        check_installed()
