"""Batches of preprocessed images: augmented in a keyed order for training, unchanged for validation and prediction."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, ClassVar

import cv2
import numpy as np
import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Sampler

from pipeline_src.data.null_images import NullImages
from pipeline_src.data.store import Store
from pipeline_src.errors import UserError
from pipeline_src.params.schema import Augmentation, Experiment, Training
from pipeline_src.rng import generator
from pipeline_src.training.augment import augment


class Samples(Dataset[dict[str, Any]]):
    """The images of a store; mmengine warns of a dataset without `metainfo`."""

    metainfo: ClassVar[dict[str, Any]] = {}

    def __init__(self, store: Store):
        self.store = store

    def __len__(self) -> int:
        return len(self.store)


class TrainingSamples(Samples):
    """Augmented samples. The key `epoch * N + i` gives image i as it is augmented in that epoch, in any process."""

    def __init__(self, store: Store, augmentation: Augmentation, seed: int):
        super().__init__(store)
        self.augmentation, self.seed = augmentation, seed

    def __getitem__(self, key: int) -> dict[str, Any]:
        cv2.setNumThreads(0)
        epoch, i = divmod(key, len(self.store))
        rng = generator(self.seed, epoch, self.store.ids[i], "augmentation")
        image, mask = augment(self.store.image(i), self.store.masks[i], rng, self.augmentation, self.store.classes > 2)
        return {
            "inputs": torch.from_numpy(image).permute(2, 0, 1),
            "masks": torch.from_numpy(mask)[None],
            "index": i,
            "epoch": epoch,
        }


class EvaluationSamples(Samples):
    """Unchanged samples, with their ground truth at original size (H, W) uint8 (0, 1, 255 ignored) and the flat indices
    of its grey pixels."""

    def __getitem__(self, i: int) -> dict[str, Any]:
        image = torch.from_numpy(np.array(self.store.image(i))).permute(2, 0, 1)
        truth, grey = np.array(self.store.truth(i)), np.array(self.store.grey(i))
        return {"inputs": image, "truth": truth, "grey": grey, "id": self.store.ids[i]}


class JoinedSamples(ConcatDataset[dict[str, Any]]):
    """The samples of several datasets, one dataset after the other."""

    metainfo: ClassVar[dict[str, Any]] = {}


class KeyedSampler(Sampler[int]):
    """Keys of one epoch's training samples, in an order drawn from (seed, epoch). Under DDP each rank takes every
    `world`-th.

    If N is not a multiple of `world`, the last ranks repeat the first images of the order: all take the same number of
    steps.
    """

    def __init__(self, n: int, seed: int, rank: int = 0, world: int = 1):
        self.n, self.seed, self.rank, self.world, self.epoch = n, seed, rank, world, 1

    def set_epoch(self, epoch: int) -> None:
        """Called before each epoch with the number of finished ones; epochs count from 1 here."""
        self.epoch = epoch + 1

    def __iter__(self) -> Iterator[int]:
        order = generator(self.seed, self.epoch, "order").permutation(self.n)
        order = np.resize(order, len(self) * self.world)[self.rank :: self.world]
        return iter((self.epoch * self.n + order).tolist())

    def __len__(self) -> int:
        return -(-self.n // self.world)


def ranks() -> tuple[int, int]:
    """Return the rank of this process, and how many processes train together."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def training_batches(store: Store, experiment: Experiment, seed: int, device: torch.device) -> DataLoader[Any]:
    """Return augmented images in a keyed order, `training.batch_size` over all ranks.

    Raises:
        UserError: a step would have more images than there are.
    """
    training, images, (rank, world) = experiment.training, len(store), ranks()
    order = KeyedSampler(images, seed, rank, world)
    batch_size = max(1, training.batch_size // world)
    # A last batch of one image would stop batch norm after global pooling; another image is left out in each epoch.
    single = batch_size > 1 and len(order) % batch_size == 1
    if training.batch_size > images:
        raise UserError(
            "training.batch_size: a step has more images than there are",
            found=f"batch_size: {training.batch_size:,} and {images:,} training images",
            expected=f"{images:,} or fewer",
            fix=f"set `batch_size: {min(images, 16)}`",
        )
    samples = TrainingSamples(store, experiment.augmentation, seed)
    return DataLoader(samples, batch_size, sampler=order, drop_last=single, **_loading(training, device))


def validation_batches(store: Store, training: Training, null_images: bool, device: torch.device) -> DataLoader[Any]:
    """Return this rank's share of the validation images, followed by object-free crops of them if `null_images`."""
    rank, world = ranks()
    samples: EvaluationSamples | JoinedSamples = EvaluationSamples(store)
    if null_images:
        samples = JoinedSamples([samples, EvaluationSamples(NullImages(store))])
    share = range(rank, len(samples), world)
    return DataLoader(samples, training.batch_size, sampler=share, collate_fn=collate, **_loading(training, device))


def evaluation_batches(store: Store, experiment: Experiment, device: torch.device) -> Iterator[dict[str, Any]]:
    """Yield a store in its order: `inputs` (B, 3, S, S) uint8 on `device`; `truth`, a list of (H, W) uint8 of original
    sizes, 255 where ignored; `id`, a list."""
    size, workers = experiment.evaluation.batch_size, experiment.training.workers
    for batch in DataLoader(EvaluationSamples(store), size, num_workers=workers, collate_fn=collate):
        yield batch | {"inputs": batch["inputs"].to(device)}


def collate(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """Return samples as a batch: `inputs` (B, 3, S, S) uint8 stacked, the rest as lists (original sizes differ)."""
    batch: dict[str, Any] = {key: [sample[key] for sample in samples] for key in samples[0]}
    batch["inputs"] = torch.stack(batch["inputs"])
    return batch


def _loading(training: Training, device: torch.device) -> dict[str, Any]:
    return {
        "num_workers": training.workers,
        "persistent_workers": training.workers > 0,
        "pin_memory": device.type == "cuda",
    }
