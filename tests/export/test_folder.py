"""Exported folders: equal to the networks that they hold, by torch and by ONNX Runtime."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import exported_folders
import numpy as np
import pytest
import torch
from exported_folders import SIZE, predictor, record

from pipeline_src.data.image_io import resize
from pipeline_src.errors import UserError
from pipeline_src.export import export as step
from pipeline_src.export import folder, members, onnx_file
from pipeline_src.prediction.predict import Predictor
from pipeline_src.training import callbacks
from pipeline_src.training.calibrated import calibrated_method
from pipeline_src.training.methods.mc_dropout import MCDropout
from pipeline_src.training.methods.tta import TTA
from pipeline_src.training.posthoc import PostHoc

Temperature = calibrated_method("temperature")


@pytest.fixture(scope="module")
def network() -> Predictor:
    return predictor(network="tiny_fpn")


@pytest.fixture(scope="module")
def exported(network, tmp_path_factory) -> Path:
    """With a calibrator and a model.onnx."""
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    out = tmp_path_factory.mktemp("exported") / "folder"
    exported_folders.write(out, network, record(), onnx=True)
    return out


def images(number: int) -> torch.Tensor:
    """Larger than the network's input, so that resizing equals OpenCV's."""
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (number, 3, 50, 71), dtype=np.uint8))


def by_run(run: Predictor, batch: torch.Tensor) -> torch.Tensor:
    """Probabilities as in evaluation: resized by OpenCV."""
    small = np.stack([resize(image.permute(1, 2, 0).numpy(), SIZE) for image in batch])
    with torch.inference_mode():
        x = torch.from_numpy(small).permute(0, 3, 1, 2)
        z = callbacks.logits(run.method, run.networks, x, ["a"] * len(batch), 0)
        maps = [
            callbacks.probability(run.method, [member[i] for member in z], batch.shape[2:], run.fitted)
            for i in range(len(batch))
        ]
    return torch.from_numpy(np.stack(maps))


def by_folder(read: folder.Exported, batch: torch.Tensor) -> torch.Tensor:
    """Probabilities, one image at a time, as `predict --weights` does."""
    return torch.from_numpy(np.stack([folder.probabilities(read, image.permute(1, 2, 0).numpy()) for image in batch]))


def test_the_folder_predicts_as_the_run(exported, network):
    calibrated = Predictor(network.networks, Temperature(), fitted=record())
    read, expected = folder.read(exported), by_run(calibrated, images(3))
    assert (by_folder(read, images(3)) - expected).abs().max() < 1e-5
    with torch.inference_mode():
        assert (read.model(images(3)) - expected).abs().max() < 1e-5
    assert not read.settings.single and read.calibrator == "temperature"
    assert read.settings.image_size == SIZE and read.settings.mean == [127.5] * 3


@pytest.mark.parametrize(("number", "height", "width"), [(1, 32, 32), (3, 64, 64), (2, 21, 95), (1, 301, 200)])
def test_onnx_equals_torch(exported, network, number, height, width):
    batch = torch.randint(0, 256, (number, 3, height, width), dtype=torch.uint8)
    model = exported_folders.model(network, record())
    assert onnx_file.differences(model, exported / folder.ONNX, batch).max() < onnx_file.TOLERANCE


def test_a_wrong_onnx_file_is_found(exported, network):
    with pytest.raises(UserError, match=r"model\.onnx"):
        onnx_file.check(exported_folders.model(network), exported / folder.ONNX, single=False)


def test_torch_is_enough(exported):
    """The folder loads where nothing of this package can be imported."""
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('pipeline_src', 'mmseg', 'mmengine', 'cv2', 'timm')))\n"
        "import torch; model = torch.export.load(sys.argv[1]).module()\n"
        "print(tuple(model(torch.zeros(2, 3, 40, 50, dtype=torch.uint8)).shape))"
    )
    words = [sys.executable, "-c", code, str(exported / folder.MODEL)]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip() == "(2, 40, 50)"


class WithNegative(PostHoc):
    """A user's method: the mean over an image and its negative."""

    def logits(self, networks, x, ids, seed):
        return [network(x) for network in networks] + [networks[0](255 - x)]


