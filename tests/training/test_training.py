"""Training runs: the same bits for any number of workers and stops, alphas keyed by sample id."""

from __future__ import annotations

import multiprocessing
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from small_networks import build
from torch import nn
from training_runs import outputs, part_of, run, stopped

from pipeline_src.data.store import Store
from pipeline_src.errors import UserError
from pipeline_src.params.schema import Augmentation, Training
from pipeline_src.rng import generator
from pipeline_src.training import run_checks
from pipeline_src.training.augment import augment
from pipeline_src.training.hooks import learning_rate
from pipeline_src.training.method import Batch
from pipeline_src.training.models.factory import Network
from pipeline_src.training.registry import choose
from pipeline_src.training.samples import KeyedSampler, TrainingSamples


def test_workers_change_no_bit(stores, tmp_path):
    alone = outputs(run(stores, tmp_path / "0", workers=0))
    assert alone == outputs(run(stores, tmp_path / "2", workers=2))
    assert not multiprocessing.active_children(), "the workers end with the run"
    assert len(alone) == 4


def test_slp_with_alpha_zero_is_the_baseline_bit_for_bit(stores, tmp_path):
    slp = run(stores, tmp_path / "slp", "slp", {"alpha": 0.0})
    baseline = run(stores, tmp_path / "baseline", "baseline", {})
    assert (slp / "model.safetensors").read_bytes() == (baseline / "model.safetensors").read_bytes()
    assert not (baseline / "alpha.csv").exists()
    assert (pd.read_csv(slp / "alpha.csv").drop(columns="id") == 0).all(axis=None)


def test_methods_differ(stores, tmp_path):
    slp = run(stores, tmp_path / "slp", "slp", {"alpha": 0.3})
    baseline = run(stores, tmp_path / "baseline", "baseline", {})
    assert (slp / "model.safetensors").read_bytes() != (baseline / "model.safetensors").read_bytes()


def test_alphas_belong_to_their_images(stores, tmp_path):
    out = run(stores, tmp_path, epochs=3)
    table = pd.read_csv(out / "alpha.csv")
    assert table["id"].tolist() == Store(stores["train"]).ids
    assert (table["1"] == 0).all()
    assert table["2"].nunique() > 1
    assert pd.read_csv(out / "history.csv")["mean_alpha"].tolist() == pytest.approx(
        table.drop(columns="id").mean().tolist()
    )


def test_what_happens_to_an_image_does_not_depend_on_the_others(stores, tmp_path):
    """An image left out (`on_problem: skip`) moves all indices, and neither draws nor augmentation of any other."""
    whole = Store(stores["train"])
    fewer = Store(part_of(stores["train"], [i for i in range(len(whole)) if i != 1], tmp_path / "fewer"))
    assert fewer.ids == [*whole.ids[:1], *whole.ids[2:]]
    one, other = (TrainingSamples(store, Augmentation(), seed=0) for store in (whole, fewer))
    method = choose("slp", {"alpha": 0.3}).method
    for i, name in enumerate(fewer.ids):
        k = whole.ids.index(name)
        here, there = other[5 * len(fewer) + i], one[5 * len(whole) + k]
        assert torch.equal(here["inputs"], there["inputs"]) and torch.equal(here["masks"], there["masks"])
        targets = []
        for index, sample, n in ((i, here, len(fewer)), (k, there, len(whole))):
            method.start(n, {})
            targets.append(method.targets(sample["masks"][None] / 255, Batch(np.array([index]), [name], 0, 5)))
        assert torch.equal(*targets)


def test_a_run_stopped_after_any_epoch_ends_in_the_same_bits(stores, tmp_path, monkeypatch):
    whole = outputs(run(stores, tmp_path / "whole", epochs=4))
    start = partial(run, stores, tmp_path / "stopped", epochs=4)
    assert outputs(stopped(monkeypatch, (1, 2, 3, 4), start)) == whole


def test_a_run_with_averaged_weights_that_was_stopped_ends_in_the_same_bits(stores, tmp_path, monkeypatch):
    """ASLP_CL looks at the averaged network, so that its alphas follow from it too."""
    parameters = {"average_epochs": 1.5, "start_epoch": 1}
    whole = outputs(run(stores, tmp_path / "whole", "aslp_cl", parameters, epochs=4))
    start = partial(run, stores, tmp_path / "stopped", "aslp_cl", parameters, epochs=4)
    assert outputs(stopped(monkeypatch, (1, 3), start)) == whole


@pytest.mark.parametrize("device", ["cuda:99", "cpu"])
def test_a_device_that_is_unavailable_is_refused(stores, tmp_path, device):
    with pytest.raises(UserError, match="training"):
        run(stores, tmp_path, device=device, amp="fp16")


def test_a_loss_that_is_not_finite_stops_the_run(stores, tmp_path):
    with pytest.raises(UserError, match="loss is"):
        run(stores, tmp_path, lr=1e30)


def test_one_image_is_too_few(stores, tmp_path):
    folder = part_of(stores["train"], [0], tmp_path / "one")
    with pytest.raises(UserError, match="one image"):
        run({"train": folder, "val": stores["val"]}, tmp_path)


def test_more_images_a_step_than_there_are_are_refused(stores, tmp_path):
    with pytest.raises(UserError, match=r"training.batch_size[\s\S]*11 and 10 training images"):
        run(stores, tmp_path, batch_size=11)


