"""Augmentation, and that an image's draws depend on nothing but its key."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from training_runs import experiment, run

from pipeline_src.data.store import Store
from pipeline_src.params.schema import Augmentation
from pipeline_src.rng import generator
from pipeline_src.training.batches import TrainingSamples, augment, training_batches
from pipeline_src.training.method import Batch
from pipeline_src.training.registry import choose

OFF = Augmentation(flip=0, crop=0, rotate_probability=0)


def test_slp_with_alpha_zero_is_the_baseline(stores, tmp_path):
    slp = run(stores, tmp_path / "slp", "slp", {"alpha": 0.0})
    baseline = run(stores, tmp_path / "baseline", "baseline", {})
    perturbed = run(stores, tmp_path / "perturbed", "slp", {"alpha": 0.3})
    networks = [(folder / "model.safetensors").read_bytes() for folder in (slp, baseline, perturbed)]
    assert networks[0] == networks[1] != networks[2]
    assert not (slp / "alpha.csv").exists() and (pd.read_csv(slp / "history.csv")["mean_alpha"] == 0).all()


def test_alphas_belong_to_their_images(stores, tmp_path):
    folder = run(stores, tmp_path, epochs=3)
    table = pd.read_csv(folder / "alpha.csv", index_col="id")
    assert table.index.tolist() == Store(stores["train"]).ids
    assert (table["1"] == 0).all() and table["2"].nunique() > 1
    assert pd.read_csv(folder / "history.csv")["mean_alpha"].tolist() == pytest.approx(table.mean().tolist())


def test_an_image_does_not_depend_on_the_others(stores):
    """An image left out (`on_problem: skip`) moves all indices, but no draw or augmentation of any other image."""
    every, fewer = Store(stores["train"]), Store(stores["train"])
    rows = [i for i in range(len(every)) if i != 1]
    fewer.images, fewer.masks, fewer.index = every.images[rows], every.masks[rows], [every.index[i] for i in rows]
    fewer.ids = [every.ids[i] for i in rows]
    method = choose("slp", {"alpha": 0.3}).method
    for i, name in enumerate(fewer.ids):
        samples, targets = [], []
        for store, index in ((fewer, i), (every, every.ids.index(name))):
            samples.append(TrainingSamples(store, Augmentation(), seed=0, epoch=5)[index])
            method.start(len(store), {})
            batch = Batch(np.array([index]), [name], 0, 5)
            targets.append(method.targets(samples[-1]["masks"][None] / 255, batch))
        assert all(torch.equal(samples[0][key], samples[1][key]) for key in ("inputs", "masks"))
        assert torch.equal(*targets)


@pytest.mark.parametrize(("size", "steps"), [(1, 10), (3, 3), (4, 3)])
def test_a_last_batch_of_one_image_is_left_out(stores, size, steps):
    """Of ten images; batches of one image are what was asked for."""
    assert len(training_batches(Store(stores["train"]), experiment(batch_size=size), 0, 0)) == steps


def test_augmentation_off_changes_nothing():
    rng = np.random.default_rng(0)
    image, mask = rng.integers(0, 256, (32, 32, 3), np.uint8), rng.integers(0, 256, (32, 32), np.uint8)
    for flip, expected in ((0, (image, mask)), (1, (image[:, ::-1], mask[:, ::-1]))):
        augmented = augment(image, mask, generator(1), OFF.model_copy(update={"flip": flip}))
        assert all(map(np.array_equal, augmented, expected))


def test_augmentation_moves_image_and_mask_together():
    ramp = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (64, 1))
    image = np.repeat(ramp[..., None], 3, axis=2)
    for key in range(20):
        moved, mask = augment(image, ramp, generator(key), Augmentation(rotate_probability=0.5))
        assert np.array_equal(moved[..., 0], mask)
        assert mask.max() > 200


def test_rotations_are_by_degrees():
    """A dot right of the center moves on its circle by at most so many degrees, and in some epochs by most of them."""
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


def test_pixels_that_a_rotation_brings_in_are_ignored_in_a_mask_of_ids():
    """Ids are never mixed; a soft mask is background there."""
    image, ids = np.full((64, 64, 3), 200, np.uint8), np.full((64, 64), 1, np.uint8)
    ids[:, 32:] = 3
    settings = Augmentation(flip=0, crop=0, rotate_probability=1, rotate_degrees=40)
    outside = 0
    for key in range(10):
        moved, mask = augment(image, ids, generator(key), settings, class_ids=True)
        assert set(np.unique(mask)) <= {1, 3, 255}
        assert moved[mask == 255].max(initial=0) < 128 and moved[mask != 255].min() > 0
        assert np.all(mask[moved[..., 0] == 0] == 255)
        outside += np.count_nonzero(mask == 255)
        _, soft = augment(image, np.full((64, 64), 255, np.uint8), generator(key), settings)
        assert np.all(soft[moved[..., 0] == 0] == 0)
    assert outside > 1000
