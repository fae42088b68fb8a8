"""Batches of the preprocessed images of a split, which a store holds (`data.store`).

Training batches are augmented and in random order; seed and epoch determine both. Batches of
validation and evaluation are unchanged and in order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset

from pipeline_src.data.null_images import NullImages
from pipeline_src.data.store import Store
from pipeline_src.errors import UserError
from pipeline_src.labels import IGNORED
from pipeline_src.params.schema import Augmentation, Experiment, Training
from pipeline_src.rng import generator

Sample = dict[str, Any]


@dataclass
class TrainingSamples(Dataset[Sample]):
    """The images of a store, augmented by draws that depend on seed, epoch and sample id only.

    So any number of worker processes returns the same images.
    """

    store: Store
    augmentation: Augmentation
    seed: int
    epoch: int

    def __len__(self) -> int:
        return len(self.store)

    def __getitem__(self, i: int) -> Sample:
        """Return image `i` after augmentation, with its mask and its index.

        `inputs` is uint8 (3, S, S) and `masks` uint8 (1, S, S): soft in 0..255 for two classes, or
        class ids for K > 2 classes.
        """
        cv2.setNumThreads(0)  # workers fill the cores; threads of OpenCV would compete with them
        image, mask = augment(
            self.store.image(i),
            self.store.masks[i],
            generator(self.seed, self.epoch, self.store.ids[i], "augmentation"),
            self.augmentation,
            class_ids=self.store.classes > 2,
        )
        return {
            "inputs": torch.from_numpy(image).permute(2, 0, 1),
            "masks": torch.from_numpy(mask)[None],
            "index": i,
        }


@dataclass
class EvaluationSamples(Dataset[Sample]):
    """The images of a store: `inputs` (3, S, S) uint8, `truth`, `grey` and `id`.

    `truth` is the ground truth, (H, W) uint8 of original size, 255 where ignored, 254 where no
    class is right. `grey` holds the places in the flattened `truth` of pixels that are grey
    (neither 0 nor 255) in the mask file.
    """

    store: Store

    def __len__(self) -> int:
        return len(self.store)

    def __getitem__(self, i: int) -> Sample:
        """Return image `i` unchanged, with its ground truth, the places of grey pixels, and its id.

        The arrays are copies, because those of a store are read-only.
        """
        return {
            "inputs": torch.from_numpy(np.array(self.store.image(i))).permute(2, 0, 1),
            "truth": np.array(self.store.truth(i)),
            "grey": np.array(self.store.grey(i)),
            "id": self.store.ids[i],
        }


def training_batches(
    store: Store, experiment: Experiment, seed: int, epoch: int
) -> DataLoader[Sample]:
    """Return an epoch's augmented images in a random order, `training.batch_size` at a time.

    Seed and epoch determine the order and the augmentation, so a resumed run repeats them.

    Raises:
        UserError: the batch size is larger than the number of images.
    """
    training = experiment.training
    images = len(store)
    if training.batch_size > images:
        raise UserError(
            "training.batch_size: a step has more images than there are",
            found=f"batch_size: {training.batch_size:,} and {images:,} training images",
            expected=f"{images:,} or fewer",
            fix=f"set `batch_size: {min(images, 16)}`",
        )
    return DataLoader(
        TrainingSamples(store, experiment.augmentation, seed, epoch),
        training.batch_size,
        # Any sequence of numbers of images serves torch as a sampler.
        sampler=generator(seed, epoch, "order").permutation(images).tolist(),
        # A last batch of one image would stop batch norm after global pooling. Each epoch leaves
        # out a different image.
        drop_last=training.batch_size > 1 and images % training.batch_size == 1,
        num_workers=training.workers,
        pin_memory=torch.cuda.is_available(),
    )


def validation_batches(store: Store, training: Training, null_images: bool) -> DataLoader[Sample]:
    """Return the validation images, followed by object-free crops of them if `null_images`.

    Methods that train on object-free crops also need the calibration on such crops.

    Args:
        training: the settings, with the batch size and the number of workers.
    """
    samples: Dataset[Sample] = EvaluationSamples(store)
    if null_images:
        samples = ConcatDataset([samples, EvaluationSamples(NullImages(store))])
    return unchanged_batches(samples, training.batch_size, training)


def evaluation_batches(store: Store, experiment: Experiment) -> DataLoader[Sample]:
    """Return all images of a store, unchanged and in order, `evaluation.batch_size` at a time.

    A batch has `inputs` (B, 3, S, S) uint8, and lists of `truth` (H, W), `grey` and `id`
    (`EvaluationSamples`).
    """
    samples = EvaluationSamples(store)
    return unchanged_batches(samples, experiment.evaluation.batch_size, experiment.training)


def unchanged_batches(
    samples: Dataset[Sample], batch_size: int, training: Training
) -> DataLoader[Sample]:
    """Return batches of `EvaluationSamples` in order: `inputs` (B, 3, S, S), all else as lists.

    Args:
        training: the settings, with the number of workers.
    """
    return DataLoader(
        samples,
        batch_size,
        num_workers=training.workers,
        pin_memory=torch.cuda.is_available(),
        collate_fn=collate,
    )


def collate(samples: list[Sample]) -> Sample:
    """Return samples as a batch: `inputs` stacked, all else as lists, because sizes differ."""
    batch: Sample = {key: [sample[key] for sample in samples] for key in samples[0]}
    batch["inputs"] = torch.stack(batch["inputs"])
    return batch


def augment(
    image: np.ndarray,
    mask: np.ndarray,
    rng: np.random.Generator,
    settings: Augmentation,
    class_ids: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Return a randomly changed image, (S, S, 3) uint8, and its mask, (S, S) uint8, changed as in
    the paper's program.

    One warp flips an image, cuts its borders off, and rotates it. The number of values drawn from
    `rng` does not depend on their values. Areas that a rotation brings in from outside are black
    background, and ignored (255) in a mask of class ids. Pixels are interpolated once, so mask
    edges stay as soft as they were; class ids take the nearest.

    Args:
        image: (S, S, 3) uint8.
        mask: (S, S) uint8, soft in 0..255 or class ids.
        rng: every image draws the same number of values from it.
        class_ids: whether the mask holds class ids.
    """
    side = image.shape[0]
    flip = rng.random() < settings.flip
    cut = rng.uniform(0, settings.crop, size=2) * side  # pixels off the width and the height
    turned = rng.random() < settings.rotate_probability
    angle = np.deg2rad(rng.uniform(-settings.rotate_degrees, settings.rotate_degrees))

    # OpenCV's inverse map: the place (x, y) in the image that a pixel of the result is taken from.
    # It scales by the share that the crop leaves, rotates, then flips, all about the center.
    if not turned:
        angle = 0.0
    cosine = np.cos(angle)
    sine = np.sin(angle)
    linear = np.array([[cosine, -sine], [sine, cosine]]) * (1 - cut / side)
    if flip:
        linear[0] *= -1  # x to the left
    center = (side - 1) / 2
    to_center = np.array([[1, 0, -center], [0, 1, -center], [0, 0, 1]])
    source = np.column_stack([linear, (center, center)]) @ to_center

    smooth = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    nearest = cv2.WARP_INVERSE_MAP | cv2.INTER_NEAREST
    return (
        cv2.warpAffine(image, source, (side, side), flags=smooth),
        cv2.warpAffine(
            mask,
            source,
            (side, side),
            flags=nearest if class_ids else smooth,
            borderValue=IGNORED if class_ids else 0,
        ),
    )