class Halved(PostHoc):
    """A user's method whose probabilities are not a mean."""

    def probability(self, logits, size, fitted):
        return super().probability(logits, size, fitted) / 2


@pytest.mark.parametrize(
    ("classes", "networks", "method"),
    [(2, 1, TTA(scales=[1.0, 2.0])), (2, 3, PostHoc()), (4, 1, PostHoc()), (4, 2, WithNegative())],
)
def test_methods_that_average(classes, networks, method, tmp_path):
    run = predictor(classes, networks, method)
    read = exported_folders.write(tmp_path, run)
    assert (by_folder(read, images(2)) - by_run(run, images(2))).abs().max() < 1e-5


def test_a_network_that_takes_one_image_at_a_time(tmp_path):
    class OneByOne(PostHoc):
        def logits(self, networks, x, ids, seed):
            return [networks[0](x) * (len(x) if isinstance(len(x), int) else 1) / int(x.shape[0])]

    run = predictor(method=OneByOne())
    read = exported_folders.write(tmp_path, run)
    assert read.settings.single
    assert (by_folder(read, images(3)) - by_run(run, images(3))).abs().max() < 1e-5


@pytest.mark.parametrize("method", [MCDropout(), Temperature(), Halved()])
def test_a_method_that_is_more_than_networks_and_a_calibrator_is_refused(method):
    with pytest.raises(UserError, match="block"):
        members.calibrator_of(predictor(method=method), "block")


@pytest.mark.parametrize("name", [folder.MODEL, folder.INPUT, folder.SUMS])
@pytest.mark.parametrize("fault", ["missing", "damaged"])
def test_a_faulty_file_is_named(name, fault, tmp_path):
    exported_folders.write(tmp_path, predictor())
    file = tmp_path / name
    if fault == "missing":
        file.unlink()
    else:
        data = bytearray(file.read_bytes())
        data[len(data) // 2 if name == folder.MODEL else 0] ^= 1
        file.write_bytes(data)
    with pytest.raises(UserError, match=folder.MODEL if fault == "damaged" and name == folder.SUMS else name):
        folder.read(tmp_path)


@pytest.fixture
def finished_run(monkeypatch):
    """A stand-in for the trained run a/b/seed0."""
    facts = SimpleNamespace(classes=2, class_names=())
    model = SimpleNamespace(network=exported_folders.FACTORY)
    experiment = SimpleNamespace(settings=SimpleNamespace(image_size=SIZE, model=model), facts=facts)
    run = SimpleNamespace(
        name="a/b/seed0", method="b", experiment=experiment, predictor=predictor, training_jobs=[], jobs=[]
    )
    monkeypatch.setattr(step.runs, "find", lambda name: run)
    monkeypatch.setattr(step, "describe", lambda *arguments: {})
    monkeypatch.setattr(step, "card_text", lambda *arguments: "card")


def test_a_folder_that_predicts_otherwise_than_the_run_replaces_nothing(finished_run, tmp_path, monkeypatch):
    step.export("a/b/seed0", tmp_path / "out", onnx=False)
    before, probabilities = (tmp_path / "out" / folder.SUMS).read_bytes(), folder.read

    def altered(path):
        read = probabilities(path)
        return folder.Exported(lambda images: read.model(images) + 0.1, read.settings, read.calibrator)

    monkeypatch.setattr(folder, "read", altered)
    with pytest.raises(UserError, match="differs"):
        step.export("a/b/seed0", tmp_path / "out", onnx=False)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / folder.SUMS).read_bytes() == before
    assert (tmp_path / "out" / folder.CARD).read_text() == "card"
