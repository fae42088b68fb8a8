"""Batches of a training run, this process's share of them where several train together."""

from __future__ import annotations

import os
from typing import Any

import torch
from torch.utils.data import DataLoader

from pipeline_src.data.null_images import NullImages
from pipeline_src.data.store import Store
from pipeline_src.errors import UserError
from pipeline_src.params.schema import Experiment, Training
from pipeline_src.training.run_checks import check_batch
from pipeline_src.training.samples import EvaluationSamples, JoinedSamples, KeyedSampler, TrainingSamples, collate


def processes() -> tuple[int, int]:
    """The rank of this process, and how many train together."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def training_batches(store: Store, experiment: Experiment, seed: int, device: torch.device) -> DataLoader[Any]:
    """Augmented images in a keyed order, `training.batch_size` over all processes.

    Raises:
        UserError: a step would have more images than there are, or no batch can be made.
    """
    rank, number = processes()
    order = KeyedSampler(len(store), seed, rank, number)
    batch_size = max(1, experiment.training.batch_size // number)
    # A last batch of one image would stop batch norm after global pooling; another image is left out in each epoch.
    lone = batch_size > 1 and len(order) % batch_size == 1
    if lone and len(order) == 1:
        raise UserError(
            "data.train: a step can't be made of one image",
            found=f"{len(store)} images on {number} process(es)",
            expected="two images or more on each",
            fix="take more training images, or fewer processes (`gpus`)",
        )
    check_batch(experiment.training, len(store))
    samples = TrainingSamples(store, experiment.augmentation, seed)
    return DataLoader(samples, batch_size, sampler=order, drop_last=lone, **_loading(experiment.training, device))


def validation_batches(store: Store, training: Training, null_images: bool, device: torch.device) -> DataLoader[Any]:
    """The images as they are and, where a method validates on them, null images made of them."""
    rank, number = processes()
    samples: EvaluationSamples | JoinedSamples = EvaluationSamples(store)
    if null_images:
        samples = JoinedSamples([samples, EvaluationSamples(NullImages(store))])
    share = range(rank, len(samples), number)
    return DataLoader(samples, training.batch_size, sampler=share, collate_fn=collate, **_loading(training, device))


def _loading(training: Training, device: torch.device) -> dict[str, Any]:
    return {
        "num_workers": training.workers,
        "persistent_workers": training.workers > 0,
        "pin_memory": device.type == "cuda",
    }
