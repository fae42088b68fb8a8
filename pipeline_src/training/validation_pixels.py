"""The validation pixels that post-hoc methods are fitted to: logits of a network at the original size of the masks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import ceil
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from pipeline_src.calibrators.pixels import Pixels, image_pixels, joined
from pipeline_src.errors import UserError
from pipeline_src.rng import generator

if TYPE_CHECKING:
    from pipeline_src.data.store import Store
    from pipeline_src.params.schema import Experiment
    from pipeline_src.training.classifier import DenseClassifier

LIMIT = 2**23  # about as many logits of validation pixels are held at once, 64 MB
SMALLEST = 1 / 8  # of the side: a smaller crop has too little in it


def validation_pixels(network: DenseClassifier, store: Store, experiment: Experiment, null: float = 0.0) -> Pixels:
    """Valid validation pixels. Of more than 2^23 / K the same share of each image is taken, without replacement and
    keyed by its id, and a taken pixel stands for as many as its image has per taken one, so that an image weighs
    exactly its valid pixels.

    Args:
        null: share of the weight that `null_batches` have, in [0, 1).
    """
    from pipeline_src.training.samples import evaluation_batches

    share = LIMIT / (network.classes * sum(row.height * row.width for row in store.index))
    pixels = _pixels(network, evaluation_batches(store, experiment, network.mean.device), share)
    if not null:
        return pixels
    added = _pixels(network, null_batches(store, experiment, network.mean.device), share)
    return joined([pixels, added.weighted(pixels.weights.sum() * null / (1 - null))])


def null_batches(store: Store, experiment: Experiment, device: Any) -> Iterator[dict[str, Any]]:
    """Images without an object, as `evaluation_batches`: of each image the largest square of background, resized.

    Raises:
        UserError: the masks are of several classes, or leave no square of an eighth of the side.
    """
    import torch

    if store.classes > 2:
        raise UserError(
            "null images are background alone, and masks of several classes need not have any",
            found=f"{store.classes} classes",
            do="leave out `null_images`",
        )
    size = store.size
    crops = []
    for i, mask in enumerate(store.masks):
        top, left, side = largest_square(np.asarray(mask) == 0)
        if side >= SMALLEST * size:
            crops.append((i, top, left, side))
    if not crops:
        raise UserError(
            "the validation images give no null images",
            found="objects everywhere",
            expected="a square without any, of an eighth of the side",
            do="leave out `null_images`",
        )
    batch = experiment.evaluation.batch_size
    for start in range(0, len(crops), batch):
        images, truths, ids = [], [], []
        for i, top, left, side in crops[start : start + batch]:
            crop = np.ascontiguousarray(store.images[i][top : top + side, left : left + side])
            images.append(torch.from_numpy(cv2.resize(crop, (size, size))).permute(2, 0, 1))
            row = store.index[i]
            truths.append(np.zeros((ceil(row.height * side / size), ceil(row.width * side / size)), np.uint8))
            ids.append(f"{row.id} null")
        yield {"inputs": torch.stack(images).to(device), "truth": truths, "id": ids}


def largest_square(free: np.ndarray) -> tuple[int, int, int]:
    """(top, left, side) of the largest square of (H, W) bool that holds no False; the first of several."""
    sides = np.zeros((free.shape[0] + 1, free.shape[1] + 1), np.int64)  # of the one that ends at a pixel
    for y, row in enumerate(free, 1):
        for x in np.flatnonzero(row) + 1:
            sides[y, x] = 1 + min(sides[y - 1, x - 1], sides[y - 1, x], sides[y, x - 1])
    y, x = np.unravel_index(sides.argmax(), sides.shape)
    side = int(sides[y, x])
    return int(y) - side, int(x) - side, side


def _pixels(network: DenseClassifier, batches: Iterable[dict[str, Any]], share: float) -> Pixels:
    import torch

    from pipeline_src.training.pixels import upsampled

    parts = []
    for batch in batches:
        with torch.inference_mode():
            logits = network(batch["inputs"])
        for z, truth, name in zip(logits, batch["truth"], batch["id"], strict=True):
            chosen = None
            if share < 1:
                valid = np.count_nonzero(truth < network.classes)  # 255 is ignored
                chosen = generator(name, "temperature").choice(valid, ceil(share * valid), replace=False)
            parts.append(image_pixels(upsampled(z[None], truth.shape)[0].cpu().numpy(), truth, chosen))
    return joined(parts)
