"""Calibrators as post-hoc methods: fitted to the validation images of a network, and applied to its predictions."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.special import expit
from training_runs import Colored, MadeStore

from pipeline_src.calibrators import NAMES
from pipeline_src.calibrators.pixels import Pixels
from pipeline_src.data.null_images import largest_square
from pipeline_src.errors import UserError
from pipeline_src.prediction.predict import Predictor, predict
from pipeline_src.training import callbacks
from pipeline_src.training.calibrated import Calibrated, validation_pixels
from pipeline_src.training.registry import choose, method_names

METHODS = [name for name in method_names() if isinstance(choose(name, {}).method, Calibrated)]
SETTINGS = SimpleNamespace(evaluation=SimpleNamespace(batch_size=4), training=SimpleNamespace(workers=0))


class Made(MadeStore):
    """Ten images of 24 px on which `Colored` is overconfident (T = 2.5), with masks of 30 x 40; a tenth is ignored."""

    masks = None  # what null images are cut from, and not `truths`

    def __init__(self, channels: int):
        rng = np.random.default_rng(channels)
        images = rng.integers(0, 256, (10, 24, 24, 3), np.uint8)
        logits = Colored(channels)(torch.from_numpy(images).permute(0, 3, 1, 2))
        z = torch.nn.functional.interpolate(logits, (30, 40), mode="bilinear").numpy() / 2.5
        z = np.concatenate([np.zeros_like(z), z], 1) if channels == 1 else z
        drawn = (z + rng.gumbel(size=z.shape)).argmax(1)
        super().__init__(images, np.where(rng.random(drawn.shape) < 0.1, 255, drawn).astype(np.uint8), max(2, channels))
        self.masks = np.zeros((10, 24, 24), np.uint8)
        self.masks[:, :, 12:] = 255
        self.masks[0] = 255


def test_every_calibrator_is_a_method():
    assert {choose(name, {}).method.calibrator().name: name for name in METHODS} == dict.fromkeys(NAMES) | {
        name: name for name in METHODS
    }


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", METHODS)
def test_a_method_lowers_the_loss_and_is_its_calibrator(name, channels):
    method, network, store = choose(name, {}).method, Colored(channels), Made(channels)
    if channels == 1 and method.calibrator().classes == "several":
        with pytest.raises(UserError, match="three classes or more"):
            method.fit([network], store, SETTINGS)
        return
    fitted = callbacks.fit(method, [network], store, SETTINGS)
    assert fitted["calibrator"] == name and fitted["classes"] == max(2, channels)
    assert fitted["fitted_on"]["nll_after"] < fitted["fitted_on"]["nll_before"]
    assert fitted["fitted_on"]["images"] == 10
    calibrator = method.calibrator().model_validate(fitted["parameters"])
    for k, (f, _, _) in enumerate(predict(Predictor([network], method, 0, fitted), store, SETTINGS)):
        x = torch.from_numpy(store.images[k : k + 1]).permute(0, 3, 1, 2)
        z = torch.nn.functional.interpolate(network(x), (30, 40), mode="bilinear")[0].numpy()
        assert f.dtype == np.float32 and f.shape == ((30, 40) if channels == 1 else (3, 30, 40))
        assert f == pytest.approx(calibrator.apply(z), abs=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_local_temperature_finds_where_the_network_is_overconfident(channels):
    """Where the images are bright in their last color (blue), logits are three times too large, elsewhere right."""
    store, network, rng = Made(channels), Colored(channels), np.random.default_rng(0)
    store.images[..., 2] = 20
    store.images[:, :, 12:, 2] = 235
    x = torch.from_numpy(store.images).permute(0, 3, 1, 2)
    z = torch.nn.functional.interpolate(network(x), (30, 40), mode="bilinear").numpy()
    right = np.where(np.arange(40) < 20, z, z / 3)
    both = np.concatenate([np.zeros_like(right), right], 1) if channels == 1 else right
    store.truths = (both + rng.gumbel(size=both.shape)).argmax(1).astype(np.uint8)
    method = choose("local_temperature", {}).method
    fitted = callbacks.fit(method, [network], store, SETTINGS)
    plain = choose("temperature", {}).method.fit([network], store, SETTINGS)["fitted_on"]["nll_after"]
    assert fitted["nll_after"] < min(plain, fitted["nll_before"])
    classes = [f >= 0.5 if channels == 1 else f.argmax(0) for f, *_ in predict(Predictor([network]), store, SETTINGS)]
    for (f, *_), before in zip(predict(Predictor([network], method, 0, fitted), store, SETTINGS), classes, strict=True):
        assert np.array_equal(f >= 0.5 if channels == 1 else f.argmax(0), before)
    none = choose("local_temperature", {"epochs": 1, "rate": 1e-12}).method.fit([network], store, SETTINGS)
    first, same = (
        next(predict(p, store, SETTINGS))[0] for p in (Predictor([network]), Predictor([network], method, 0, none))
    )
    assert same == pytest.approx(first, abs=1e-6)  # T starts at 1


def test_the_largest_square():
    free = np.ones((6, 8), bool)
    free[2, 3] = free[0, 6] = False
    assert largest_square(free)[2] == 3
    assert largest_square(np.zeros((3, 3), bool))[2] == 0
    rng = np.random.default_rng(0)
    for _ in range(20):
        free = rng.random((7, 9)) < 0.8
        top, left, side = largest_square(free)
        assert free[top : top + side, left : left + side].all()
        more = side + 2  # it has a center, so that its side is odd
        larger = [free[y : y + more, x : x + more].all() for y in range(8 - more) for x in range(10 - more)]
        assert not any(larger)


def test_the_entropy_is_that_of_the_image_not_of_its_sample(monkeypatch):
    store, network = Made(1), Colored(1)
    whole = validation_pixels(network, store, SETTINGS)
    monkeypatch.setattr("pipeline_src.training.calibrated.MOST_LOGITS", 2000)
    some = validation_pixels(network, store, SETTINGS)
    assert isinstance(some, Pixels) and len(some.z) < 1100 < len(whole.z)
    assert some.entropy == pytest.approx(whole.entropy)
    assert some.weights.sum() == pytest.approx(whole.weights.sum())
    assert expit(some.z).mean() == pytest.approx(expit(whole.z).mean(), abs=0.05)
