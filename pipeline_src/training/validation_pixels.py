"""The validation pixels that post-hoc methods are fitted to: logits of a network at the original size of the masks."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline_src.calibrators.pixels import Pixels, image_pixels, joined
from pipeline_src.data.null_images import NullImages
from pipeline_src.rng import generator

if TYPE_CHECKING:
    from pipeline_src.data.store import Store
    from pipeline_src.params.schema import Experiment
    from pipeline_src.training.classifier import DenseClassifier

MOST_LOGITS = 2**23  # of validation pixels, about, are held at once: 64 MB


def validation_pixels(network: DenseClassifier, store: Store, experiment: Experiment, null: float = 0.0) -> Pixels:
    """Valid validation pixels. Of more than 2^23 / K the same share of each image is taken, without replacement and
    keyed by its id, and a taken pixel stands for as many as its image has per taken one: an image weighs
    exactly its valid pixels.

    Args:
        null: share of the weight that null images of the validation images have, in [0, 1).
    """
    from pipeline_src.training.samples import evaluation_batches

    share = MOST_LOGITS / (network.classes * sum(row.height * row.width for row in store.index))
    pixels = pixels_of(network, evaluation_batches(store, experiment, network.mean.device), share)
    if not null:
        return pixels
    added = pixels_of(network, evaluation_batches(NullImages(store), experiment, network.mean.device), share)
    return joined([pixels, added.weighted(pixels.weights.sum() * null / (1 - null))])


def pixels_of(network: DenseClassifier, batches: Iterable[dict[str, Any]], share: float) -> Pixels:
    """A network's valid pixels of batches as those of `evaluation_batches`, or a `share` below 1 of each image's."""
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
