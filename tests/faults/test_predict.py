"""What `predict` and `export` refuse."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import cv2
import exported_folders
import numpy as np
import pytest
import torch
from bad_input import BadInput, check, run
from project import ROOT
from safetensors.torch import save_file

from pipeline_src.errors import UserError
from pipeline_src.export.onnx_file import check_installed

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
    """An exported folder without hashes, with foreign weights or, if there are any, changes of preprocessing.json."""

    def change(where: Path) -> None:
        (where / "net/SHA256SUMS").unlink()
        if changes:
            file = where / "net/preprocessing.json"
            file.write_text(json.dumps(json.loads(file.read_text()) | changes))
        else:
            save_file({"mine": torch.zeros(3)}, where / "net/model.safetensors")

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


def calibrated_twice(where: Path) -> None:
    calibrated_folder(where)
    (where / "calibrator.json").write_text(json.dumps(exported_folders.record()))


ROWS = [
    BadInput(
        "nothing_predicts",
        "`predict` without a run or a folder",
        REFUSED,
        make,
        command(*PREDICT),
        "either --run or --weights",
        "",
        "",
        "--run EXPERIMENT/METHOD/seedN",
    ),
    BadInput(
        "run_form",
        "`--run` that is not the name of a run",
        "refused; the form of names is shown",
        make,
        command(*PREDICT, "--run", "tiny"),
        "--run tiny is not the name of a run",
        "tiny",
        "EXPERIMENT/METHOD/seedN",
        "plan",
    ),
    BadInput(
        "run_experiment",
        "`--run` of an experiment that there is not",
        "refused, with the nearest name",
        make,
        command(*PREDICT, "--run", "tniy/baseline/seed0"),
        "no experiment 'tniy'",
        "",
        "demo, tiny",
        "did you mean 'tiny'",
    ),
    BadInput(
        "run_method",
        "`--run` of a method that the experiment does not have",
        "refused, with the nearest run",
        make,
        command(*PREDICT, "--run", "tiny/baselin/seed0"),
        "tiny has no job train/baselin/seed0",
        "",
        "train/baseline/seed0",
        "did you mean 'train/baseline/seed0'",
    ),
    BadInput(
        "run_unfinished",
        "`--run` of a run that was never trained",
        "refused; what is missing and the command that makes it are named",
        make,
        command(*PREDICT, "--run", "tiny/aslp_mc/seed0"),
        "the run tiny/aslp_mc/seed0 is not finished",
        "train/aslp_mc/seed0: not made yet",
        "today's parameters",
        "snakemake --cores all --config experiment=tiny",
    ),
    BadInput(
        "folder_missing",
        "`--weights` names no folder",
        REFUSED,
        make,
        command(*PREDICT, "--weights", "nte"),
        "nte is no exported folder",
        "no such folder",
        "`export` wrote",
        "export --run",
    ),
    BadInput(
        "folder_incomplete",
        "an exported folder without one of its files",
        "refused; the file is named",
        remove("net/network.py"),
        command(*FOLDER),
        "net is no exported folder",
        r"no network\.py",
        "`export` wrote",
        "export --run",
    ),
    BadInput(
        "folder_with_code",
        "an exported folder whose network.py holds other code than torch's operators",
        "refused; the line is named, and nothing of it is run",
        and_then(with_code),
        command(*FOLDER),
        r"network\.py is not run",
        "line [0-9]+: import os|line [0-9]+: os.mkdir",
        r"torch\.ops\.aten alone",
        "export the network again",
    ),
    BadInput(
        "folder_weights",
        "an exported folder whose weights were cut off",
        "refused; the file is named",
        and_then(cut_off),
        command(*FOLDER),
        r"model\.safetensors can't be read",
        "",
        "safetensors",
        "export the run again",
    ),
    BadInput(
        "folder_weights_flipped",
        "an exported folder with a flipped bit in a weight",
        "refused; the file and both hashes are named",
        flipped("model.safetensors"),
        command(*FOLDER),
        r"net/model\.safetensors is not the file that was exported",
        "sha256 [0-9a-f]{64}",
        "sha256 [0-9a-f]{64}, as SHA256SUMS says",
        "export the run again",
    ),
    BadInput(
        "folder_size_flipped",
        "an exported folder with another digit in preprocessing.json",
        "the same",
        flipped("preprocessing.json"),
        command(*FOLDER),
        r"net/preprocessing\.json is not the file that was exported",
        "sha256",
        "sha256",
        "",
    ),
    BadInput(
        "folder_calibrator_lost",
        "an exported folder that has lost its calibrator",
        "the same: its maps would not be calibrated",
        and_then(calibrator_lost),
        command(*FOLDER),
        r"net/calibrator\.json is not the file that was exported",
        "the file is missing",
        "sha256",
        "",
    ),
    BadInput(
        "folder_foreign_weights",
        "a folder without hashes, with a file of safetensors of another network",
        "refused before anything is predicted",
        of_before(),
        command(*FOLDER),
        r"net/model\.safetensors does not go with network\.py",
        "KeyError",
        "for 2 classes",
        "export the run again",
    ),
    BadInput(
        "folder_other_classes",
        "the same with another number of classes in preprocessing.json",
        "the same",
        of_before(classes=5),
        command(*FOLDER),
        r"net/model\.safetensors does not go with network\.py and preprocessing\.json",
        "logits of 1 channels",
        "for 5 classes",
        "",
    ),
    BadInput(
        "folder_json",
        "a preprocessing.json that is no JSON",
        "refused; the file is named",
        written("net/preprocessing.json", "{"),
        command(*FOLDER),
        r"preprocessing\.json cannot be read",
        "Expecting",
        "JSON",
        "export the run again",
    ),
    BadInput(
        "folder_key",
        "a preprocessing.json with a wrong value",
        "refused; file and key are named",
        changed("preprocessing.json", image_size="small"),
        command(*FOLDER),
        r"preprocessing\.json.*(.|\n)*image_size: expected a whole number",
        "",
        "",
        "",
    ),
    BadInput(
        "folder_calibrator",
        "an exported folder with a calibrator of another number of classes",
        "refused; both files are named",
        changed("calibrator.json", classes=3),
        command(*FOLDER),
        r"net/calibrator\.json was fitted to maps of 3 classes",
        r"2 classes in net/preprocessing\.json",
        "as many classes",
        "export the run again",
    ),
    BadInput(
        "images_missing",
        "`--images` names nothing",
        REFUSED,
        make,
        command("predict", "--images", "phtos/*.png", "--out", "maps", "--weights", "net"),
        r"--images phtos/\*\.png: there are no images",
        "nothing at",
        "a folder, or a pattern",
        "correct the path",
    ),
    BadInput(
        "images_of_other_kinds",
        "`--images` names files that are no images",
        REFUSED,
        written("notes/a.txt", "x"),
        command("predict", "--images", "notes", "--out", "maps", "--weights", "net"),
        "--images notes: there are no images",
        "1 files of other kinds",
        r"\.jpg",
        "",
    ),
    BadInput(
        "images_of_one_name",
        "two images that would have the same map",
        "refused; all such images are named",
        written("photos/a.jpg", "x"),
        command(*FOLDER),
        r"the same map(.|\n)*photos/a\.jpg, photos/a\.png",
        "",
        "one image of each name",
        "rename them",
    ),
    BadInput(
        "image_broken",
        "an image that cannot be read",
        "refused before anything is predicted; all such images are named",
        written("photos/a.png", "x"),
        command(*FOLDER),
        r"1 of 2 images cannot be used(.|\n)*photos/a\.png cannot be decoded",
        "",
        "whole image files",
        "get them again",
    ),
    BadInput(
        "image_of_32_bits",
        "a TIFF of 32-bit values",
        "the same",
        written("photos/c.tif", cv2.imencode(".tif", np.zeros((64, 64), np.float32))[1].tobytes()),
        command(*FOLDER),
        r"1 of 3 images cannot be used(.|\n)*photos/c\.tif has values of 32 bits",
        "",
        "8 or 16 bits",
        "get them again",
    ),
    BadInput(
        "image_too_large",
        "an image larger than `--max-pixels`",
        "refused before it is decoded; all such images are named",
        make,
        command(*FOLDER, "--max-pixels", "100"),
        r"2 of 2 images cannot be used(.|\n)*the limit is 100",
        "",
        "",
        "",
    ),
    BadInput(
        "format_unknown",
        "`--format` that there is not",
        REFUSED,
        make,
        command(*FOLDER, "--format", "jpg"),
        "unknown --format",
        "jpg",
        "png8, png16, npy",
        "--format png16",
    ),
    BadInput(
        "format_of_classes",
        "PNG maps of several classes",
        REFUSED,
        lambda where: make(where, 3),
        command(*FOLDER, "--format", "png8"),
        "cannot be PNG files",
        "3 classes",
        "npy",
        "--format npy",
    ),
    BadInput(
        "calibrated_twice",
        "`--calibrator` for a folder that has one",
        REFUSED,
        and_then(calibrated_twice),
        command(*FOLDER, "--calibrator", "calibrator.json"),
        "calibrated already",
        "net by temperature",
        "without a calibrator",
        "leave out --calibrator",
    ),
    BadInput(
        "calibrator_classes",
        "`--calibrator` of another number of classes",
        REFUSED,
        written("calibrator.json", json.dumps(exported_folders.record(classes=3))),
        command(*FOLDER, "--calibrator", "calibrator.json"),
        r"calibrator\.json was fitted to maps of 3 classes",
        "2 classes of net",
        "as many classes",
        "fit one",
    ),
    BadInput(
        "calibrator_missing",
        "`--calibrator` names no file",
        REFUSED,
        make,
        command(*FOLDER, "--calibrator", "calibrator.json"),
        r"calibrator\.json is not a calibrator's file",
        "No such file",
        "",
        "",
    ),
    BadInput(
        "out_has_images",
        "`--out` is the folder of images",
        "refused: maps would be mixed with them",
        make,
        command("predict", "--images", "photos", "--out", "photos", "--weights", "net"),
        "--out photos is a folder of images",
        "",
        "a folder of its own",
        "another --out",
    ),
    BadInput(
        "out_is_a_file",
        "`--out` is a file",
        REFUSED,
        written("maps", ""),
        command(*FOLDER),
        "--out maps is a file",
        "",
        "a folder",
        "another --out",
    ),
    BadInput(
        "out_below_a_file",
        "`--out` of `predict` below a file",
        REFUSED,
        written("maps", ""),
        command(*PREDICT[:-1], "maps/new", "--weights", "net"),
        "maps cannot be a folder, and what is made belongs into maps/new",
        "a file",
        "a folder",
        "move maps away",
    ),
    BadInput(
        "out_of_another_model",
        "`--out` has maps of another model",
        "refused: maps of two models would be mixed",
        and_then(maps_of_another),
        command(*FOLDER),
        "--out maps has maps of another model",
        "other",
        "maps of net",
        "another --out",
    ),
    BadInput(
        "out_of_the_user",
        "`--out` has files of the maps' names that `predict` did not write",
        "refused: they would be overwritten",
        written("maps/a.png", "mine"),
        command(*FOLDER),
        r"would overwrite(.|\n)*a\.png",
        r"maps\.jsonl",
        "a new folder",
        "another --out",
    ),
    BadInput(
        "export_without_run",
        "`export` without a run",
        REFUSED,
        make,
        command("export", "--out", "new"),
        "export needs --run",
        "",
        "",
        "--run EXPERIMENT/METHOD/seedN",
    ),
    BadInput(
        "export_unfinished",
        "`export` of a run that was never trained",
        "refused; what is missing and the command that makes it are named",
        make,
        command("export", "--run", "tiny/baseline/seed0", "--out", "new", "--no-onnx"),
        "the run tiny/baseline/seed0 is not finished",
        "train/baseline/seed0: not made yet",
        "",
        "snakemake",
    ),
    BadInput(
        "export_over_others",
        "`export` into a folder that it did not write",
        "refused: its files would be removed",
        make,
        command("export", "--run", "tiny/baseline/seed0", "--out", "photos"),
        "--out photos is there, and export did not write it",
        r"a\.png",
        "a new folder",
        "another --out",
    ),
    BadInput(
        "export_to_a_file",
        "`export` into a file",
        REFUSED,
        written("new", ""),
        command("export", "--run", "tiny/baseline/seed0", "--out", "new"),
        "--out new is a file",
        "",
        "a folder",
        "another --out",
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_it_is_refused(row: BadInput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    check(row, tmp_path)
    if row.name not in ("out_of_another_model", "out_of_the_user", "out_is_a_file", "out_below_a_file"):
        assert not (tmp_path / "maps").exists()
    assert not (tmp_path / "made").exists()


def test_onnx_without_its_libraries(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"found: +no onnx, onnxscript, onnxruntime(.|\n)*pip install onnx"):
        check_installed()
