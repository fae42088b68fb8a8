"""Files that `judge` must not read wrongly: refused with the reason, or read as they were meant."""

from __future__ import annotations

import os
import sys
import unicodedata
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline_src import judge as judging
from pipeline_src.errors import UserError
from pipeline_src.judge import judge_folder

SHAPE = (24, 32)
Y, X = np.mgrid[: SHAPE[0], : SHAPE[1]]
DISC = np.hypot(Y - 12, X - 14) < 7
P = np.where(DISC, 0.8, 0.3).astype(np.float32)  # accuracy 1
LABELS = np.uint8(DISC * (1 + (X > 14)))
THREE = np.float32([0.1, 0.2, 0.7])[(np.arange(3)[:, None, None] - LABELS - 1) % 3]  # accuracy 1


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """Judge what was put into the folders `maps` and `masks`, without drawing."""
    monkeypatch.setattr(judging, "_diagram", lambda *_: None)
    (tmp_path / "maps").mkdir(), (tmp_path / "masks").mkdir()
    monkeypatch.chdir(tmp_path)

    def run(name="net", out="out", mask="masks", **options):
        options = {"resamples": 0, "whole": False, "workers": 1, **options}
        return judge_folder(Path("maps"), mask and Path(mask), name, Path(out), **options)

    return run


def put(folder, **files):
    """Save arrays by stem: integers as PNG, floats and bool as .npy."""
    for stem, array in files.items():
        if array.dtype.kind == "u" and array.ndim == 2:
            cv2.imwrite(f"{folder}/{stem}.png", array)
        else:
            np.save(f"{folder}/{stem}.npy", array)


def refused(judged, *words, **options):
    with pytest.raises(UserError) as told:
        judged(**options)
    for each in words:
        assert each in str(told.value), str(told.value)
    assert not os.path.exists("out")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_that_are_not_utf_8_are_refused(judged):
    put("maps", a=P), put("masks", a=DISC)
    for folder in (b"maps", b"masks"):
        os.rename(folder + b"/a.npy", folder + b"/\xe9.npy")
    refused(judged, r"b'\xe9.npy'", "not UTF-8")


def test_composed_and_decomposed_names_are_the_same(judged):
    for form, folder, array in (("NFC", "maps", P), ("NFD", "masks", DISC)):
        put(folder, x=array)
        os.rename(f"{folder}/x.npy", f"{folder}/{unicodedata.normalize(form, 'é')}.npy")
    assert judged()["n_images"] == 1
    assert "é" in Path("out/images.csv").read_text(encoding="utf-8")


def test_what_to_do_about_names(judged):
    put("masks", a=DISC, b=DISC)
    cv2.imwrite("maps/a.jpg", np.uint8(255 * P))
    refused(judged, "1 JPEG files", "JPEG changes probabilities")
    put("maps", b=P)
    refused(judged, "a.npy: no prediction map but a.jpg", "add what is missing")
    os.rename("maps/b.npy", "maps/b_sal.npy")
    with pytest.raises(UserError) as told:
        judged()
    assert "name of its mask" in str(told.value) and "--ood" not in str(told.value)
    for stem in "ab":
        os.remove(f"masks/{stem}.npy")
    refused(judged, "--ood")
