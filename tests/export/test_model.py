"""The module of exported folders: its resizing against OpenCV, its calibrators against those of the package."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, softmax

from pipeline_src.calibrators.calibrator import Calibrator, calibrator_class, fitted
from pipeline_src.calibrators.pixels import image_pixels, joined
from pipeline_src.data.image_io import resize
from pipeline_src.export import model
from pipeline_src.export.onnx_file import OPSET, TOLERANCE

NAMES = [name for name in model.CALIBRATORS if name != "dirichlet"]
DEFINED = [*((name, channels) for name in NAMES for channels in (1, 4)), ("dirichlet", 4)]


def resized(image: np.ndarray, size: int) -> np.ndarray:
    return model.resized(torch.from_numpy(image).permute(2, 0, 1)[None], size)[0].permute(1, 2, 0).numpy()


def image(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("shape", [(32, 32), (64, 64), (96, 32), (133, 171), (300, 401), (1000, 33)])
def test_smaller_images_are_opencvs(shape):
    assert np.array_equal(resized(image(*shape), 32), resize(image(*shape), 32))


@settings(max_examples=30, deadline=None)
@given(height=st.integers(1, 150), width=st.integers(1, 150), seed=st.integers(0, 9))
def test_all_images_are_opencvs_within_a_level(height, width, seed):
    ours, theirs = resized(image(height, width, seed), 32), resize(image(height, width, seed), 32)
    assert np.abs(ours - theirs).max() <= 1
    if min(height, width) >= 32:  # where a mean is a half, OpenCV's single precision may fall to either side
        assert (ours != theirs).mean() < 0.05


def logits(channels: int, images: int = 2) -> np.ndarray:
    """Of images with different spreads, (B, C, H, W) float32."""
    rng = np.random.default_rng(channels)
    return (rng.normal(0, 1, (images, channels, 12, 17)) * np.geomspace(2, 6, images)[:, None, None, None]).astype("f4")


def calibrator(name: str, channels: int) -> Calibrator:
    """Fitted to labels drawn from logits that are half as large."""
    z = logits(channels, 4).astype(float)
    rng = np.random.default_rng(0)
    both = np.concatenate([np.zeros_like(z), z], 1) if channels == 1 else z
    truth = (both / 2 + rng.gumbel(size=both.shape)).argmax(1)
    return fitted(calibrator_class(name), joined([image_pixels(a, b) for a, b in zip(z, truth, strict=True)]))


def expected(of: Calibrator, z: np.ndarray) -> np.ndarray:
    """Probabilities (B, C, H, W) by the package."""
    return np.stack([of.apply(each).reshape(each.shape) for each in z])


def ours(of: Calibrator, z: torch.Tensor) -> torch.Tensor:
    return model.CALIBRATORS[of.name](z.double(), of.model_dump(mode="json"))


@pytest.mark.parametrize(("name", "channels"), DEFINED)
def test_a_calibrator_is_the_packages(name, channels):
    of, z = calibrator(name, channels), logits(channels)
    found = ours(of, torch.from_numpy(z)).numpy()
    assert np.abs(found - expected(of, z)).max() < 1e-9
    plain = expit(z) if channels == 1 else softmax(z, axis=1)
    assert np.abs(found - plain).max() > 0.01  # it does something


class All(torch.nn.Module):
    """Logits -> the probabilities of every calibrator for their number."""

    def __init__(self, calibrators: list[Calibrator]):
        super().__init__()
        self.calibrators = calibrators

    def forward(self, z: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(ours(of, z).float() for of in self.calibrators)


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 4])
def test_onnx_has_every_calibrator(channels, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    names = [name for name, number in DEFINED if number == channels]
    calibrators = [calibrator(name, channels) for name in names]
    example, file = (torch.from_numpy(logits(channels)),), str(tmp_path / "all.onnx")
    free = ({0: "batch", 2: "height", 3: "width"},)
    torch.onnx.export(All(calibrators).eval(), example, file, dynamo=True, opset_version=OPSET, dynamic_shapes=free)
    session = onnxruntime.InferenceSession(file)
    z = logits(channels, 3)[1:, ..., :-4]  # none that was fitted to: there a probability can jump
    results = session.run(None, {session.get_inputs()[0].name: z})
    for of, result in zip(calibrators, results, strict=True):
        assert np.abs(result - expected(of, z)).max() < TOLERANCE, of.name


@pytest.mark.parametrize("channels", [1, 3])
def test_logits_of_a_mean(channels):
    members = [torch.from_numpy(np.random.default_rng(i).normal(0, 4, (2, channels, 5, 6))) for i in range(3)]
    mean = torch.stack([model.probability(z) for z in members]).mean(0)
    assert torch.allclose(model.probability(model.averaged(members)), mean, atol=1e-12)
    assert model.averaged(members[:1]) is members[0]
