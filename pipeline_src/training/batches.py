"""Batches of preprocessed images: augmented in a keyed order for training, unchanged for validation and prediction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Sampler

from pipeline_src.data.null_images import NullImages
from pipeline_src.data.store import Store
from pipeline_src.errors import UserError
from pipeline_src.params.schema import Augmentation, Experiment, Training
from pipeline_src.rng import generator

Sample = dict[str, Any]


class TrainingSamples(Dataset[Sample]):
    """Augmented samples. The key `epoch * N + i` gives image i as it is augmented in that epoch, in any process."""

    def __init__(self, store: Store, augmentation: Augmentation, seed: int):
        self.store, self.augmentation, self.seed = store, augmentation, seed

    def __len__(self) -> int:
        return len(self.store)

    def __getitem__(self, key: int) -> Sample:
        cv2.setNumThreads(0)
        epoch, i = divmod(key, len(self.store))
        rng = generator(self.seed, epoch, self.store.ids[i], "augmentation")
        image, mask = augment(
            self.store.image(i), self.store.masks[i], rng, self.augmentation, self.store.classes > 2
        )
        return {
            "inputs": torch.from_numpy(image).permute(2, 0, 1),
            "masks": torch.from_numpy(mask)[None],
            "index": i,
        }


class EvaluationSamples(Dataset[Sample]):
    """Unchanged samples, with ground truth (H, W) uint8 of original size (255: ignored) and indices of grey pixels."""

    def __init__(self, store: Store):
        self.store = store

    def __len__(self) -> int:
        return len(self.store)

    def __getitem__(self, i: int) -> Sample:
        image = torch.from_numpy(np.array(self.store.image(i))).permute(2, 0, 1)
        truth, grey = np.array(self.store.truth(i)), np.array(self.store.grey(i))
        return {"inputs": image, "truth": truth, "grey": grey, "id": self.store.ids[i]}


class KeyedSampler(Sampler[int]):
    """Keys of one epoch's training samples, in an order drawn from (seed, epoch)."""

    def __init__(self, n: int, seed: int):
        self.n, self.seed, self.epoch = n, seed, 1

    def __iter__(self) -> Iterator[int]:
        order = generator(self.seed, self.epoch, "order").permutation(self.n)
        return iter((self.epoch * self.n + order).tolist())

    def __len__(self) -> int:
        return self.n


def training_batches(store: Store, experiment: Experiment, seed: int) -> DataLoader[Sample]:
    """Return augmented images in a keyed order, `training.batch_size` at a time; `sampler.epoch`
    sets the epoch.

    Raises:
        UserError: a step would have more images than there are.
    """
    training, images = experiment.training, len(store)
    if training.batch_size > images:
        raise UserError(
            "training.batch_size: a step has more images than there are",
            found=f"batch_size: {training.batch_size:,} and {images:,} training images",
            expected=f"{images:,} or fewer",
            fix=f"set `batch_size: {min(images, 16)}`",
        )
    # A last batch of one image would stop batch norm after global pooling; another image is left
    # out in each epoch.
    single = training.batch_size > 1 and images % training.batch_size == 1
    samples, order = (
        TrainingSamples(store, experiment.augmentation, seed),
        KeyedSampler(images, seed),
    )
    return DataLoader(
        samples,
        training.batch_size,
        sampler=order,
        drop_last=single,
        num_workers=training.workers,
        pin_memory=torch.cuda.is_available(),
    )


def validation_batches(store: Store, training: Training, null_images: bool) -> DataLoader[Sample]:
    """Return the validation images, followed by object-free crops of them if `null_images`."""
    samples: Dataset[Sample] = EvaluationSamples(store)
    if null_images:
        samples = ConcatDataset([samples, EvaluationSamples(NullImages(store))])
    return DataLoader(
        samples,
        training.batch_size,
        num_workers=training.workers,
        pin_memory=torch.cuda.is_available(),
        collate_fn=collate,
    )


def evaluation_batches(
    store: Store, experiment: Experiment, device: torch.device
) -> Iterator[dict[str, Any]]:
    """Yield a store in its order: `inputs` (B, 3, S, S) uint8 on `device`; `truth`, a list of (H,
    W) uint8 of original sizes, 255 where ignored; `id`, a list.
    """
    size, workers = experiment.evaluation.batch_size, experiment.training.workers
    for batch in DataLoader(
        EvaluationSamples(store), size, num_workers=workers, collate_fn=collate
    ):
        yield batch | {"inputs": batch["inputs"].to(device)}


def collate(samples: list[Sample]) -> dict[str, Any]:
    """Return samples as a batch: `inputs` (B, 3, S, S) uint8 stacked, the rest as lists (original sizes differ)."""
    batch: dict[str, Any] = {key: [sample[key] for sample in samples] for key in samples[0]}
    batch["inputs"] = torch.stack(batch["inputs"])
    return batch


def augment(
    image: np.ndarray,
    mask: np.ndarray,
    rng: np.random.Generator,
    settings: Augmentation,
    ids: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Return a randomly changed copy of `image` (S, S, 3) uint8 and of its `mask` (S, S) uint8,
    soft in 0..255 or class ids, as in the paper's program: flip, centered crop, rotation, in one
    warp.

    The number of values drawn from `rng` does not depend on their outcome. Areas that a rotation
    brings in from outside are black background, and ignored (255) in a mask of ids. Pixels are
    interpolated once, so mask edges stay as soft as they were; ids take the nearest.
    """
    side = image.shape[0]
    flip = rng.random() < settings.flip
    cut = rng.uniform(0, settings.crop, size=2) * side
    turned = rng.random() < settings.rotate_probability
    angle = rng.uniform(-settings.rotate_degrees, settings.rotate_degrees)

    # Where a pixel of the result comes from: (result) -> crop's scale and offset -> rotation about
    # the center -> flip.
    center = (side - 1) / 2
    scale = np.diag([*(1 - cut / side), 1.0])
    radians = np.deg2rad(angle) if turned else 0.0
    rotation = np.array(
        [[np.cos(radians), -np.sin(radians), 0], [np.sin(radians), np.cos(radians), 0], [0, 0, 1]]
    )
    mirror = np.diag([-1.0 if flip else 1.0, 1.0, 1.0])
    to_center, back = np.eye(3), np.eye(3)
    to_center[:2, 2], back[:2, 2] = -center, center
    source = (back @ mirror @ rotation @ scale @ to_center)[:2]

    def warp(
        picture: np.ndarray, interpolation: int = cv2.INTER_LINEAR, border: int = 0
    ) -> np.ndarray:
        return cv2.warpAffine(
            picture,
            source,
            (side, side),
            flags=interpolation | cv2.WARP_INVERSE_MAP,
            borderValue=border,
        )

    return warp(image), warp(mask, cv2.INTER_NEAREST, 255) if ids else warp(mask)
