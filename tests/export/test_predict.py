"""Maps of image files: the images, their maps, and the resumption of an interrupted prediction."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import exported_folders
import numpy as np
import pytest
from bad_input import contents
from exported_folders import SIZE, file_text, predictor
from PIL import Image

from pipeline_src.calibrators.calibrator import calibrated
from pipeline_src.calibrators.temperature import TemperatureCalibrator
from pipeline_src.errors import UserError
from pipeline_src.export import predict as step
from pipeline_src.export.predict import MapModel
from pipeline_src.files import sha256

SHAPES = {"a": (40, 50), "b": (33, 64), "deep/c": (20, 30), "deep/d": (64, 64)}


@pytest.fixture
def images(tmp_path) -> Path:
    folder = tmp_path / "images"
    (folder / "deep").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, shape in SHAPES.items():
        cv2.imwrite(str(folder / f"{name}.png"), rng.integers(0, 256, (*shape, 3), dtype=np.uint8))
    (folder / ".hidden.png").write_bytes(b"x")
    (folder / "notes.txt").write_text("x")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> MapModel:
    folder = tmp_path_factory.mktemp("exported") / "net"
    exported_folders.write(folder, predictor())
    return step.folder_model(folder)


def test_maps_have_the_places_and_sizes_of_their_images(model, images, tmp_path):
    assert (model.name, model.classes, model.image_size) == ("net", 2, SIZE)
    assert step.predict(model, images, tmp_path / "out", "npy") == (4, 4)
    maps = {name: np.load(tmp_path / "out" / f"{name}.npy") for name in SHAPES}
    assert {name: of.shape for name, of in maps.items()} == SHAPES
    assert {of.dtype for of in maps.values()} == {np.dtype("f4")}
    assert np.ptp(maps["a"]) > 0.01


@pytest.mark.parametrize(("form", "top", "kind"), [("png8", 255, np.uint8), ("png16", 65535, np.uint16)])
def test_levels_are_the_nearest_and_keep_the_class(form, top, kind, tmp_path):
    f = np.float32([0, 1e-6, 0.2, np.nextafter(np.float32(0.5), np.float32(0)) - 1e-6, 0.5, 0.50001, 1]).reshape(1, -1)
    step.write_map(tmp_path / "i.png", f, form)
    read = cv2.imread(str(tmp_path / "i.png"), cv2.IMREAD_UNCHANGED)
    assert read.dtype == kind and np.abs(read / top - f).max() <= 0.5001 / top
    assert np.array_equal(read / top >= 0.5, f >= 0.5)


def test_an_interrupted_prediction_goes_on_and_ends_in_the_same_bytes(model, images, tmp_path, monkeypatch):
    step.predict(model, images, tmp_path / "whole")
    write, finished = step.write_map, []

    def interrupted(path, *arguments):
        if len(finished) == 2:
            raise KeyboardInterrupt
        finished.append(path)
        write(path, *arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(step, "write_map", interrupted)
        step.predict(model, images, tmp_path / "out")
    assert step.predict(model, images, tmp_path / "out") == (4, 2)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert step.predict(model, images, tmp_path / "out") == (4, 0)
    assert [step.predict(model, images, images / "maps") for _ in range(2)] == [(4, 4), (4, 0)]  # maps are no images


def test_maps_of_changed_images_are_replaced(model, images, tmp_path):
    out = tmp_path / "out"
    step.predict(model, images, out)
    shutil.copy(images / "b.png", images / "a.png")
    assert step.predict(model, images, out) == (4, 1)
    after = contents(out)
    assert after[Path("a.png")] == after[Path("b.png")]
    record = json.loads((out / "maps.json").read_text())
    assert record.pop("images") == {name: sha256(images / f"{name}.png") for name in SHAPES}
    (out / "maps.json").write_text(json.dumps(record))
    assert step.predict(model, images, out) == (4, 4) and contents(out) == after


def test_maps_of_removed_images_are_named(model, images, tmp_path, caplog):
    out = tmp_path / "out"
    step.predict(model, images, out)
    assert not caplog.text
    (images / "a.png").unlink()
    assert step.predict(model, images, out) == (3, 0)
    assert caplog.text.rstrip().endswith(": a")


def test_a_folder_that_cannot_be_read_is_named(images, monkeypatch):
    (images / "private").mkdir()
    scandir = os.scandir

    def denied(path):
        if str(path).endswith("private"):
            raise PermissionError(13, "denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(PermissionError, match="private"):
        step.find_images(images)


def test_altered_maps_are_replaced(model, images, tmp_path):
    out = tmp_path / "out"
    step.predict(model, images, out)
    before = contents(out)
    shutil.copy(out / "b.png", out / "a.png")
    assert step.predict(model, images, out) == (4, 1) and contents(out) == before


def test_images_that_only_pillow_opens_are_named_before_the_first_map(model, images, tmp_path):
    Image.fromarray(np.zeros((9, 9), np.float32)).save(images / "float.tiff")
    with pytest.raises(UserError, match=r"float\.tiff"):
        step.predict(model, images, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_orientation_that_is_not_applied_is_told(images, caplog):
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (60, 40)).save(images / "phone.jpg", exif=exif)
    step.check_images(step.find_images(images))
    assert "phone.jpg" in caplog.text and "EXIF" in caplog.text


def test_maps_of_another_model_calibrator_or_format_are_not_mixed(model, images, tmp_path):
    file, out = tmp_path / "calibrator.json", tmp_path / "out"
    file.write_text(file_text())
    step.predict(model, images, out)
    for other in ({"model": replace(model, digest="1" * 16)}, {"format": "png8"}, {"calibrator": file}):
        before = contents(out)
        with pytest.raises(UserError, match="maps of net, or another format"):
            step.predict(**{"model": model, "images": images, "out": out} | other)
        assert contents(out) == before


def test_a_calibrator_is_applied_as_calibrate_does(model, images, tmp_path):
    (tmp_path / "calibrator.json").write_text(file_text())
    for name, file in (("plain", None), ("warm", tmp_path / "calibrator.json")):
        step.predict(model, images, tmp_path / name, "npy", file)
    plain, warm = (np.load(tmp_path / name / "a.npy") for name in ("plain", "warm"))
    assert np.array_equal(warm, calibrated(TemperatureCalibrator(temperature=2.0), plain))
    assert step.predict(model, images, tmp_path / "warm", "npy", tmp_path / "calibrator.json") == (4, 0)
