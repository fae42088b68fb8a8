"""Wrong input of `predict` and `export`: the error names the file, option or value."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import NamedTuple

import cv2
import exported_folders
import numpy as np
import pytest
from bad_input import refused, run
from project import ROOT


@cache
def folder(classes: int = 2, calibrated: bool = False) -> Path:
    """An exported folder, written once."""
    target = Path(mkdtemp()) / "net"
    record = exported_folders.record(classes) if calibrated else None
    exported_folders.write(target, exported_folders.predictor(classes, fitted=record))
    return target


def project(folder_of_project: Path, classes: int = 2, calibrated: bool = False) -> None:
    """A project that was never run, with two images and an exported folder."""
    shutil.copy(ROOT / "params.yaml", folder_of_project)
    (folder_of_project / "photos").mkdir()
    for name in "ab":
        cv2.imwrite(str(folder_of_project / "photos" / f"{name}.png"), np.full((40, 50, 3), 99, np.uint8))
    shutil.copytree(folder(classes, calibrated), folder_of_project / "net")


def file(name: str, content: str | bytes) -> Callable[[Path], None]:
    """Write one more file."""

    def change(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return change


PREDICT = ["predict", "--images", "photos", "--out", "maps"]
FOLDER = [*PREDICT, "--weights", "net"]


class Row(NamedTuple):
    """A wrong command, the texts that its error shows, and what is changed in the project before."""

    words: list[str]
    shows: list[str]
    change: Callable[[Path], None] = lambda root: None
    classes: int = 2
    calibrated: bool = False


ROWS = {
    "no model": Row(PREDICT, ["--run", "--weights"]),
    "form of a run": Row([*PREDICT, "--run", "tiny"], ["--run tiny", "EXPERIMENT/METHOD/seedN"]),
    "unknown method": Row([*PREDICT, "--run", "tiny/baselin/seed0"], ["baselin", "baseline"]),
    "no folder": Row([*PREDICT, "--weights", "nte"], ["nte", "export"]),
    "no images": Row([*FOLDER, "--images", "phtos"], ["phtos"]),
    "one name twice": Row(FOLDER, ["a.jpg", "a.png"], file("photos/a.jpg", "x")),
    "broken image": Row(FOLDER, ["photos/a.png"], file("photos/a.png", "x")),
    "format of classes": Row([*FOLDER, "--format", "png8"], ["png8", "npy"], classes=3),
    "calibrated twice": Row(
        [*FOLDER, "--calibrator", "c.json"],
        ["c.json"],
        file("c.json", exported_folders.file_text()),
        calibrated=True,
    ),
    "classes of a calibrator": Row(
        [*FOLDER, "--calibrator", "c.json"],
        ["c.json", "3 classes"],
        file("c.json", exported_folders.file_text(classes=3)),
    ),
    "images as output": Row([*FOLDER, "--out", "photos"], ["--out photos"]),
    "files of the user": Row(FOLDER, ["maps", "a.png"], file("maps/a.png", "mine")),
    "export over files": Row(["export", "--run", "tiny/baseline/seed0", "--out", "photos"], ["photos", "a.png"]),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_the_error_names_it_and_nothing_changes(row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    project(tmp_path, row.classes, row.calibrated)
    row.change(tmp_path)
    refused(lambda: run(*row.words), *row.shows)
