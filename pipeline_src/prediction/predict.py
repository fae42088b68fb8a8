"""The networks of runs over a store, at the images' original size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline_src.data.image_io import resize
from pipeline_src.data.store import Store
from pipeline_src.params.schema import Experiment
from pipeline_src.training.batches import evaluation_batches
from pipeline_src.training.checkpoint import load_network
from pipeline_src.training.classifier import DenseClassifier, build_classifier
from pipeline_src.training.posthoc import PostHoc


@dataclass(frozen=True)
class Predictor:
    """One trained network, or several networks and the post-hoc method that uses them.

    Args:
        method: maps logits to probabilities; the default applies sigmoid or softmax to one network.
        seed: key of the method's random draws.
        fitted: the result of the method's `fit`.
    """

    networks: list[DenseClassifier]
    method: PostHoc = field(default_factory=PostHoc)
    seed: int = 0
    fitted: dict[str, Any] = field(default_factory=dict)

    @torch.inference_mode()
    def probabilities(
        self, images: Tensor, ids: list[str], sizes: Sequence[tuple[int, ...]]
    ) -> list[np.ndarray]:
        """Return the probabilities of images (B, 3, S, S) uint8 at their original sizes, as
        `predict` yields them.
        """
        members = self.method.logits(self.networks, images, ids, self.seed)
        return [
            self.method.probability([z[i] for z in members], (size[0], size[1]), self.fitted)
            for i, size in enumerate(sizes)
        ]

    def map_of(self, image: np.ndarray, name: str, size: Sequence[int]) -> np.ndarray:
        """Return the probabilities of an image (S, S, 3) uint8 at its original `size`; `name`: key
        of random draws.
        """
        device = next(self.networks[0].parameters()).device
        x = torch.from_numpy(image.transpose(2, 0, 1).copy())[None].to(device)
        return self.probabilities(x, [name], [tuple(size)])[0]


def load(weights: Path, experiment: Experiment, classes: int = 2) -> DenseClassifier:
    """Return the experiment's network with the `weights` of a run (model.safetensors), for
    evaluation on its device.

    Raises:
        UserError: the file can't be read, or its weights don't fit the network.
    """
    model = build_classifier(experiment, classes, pretrained=False)
    load_network(weights, model.segmentor, experiment.model.config)
    return model.eval()


def predict(
    predictor: Predictor, store: Store, experiment: Experiment
) -> Iterator[tuple[np.ndarray, np.ndarray, str]]:
    """Predict each image at its original size.

    Yields:
        Probabilities float32 in [0, 1], (H, W) or (K, H, W); ground truth uint8 (H, W); sample id.
    """
    for batch in evaluation_batches(store, experiment):
        sizes = [truth.shape for truth in batch["truth"]]
        maps = predictor.probabilities(batch["inputs"], batch["id"], sizes)
        yield from zip(maps, batch["truth"], batch["id"], strict=True)


def predict_image(predictor: Predictor, image: np.ndarray, size: int, name: str) -> np.ndarray:
    """Return the probabilities of an RGB image (H, W, 3) uint8, which is resized to (size, size)
    for the network.

    Args:
        name: key of random draws.
    """
    return predictor.map_of(resize(image, size), name, image.shape[:2])
