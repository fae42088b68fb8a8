"""Samples of a store: augmented for training in a keyed order, as they are for evaluation in the store's order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import cv2
import numpy as np
import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Sampler

from pipeline_src.data.store import Store
from pipeline_src.params.schema import Augmentation, Experiment
from pipeline_src.rng import generator
from pipeline_src.training.augment import augment


class TrainingSamples(Dataset[dict[str, Any]]):
    """Augmented samples of a store. The key `epoch * N + i` gives image i as it is augmented in that epoch, in any
    process."""

    metainfo: ClassVar[dict[str, Any]] = {}  # mmengine warns of a dataset without it

    def __init__(self, store: Store, augmentation: Augmentation, seed: int):
        self.store, self.augmentation, self.seed = store, augmentation, seed

    def __len__(self) -> int:
        return len(self.store)

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


class KeyedSampler(Sampler[int]):
    """Keys of one epoch's samples, in an order drawn from (seed, epoch); under DDP each rank takes every `world`-th.

    The last ranks repeat first images of the order if N is not a multiple of `world`: all make the same
    number of steps.
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


class EvaluationSamples(Dataset[dict[str, Any]]):
    """Samples of a store as they are, with their truth at original size (H, W) uint8: 0, 1, 255 ignored;
    and the places of grey mask pixels in it, flattened."""

    metainfo: ClassVar[dict[str, Any]] = {}

    def __init__(self, store: Store):
        self.store = store

    def __len__(self) -> int:
        return len(self.store)

    def __getitem__(self, i: int) -> dict[str, Any]:
        image = torch.from_numpy(np.array(self.store.image(i))).permute(2, 0, 1)
        truth, grey = np.array(self.store.truth(i)), np.array(self.store.grey(i))
        return {"inputs": image, "truth": truth, "grey": grey, "id": self.store.ids[i]}


class JoinedSamples(ConcatDataset[dict[str, Any]]):
    """The samples of several datasets, one dataset after the other."""

    metainfo: ClassVar[dict[str, Any]] = {}


def collate(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """Samples as a batch: `inputs` (B, 3, S, S) uint8 stacked, the rest as lists (original sizes differ)."""
    batch: dict[str, Any] = {key: [sample[key] for sample in samples] for key in samples[0]}
    batch["inputs"] = torch.stack(batch["inputs"])
    return batch


def evaluation_batches(store: Store, experiment: Experiment, device: torch.device) -> Iterator[dict[str, Any]]:
    """A store in its order: `inputs` (B, 3, S, S) uint8 on `device`; `truth`, a list of (H, W) uint8 of original sizes,
    255 where ignored; `id`, a list."""
    size, workers = experiment.evaluation.batch_size, experiment.training.workers
    for batch in DataLoader(EvaluationSamples(store), size, num_workers=workers, collate_fn=collate):
        yield batch | {"inputs": batch["inputs"].to(device)}
