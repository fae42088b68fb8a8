"""The predictions of a run's networks for images, at the images' original size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline_src.data.image_io import resize
from pipeline_src.data.store import Store
from pipeline_src.files import Content
from pipeline_src.params.schema import Experiment
from pipeline_src.training.batches import evaluation_batches
from pipeline_src.training.checkpoint import load_network
from pipeline_src.training.classifier import DenseClassifier, build_classifier
from pipeline_src.training.posthoc import PostHoc


@dataclass(frozen=True)
class Predictor:
    """One trained network, or several networks, and the post-hoc method that uses them.

    Attributes:
        networks: the network of a run, or the networks of all seeds for an ensemble.
        method: maps logits to probabilities; the default applies sigmoid or softmax to one network.
        seed: key of the method's random draws.
        fitted: the result of the method's `fit`.
    """

    networks: list[DenseClassifier]
    method: PostHoc = field(default_factory=PostHoc)
    seed: int = 0
    fitted: Content = field(default_factory=dict)

    @torch.inference_mode()
    def probabilities(
        self, images: Tensor, ids: list[str], sizes: Sequence[tuple[int, ...]]
    ) -> list[np.ndarray]:
        """Return the probabilities of each image of a batch at its original size.

        They are float32 in [0, 1], (H, W) for two classes, else (K, H, W).

        Args:
            images: (B, 3, S, S) uint8.
            ids: sample ids of the images, keys of random draws.
            sizes: (H, W) of each image.
        """
        # Each prediction that the method averages, (B, C, h, w).
        predictions = self.method.logits(self.networks, images, ids, self.seed)
        probabilities = []
        for i, (height, width) in enumerate(sizes):
            logits = [z[i] for z in predictions]
            probabilities.append(self.method.probability(logits, (height, width), self.fitted))
        return probabilities

    def map_of(self, image: np.ndarray, name: str, size: Sequence[int]) -> np.ndarray:
        """Return the probabilities of one image at its original size, float32 (H, W) or (K, H, W).

        Args:
            image: (S, S, 3) uint8, resized for the network.
            name: key of random draws.
            size: (H, W).
        """
        device = next(self.networks[0].parameters()).device
        x = torch.from_numpy(image.transpose(2, 0, 1).copy())[None].to(device)
        return self.probabilities(x, [name], [tuple(size)])[0]


def load(weights: Path, experiment: Experiment, classes: int = 2) -> DenseClassifier:
    """Return the experiment's network with the weights of a run, in evaluation mode.

    Args:
        weights: file of the run, model.safetensors.
        classes: K.

    Raises:
        UserError: the file can't be read, or its weights don't fit the network.
    """
    model = build_classifier(experiment, classes, pretrained=False)
    load_network(weights, model.segmentor, experiment.model.config)
    return model.eval()


def predict(
    predictor: Predictor, store: Store, experiment: Experiment
) -> Iterator[tuple[np.ndarray, np.ndarray, str]]:
    """Yield the prediction for each image of a store at its original size, and its ground truth.

    Yields:
        Probabilities float32 in [0, 1], (H, W) or (K, H, W); ground truth uint8 (H, W); sample id.
    """
    for batch in evaluation_batches(store, experiment):
        sizes = [truth.shape for truth in batch["truth"]]
        maps = predictor.probabilities(batch["inputs"], batch["id"], sizes)
        yield from zip(maps, batch["truth"], batch["id"], strict=True)


def predict_image(predictor: Predictor, image: np.ndarray, size: int, name: str) -> np.ndarray:
    """Return the probabilities of an image at its own size, float32 (H, W) or (K, H, W).

    Args:
        image: RGB, (H, W, 3) uint8.
        size: side in pixels to which the image is resized for the network.
        name: key of random draws.
    """
    return predictor.map_of(resize(image, size), name, image.shape[:2])