def test_one_image_a_step_is_refused_where_batch_norm_follows_pooling():
    pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, 1, 1), nn.BatchNorm2d(1))
    for module, fits in ((build(1), True), (pooled, False)):
        network = Network(module, 1, "made")
        before = [buffer.clone() for buffer in network.buffers()], torch.random.get_rng_state()
        if fits:
            run_checks.check_single_image(network, 32)
        else:
            with pytest.raises(UserError, match="can't be trained on one image a step"):
                run_checks.check_single_image(network, 32)
        assert all(map(torch.equal, network.buffers(), before[0]))
        assert torch.equal(torch.random.get_rng_state(), before[1])


def test_the_order_is_a_permutation_that_ranks_share():
    order = KeyedSampler(11, seed=0)
    order.set_epoch(4)
    tickets = list(order)
    assert sorted(t - 5 * 11 for t in tickets) == list(range(11))
    shares = [KeyedSampler(11, 0, rank, 2) for rank in range(2)]
    for share in shares:
        share.set_epoch(4)
    halves = [list(share) for share in shares]
    assert [len(half) for half in halves] == [6, 6]
    assert [t for pair in zip(*halves, strict=True) for t in pair][:11] == tickets


def test_the_compounding_schedule():
    """docs/protocol.md: the current rate is multiplied by 0.95^(epoch // 10) after every epoch; 5.4e-6 in epoch 30."""
    training = Training(lr=2.5e-5, schedule="compounding", epochs=30)
    rate, rates = 2.5e-5, []
    for epoch in range(1, 31):
        rates.append(rate)
        rate *= 0.95 ** (epoch // 10)
    assert [learning_rate(training, e) for e in range(1, 31)] == pytest.approx(rates)
    assert rates[-1] == pytest.approx(5.4e-6, rel=0.01)


def test_augmentation_off_changes_nothing():
    rng = np.random.default_rng(0)
    image, mask = rng.integers(0, 256, (32, 32, 3), np.uint8), rng.integers(0, 256, (32, 32), np.uint8)
    off = Augmentation(flip=0, crop=0, rotate_probability=0)
    same = augment(image, mask, generator(1), off)
    assert np.array_equal(same[0], image)
    assert np.array_equal(same[1], mask)
    flipped = augment(image, mask, generator(1), Augmentation(flip=1, crop=0, rotate_probability=0))
    assert np.array_equal(flipped[0], image[:, ::-1])
    assert np.array_equal(flipped[1], mask[:, ::-1])


def test_augmentation_moves_image_and_mask_together():
    ramp = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (64, 1))
    image = np.repeat(ramp[..., None], 3, axis=2)
    for key in range(20):
        moved, mask = augment(image, ramp, generator(key), Augmentation(rotate_probability=0.5))
        assert np.array_equal(moved[..., 0], mask)
        assert mask.max() > 200


def test_a_crop_takes_no_more_than_its_share():
    ramp = np.tile(np.arange(200, dtype=np.uint8), (200, 1))
    image = np.repeat(ramp[..., None], 3, axis=2)
    widths = []
    for key in range(200):
        _, mask = augment(image, ramp, generator(key), Augmentation(flip=0, crop=0.1, rotate_probability=0))
        widths.append(int(mask.max()) - int(mask.min()))
    assert min(widths) >= 199 - 20 - 1
    assert min(widths) < 185
    assert max(widths) > 195


def test_rotations_are_by_degrees():
    """A dot right of the centre moves on its circle by at most so many degrees, and in some epochs by most of them."""
    image, mask = np.zeros((101, 101, 3), np.uint8), np.zeros((101, 101), np.uint8)
    mask[49:52, 89:92] = 255
    settings, angles = Augmentation(flip=0, crop=0, rotate_probability=1, rotate_degrees=30), []
    for key in range(40):
        _, moved = augment(image, mask, generator(key), settings)
        rows, columns = np.nonzero(moved > 127)
        y, x = rows.mean() - 50, columns.mean() - 50
        assert np.hypot(x, y) == pytest.approx(40, abs=1)
        angles.append(np.degrees(np.arctan2(y, x)))
    assert -32 < min(angles) < -20 and 20 < max(angles) < 32


def test_what_a_rotation_brings_in_is_ignored_in_a_mask_of_ids():
    """Ids are never mixed; a soft mask is background there."""
    image, ids = np.full((64, 64, 3), 200, np.uint8), np.full((64, 64), 1, np.uint8)
    ids[:, 32:] = 3
    settings = Augmentation(flip=0, crop=0, rotate_probability=1, rotate_degrees=40)
    outside = 0
    for key in range(10):
        moved, mask = augment(image, ids, generator(key), settings, ids=True)
        assert set(np.unique(mask)) <= {1, 3, 255}
        assert moved[mask == 255].max(initial=0) < 128 and moved[mask != 255].min() > 0
        assert np.all(mask[moved[..., 0] == 0] == 255)
        outside += np.count_nonzero(mask == 255)
        _, soft = augment(image, np.full((64, 64), 255, np.uint8), generator(key), settings)
        assert np.all(soft[moved[..., 0] == 0] == 0)
    assert outside > 1000
