"""What a run does with its settings: steps, their draws and rates, the averaged network, and what is validated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch
from made_statistics import counted, summaries
from safetensors.torch import load_file
from training_runs import experiment, run

from pipeline_src.data.store import Store
from pipeline_src.prediction.predict import Predictor, load, predict
from pipeline_src.training import loop
from pipeline_src.training.batches import training_batches
from pipeline_src.training.hooks import AverageHook, learning_rate
from pipeline_src.training.method import Method


@pytest.fixture
def weights(monkeypatch) -> list[dict[str, torch.Tensor]]:
    """Those of a run with averaged weights after each of its steps."""
    seen = []

    class Noted(AverageHook):
        def after_train_iter(self, runner, *arguments, **named):
            seen.append({name: value.clone() for name, value in runner.model.segmentor.state_dict().items()})
            super().after_train_iter(runner, *arguments, **named)

    monkeypatch.setattr(loop, "AverageHook", Noted)
    return seen


def test_the_exported_network_is_validated_on_all_validation_images(stores, tmp_path):
    """One that is trained on a few images and validated on others, which do not fill the last batch."""
    folder, of, val = run(stores, tmp_path, "baseline", {}, epochs=2, batch_size=4), experiment(), Store(stores["val"])
    maps = list(predict(Predictor([load(folder / "model.safetensors", of)]), val, of))
    assert [name for *_, name in maps] == val.ids
    values, _ = summaries(counted(maps, whole=False))["raw"]
    last = pd.read_csv(folder / "history.csv").iloc[-1]
    assert last["val_accuracy"] == pytest.approx(values["accuracy"], abs=1e-6)
    assert last["val_ece"] == pytest.approx(values["ece"], abs=1e-6)


def test_each_epoch_has_its_order_augmentation_rate_and_draws(stores, tmp_path, monkeypatch):
    """Eleven epochs of three steps; the compounding schedule lowers the rate after the tenth."""
    epochs, steps, images = 11, 3, 10
    order, augmented, losses, seeds = [], defaultdict(list), [], []

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

    monkeypatch.setattr("training_runs.choose", lambda name, block: type("Chosen", (), {"method": Noting()}))
    settings = {"epochs": epochs, "schedule": "compounding"}
    history = pd.read_csv(run(stores, tmp_path, **settings) / "history.csv")
    orders = [tuple(order[k : k + images]) for k in range(0, len(order), images)]
    assert [sorted(of) for of in orders] == [list(range(images))] * epochs, "a last batch of two is trained on"
    assert len(set(orders)) == epochs
    assert all(len(set(of)) == epochs for of in augmented.values())
    assert len(set(seeds)) == epochs * steps
    rates = [learning_rate(experiment(**settings).training, e) for e in range(1, epochs + 1)]
    assert history["lr"].tolist() == pytest.approx(rates, rel=1e-12) and rates[-1] < rates[0]
    assert history["loss"].tolist() == pytest.approx(np.reshape(losses, (epochs, steps)).mean(1).tolist())


@pytest.mark.parametrize(("batch_size", "images"), [(3, 9), (4, 10), (5, 10)])
def test_one_image_is_left_out_where_it_would_be_a_batch_alone(stores, batch_size, images):
    batches = training_batches(Store(stores["train"]), experiment(batch_size=batch_size), 0, torch.device("cpu"))
    assert sum(len(batch["inputs"]) for batch in batches) == images


@pytest.mark.parametrize("pretrained", [False, True])
def test_network_and_optimiser_are_those_of_the_settings(stores, tmp_path, monkeypatch, pretrained):
    asked, runners = [], []
    settings = {"epochs": 1, "lr": 0.02, "weight_decay": 0.03}

    class Kept(loop._Runner):
        def train(self) -> None:
            runners.append(self)
            super().train()

    def build(network: str, pretrained: bool, *more: int, of: Callable = loop.build_segmentor) -> torch.nn.Module:
        asked.append(pretrained)
        return of(network, pretrained, *more)

    monkeypatch.setattr(loop, "_Runner", Kept)
    monkeypatch.setattr(loop, "build_segmentor", build)
    of = experiment(**settings)
    of = of.model_copy(update={"model": of.model.model_copy(update={"pretrained": pretrained})})
    monkeypatch.setattr("training_runs.experiment", lambda **_: of)
    run(stores, tmp_path, "baseline", {})
    (optimiser,) = (runner.optim_wrapper.optimizer for runner in runners)
    assert asked == [pretrained]
    assert type(optimiser) is torch.optim.Adam
    assert (optimiser.param_groups[0]["lr"], optimiser.param_groups[0]["weight_decay"]) == (0.02, 0.03)


def test_averaged_weights_are_the_mean_of_those_after_each_step(stores, tmp_path, weights):
    """As long as the window is not full. They are what is exported, and what is validated."""
    averaged = run(stores, tmp_path / "averaged", "slp", {"average_epochs": 100}, epochs=2)
    last = run(stores, tmp_path / "last", "slp", {}, epochs=2, average_epochs=100)
    exported, others = (load_file(folder / "model.safetensors") for folder in (averaged, last))
    alike = load_file(last / "averaged.safetensors")
    assert all(torch.equal(value, alike[name]) for name, value in exported.items())
    for name, value in exported.items():
        if value.is_floating_point():
            assert torch.allclose(value, torch.stack([step[name] for step in weights]).mean(0), atol=1e-6), name
            assert torch.equal(weights[-1][name], others[name]), "training itself is that without an average"
    history, other = (pd.read_csv(folder / "history.csv") for folder in (averaged, last))
    assert history["loss"].tolist() == other["loss"].tolist()
    assert history["val_ece"].tolist() != other["val_ece"].tolist(), "the averaged network is validated"


def test_once_the_window_is_full_older_weights_fade(stores, tmp_path, weights):
    """A window of an epoch, three steps: from the third on, each new step counts a third."""
    averaged = run(stores, tmp_path, "baseline", {"average_epochs": 1}, epochs=3)
    exported = load_file(averaged / "model.safetensors")
    assert len(weights) == 9
    for name, value in exported.items():
        if value.is_floating_point():
            mean = weights[0][name]
            for k, step in enumerate(weights[1:], 2):
                mean = mean + (step[name] - mean) / min(k, 3)
            assert torch.allclose(value, mean, atol=1e-6), name
