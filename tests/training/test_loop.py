"""What a run does with its settings: steps, draws and rates, the averaged network, validation, auxiliary heads."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from made_statistics import counted, summaries
from safetensors.torch import load_file
from torch import nn
from training_runs import experiment, run

from pipeline_src.data.store import Store
from pipeline_src.errors import UserError
from pipeline_src.params.schema import Training
from pipeline_src.prediction.predict import Predictor, load, predict
from pipeline_src.training.batches import training_batches
from pipeline_src.training.loop import TrainingRun, averaged_model, learning_rate, validate
from pipeline_src.training.method import Method


@pytest.fixture
def weights(monkeypatch) -> list[dict[str, torch.Tensor]]:
    """Those of a run after each of its steps."""
    seen, step = [], TrainingRun.step

    def noted(run, samples, epoch):
        loss = step(run, samples, epoch)
        seen.append({name: value.clone() for name, value in run.model.segmentor.state_dict().items()})
        return loss

    monkeypatch.setattr(TrainingRun, "step", noted)
    return seen


def test_the_saved_network_is_validated_on_all_validation_images(stores, tmp_path):
    """The validation images do not fill the last batch."""
    folder, settings = run(stores, tmp_path, "baseline", {}, epochs=2, batch_size=4), experiment()
    val = Store(stores["val"])
    maps = list(predict(Predictor([load(folder / "model.safetensors", settings)]), val, settings))
    assert [name for *_, name in maps] == val.ids
    values, _ = summaries(counted(maps, whole=False))["raw"]
    last = pd.read_csv(folder / "history.csv").iloc[-1]
    assert last["val_accuracy"] == pytest.approx(values["accuracy"], abs=1e-6)
    assert last["val_ece"] == pytest.approx(values["ece"], abs=1e-6)


def test_validation_images_of_which_no_pixel_counts_are_refused():
    void = {"inputs": torch.zeros(1, 3, 8, 8, dtype=torch.uint8), "truth": [np.full((8, 8), 255, np.uint8)]}
    with pytest.raises(UserError, match="`void`"):
        validate(TwoHeads(), [void | {"grey": [np.array([], int)], "id": ["a"]}], grey_is_error=False)


def test_each_epoch_has_its_order_augmentation_rate_and_draws(stores, tmp_path, monkeypatch):
    """Eleven epochs of three steps; the compounding schedule lowers the rate after the tenth."""
    epochs, steps, images = 11, 3, 10
    order, augmented, losses, seeds, optimizers, adam = [], defaultdict(list), [], [], [], torch.optim.Adam

    class Noting(Method):
        def inputs(self, x, y, batch):
            order.extend(batch.index.tolist())
            seeds.append(torch.initial_seed())
            for i, image in zip(batch.index.tolist(), x, strict=True):
                augmented[i].append(image.numpy().tobytes())
            return x, y

        def loss(self, z, t):
            loss = super().loss(z, t)
            losses.append(float(loss.detach()))
            return loss

    monkeypatch.setattr("training_runs.choose", lambda name, block: SimpleNamespace(method=Noting()))
    monkeypatch.setattr(
        "torch.optim.Adam", lambda *given, **named: optimizers.append(adam(*given, **named)) or optimizers[0]
    )
    settings = {"epochs": epochs, "schedule": "compounding", "lr": 0.02, "weight_decay": 0.03}
    history = pd.read_csv(run(stores, tmp_path, **settings) / "history.csv")
    orders = [tuple(order[k : k + images]) for k in range(0, len(order), images)]
    assert [sorted(indices) for indices in orders] == [list(range(images))] * epochs, (
        "a last batch of two is trained on"
    )
    assert len(set(orders)) == epochs
    assert all(len(set(pictures)) == epochs for pictures in augmented.values())
    assert len(set(seeds)) == epochs * steps
    rates = [learning_rate(experiment(**settings).training, e) for e in range(1, epochs + 1)]
    assert history["lr"].tolist() == pytest.approx(rates, rel=1e-12) and rates[-1] < rates[0]
    assert history["loss"].tolist() == pytest.approx(np.reshape(losses, (epochs, steps)).mean(1).tolist())
    assert optimizers[0].param_groups[0]["weight_decay"] == 0.03


def test_the_compounding_schedule():
    """docs/protocol.md: the current rate is multiplied by 0.95^(epoch // 10) after every epoch; 5.4e-6 in epoch 30."""
    training = Training(lr=2.5e-5, schedule="compounding", epochs=30)
    rate, rates = 2.5e-5, []
    for epoch in range(1, 31):
        rates.append(rate)
        rate *= 0.95 ** (epoch // 10)
    assert [learning_rate(training, e) for e in range(1, 31)] == pytest.approx(rates)
    assert rates[-1] == pytest.approx(5.4e-6, rel=0.01)


@pytest.mark.parametrize(("batch_size", "images"), [(3, 9), (4, 10), (5, 10)])
def test_one_image_is_left_out_where_it_would_be_a_batch(stores, batch_size, images):
    batches = training_batches(Store(stores["train"]), experiment(batch_size=batch_size), seed=0, epoch=1)
    assert sum(len(batch["inputs"]) for batch in batches) == images


def test_no_step_reads_uninitialized_memory(stores, tmp_path, monkeypatch):
    """New tensors full of NaN, which `prepare_device` turns off, change no bit."""
    step = TrainingRun.step

    def filled(*arguments):
        torch.utils.deterministic.fill_uninitialized_memory = True
        return step(*arguments)

    plain = run(stores, tmp_path / "plain", "aslp_mc", {}, epochs=2)
    monkeypatch.setattr(TrainingRun, "step", filled)
    nan = run(stores, tmp_path / "nan", "aslp_mc", {}, epochs=2)
    assert (plain / "model.safetensors").read_bytes() == (nan / "model.safetensors").read_bytes()


# Averaged weights


def test_averaged_weights_are_the_mean_of_those_after_each_step(stores, tmp_path, weights):
    """While the window is not full. They are saved and validated."""
    averaged = run(stores, tmp_path / "averaged", "slp", {"average_epochs": 100}, epochs=2)
    last = run(stores, tmp_path / "last", "slp", {}, epochs=2, average_epochs=100)
    saved, others = (load_file(folder / "model.safetensors") for folder in (averaged, last))
    alike = load_file(last / "averaged.safetensors")
    assert all(torch.equal(value, alike[name]) for name, value in saved.items())
    for name, value in saved.items():
        if value.is_floating_point():
            assert torch.allclose(value, torch.stack([step[name] for step in weights]).mean(0), atol=1e-6), name
            assert torch.equal(weights[-1][name], others[name]), "averaging does not change the training"
    history, other = (pd.read_csv(folder / "history.csv") for folder in (averaged, last))
    assert history["loss"].tolist() == other["loss"].tolist()
    assert history["val_ece"].tolist() != other["val_ece"].tolist()


def test_averages_have_the_bits_of_one_tensor_at_a_time():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Linear(7, 7)).double()
    model[2].float()
    averaged = averaged_model(model, steps=4)
    expected = {}
    for step in range(9):
        for value in model.state_dict().values():
            value.add_(torch.randn_like(value) if value.is_floating_point() else 1)
        averaged.update_parameters(model)
        for name, value in model.state_dict().items():
            before = expected.get(name, value.clone())
            if value.is_floating_point():
                before = before.lerp(value, max(1 / 4, 1 / (1 + step)))
            expected[name] = before
    for name, value in averaged.module.state_dict().items():
        assert torch.equal(value, expected[name]), name


# Validation


class Logits:
    """A network whose inputs are its logits."""

    classes, mean = 2, torch.zeros(1)

    def __call__(self, z: torch.Tensor) -> torch.Tensor:
        return z


@pytest.mark.parametrize("released", [False, True])
def test_released_accuracy_counts_every_grey_pixel_as_an_error(released):
    """Correct against the thresholded masks are 4 of 6 and 3 of 4 pixels; of these, the greys 100, 200 and 128."""
    masks = [np.array([[0, 100, 200], [255, 255, 0]], np.uint8), np.array([[128, 127, 255, 0]], np.uint8)]
    maps = [np.array([[0.1, 0.2, 0.9], [0.8, 0.3, 0.6]]), np.array([[0.7, 0.7, 0.5, 0.4]])]
    batches = []
    for i, (mask, probability) in enumerate(zip(masks, maps, strict=True)):
        truth, grey = (mask > 127).astype(np.uint8), np.flatnonzero((mask > 0) & (mask < 255))
        z = torch.from_numpy(np.log(probability / (1 - probability)))[None, None]
        batches.append({"inputs": z, "truth": [truth], "grey": [grey], "id": [str(i)]})
    validation = validate(Logits(), batches, grey_is_error=released)
    assert (validation.accuracy, validation.grey) == ((0.4, 0.3) if released else (0.7, 0.0))
    top = np.concatenate([np.maximum(f, 1 - f).ravel() for f in maps])
    assert validation.gap == pytest.approx(top.mean() - 0.7, abs=1e-6)


def test_void_pixels_of_an_image_without_a_hit_do_not_count():
    network = Logits()
    network.classes = 3
    z, truth = torch.zeros(1, 3, 2, 2), np.array([[1, 1], [2, 255]], np.uint8)  # the top class is 0
    batch = {"inputs": z, "truth": [truth], "grey": [np.zeros(0, int)], "id": ["a"]}
    assert validate(network, [batch], grey_is_error=False).accuracy == 0


# Auxiliary heads


class TwoHeads(nn.Module):
    """A decode head and an auxiliary head, each the same logit for each pixel."""

    classes = 2

    def __init__(self):
        super().__init__()
        self.mean, self.decode, self.auxiliary = torch.zeros(1), *(nn.Parameter(torch.tensor(z)) for z in (1.0, 10.0))

    def standardized(self, x):
        return x.float()

    def forward(self, x):
        return self.decode.detach().expand(len(x), 1, 4, 4)

    def weighted_logits(self, x):
        return [(self.decode.expand(len(x), 1, 4, 4), 1.0), (self.auxiliary.expand(len(x), 1, 4, 4), 0.4)]


class MeanLogit(Method):
    _seen: tuple

    def loss(self, z, t):
        return z.mean()

    def image_statistic(self, z, y):
        return z.mean((1, 2, 3))

    def after_step(self, m, index, epoch):
        self._seen = m.tolist(), index.tolist()


def test_an_auxiliary_head_counts_by_its_weight_in_the_loss_only():
    model, method = TwoHeads(), MeanLogit()
    run = TrainingRun(
        model, averaged_model(model, 5), torch.optim.SGD(model.parameters(), 1.0), method, ["a", "b"], 0, {}
    )
    images, masks = torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    assert run.step({"inputs": images, "masks": masks, "index": torch.tensor([1, 0])}, 1) == pytest.approx(5)
    assert [float(z.detach()) for z in model.parameters()] == pytest.approx([1 - 1, 10 - 0.4])
    assert method._seen == ([1, 1], [1, 0])


def test_a_checkpoint_keeps_numbers_and_arrays_of_numpy(tmp_path):
    method = MeanLogit()
    method._seen = np.float32(0.5)
    torch.save(method.state(), tmp_path / "state.pt")
    restored = MeanLogit()
    restored.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    assert restored._seen == method._seen
    assert type(restored._seen) is np.float32


def test_a_diverged_loss_is_refused(stores, tmp_path):
    with pytest.raises(UserError, match=r"training\.lr"):
        run(stores, tmp_path, lr=1e30)
