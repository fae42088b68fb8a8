"""Checks of a run before its training starts."""

from __future__ import annotations

import torch
from torch import nn

from pipeline_src.errors import UserError
from pipeline_src.params.schema import Training
from pipeline_src.training.models.build import all_logits, unchanged


def check_gpus(training: Training) -> None:
    """Raise a UserError if a run asks for more GPUs than the machine has; `device: cpu` trains without them."""
    count = torch.cuda.device_count()
    if training.gpus > max(1, count) and training.device != "cpu":
        raise UserError(
            f"training.gpus: this machine has no {training.gpus} GPUs",
            found=f"{count} CUDA devices",
            expected=f"{training.gpus} or more",
            fix="start the command where they are, or set `gpus: 0`",
        )


def check_batch(training: Training, images: int) -> None:
    """Raise a UserError if a step has more images than the training set."""
    if training.batch_size > images:
        raise UserError(
            "training.batch_size: a step has more images than there are",
            found=f"batch_size: {training.batch_size:,} and {images:,} training images",
            expected=f"{images:,} or fewer",
            fix=f"set `batch_size: {min(images, 16)}`",
        )


def check_single_image(segmentor: nn.Module, image_size: int) -> None:
    """Raise a UserError if a network can't be trained on one image a step: batch norm after global pooling then has one
    value a channel. The network and torch's generator are left as they were."""
    try:
        with unchanged(segmentor), torch.no_grad():
            all_logits(segmentor.train(), torch.zeros(1, 3, image_size, image_size))
    except ValueError as error:
        raise UserError(
            "training.batch_size: this network can't be trained on one image a step",
            found=f"batch_size: 1 a process; {error}",
            expected="two images or more: its batch norm has one value per channel otherwise",
            fix="set `batch_size: 2` or more for each GPU, or a larger image_size",
        ) from None
