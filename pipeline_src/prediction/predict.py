"""The networks of runs over a store, at the images' original size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline_src.data.store import Store
from pipeline_src.params.schema import Experiment
from pipeline_src.training import callbacks
from pipeline_src.training.batches import evaluation_batches
from pipeline_src.training.checkpoint import load_network
from pipeline_src.training.classifier import DenseClassifier
from pipeline_src.training.device import prepare_device
from pipeline_src.training.models.build import build_segmentor, normalization
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


def load(weights: Path, experiment: Experiment, classes: int = 2) -> DenseClassifier:
    """The experiment's network with the `weights` of a run (model.safetensors), in evaluation mode on its device.

    Raises:
        UserError: the file can't be read, or its weights don't fit the network.
    """
    network = experiment.model.network
    segmentor = build_segmentor(network, False, experiment.image_size, classes)
    load_network(weights, segmentor, network)
    model = DenseClassifier(segmentor, normalization(network), amp=experiment.training.amp, classes=classes)
    return model.to(prepare_device(experiment.training)).eval()


def predict(predictor: Predictor, store: Store, experiment: Experiment) -> Iterator[tuple[np.ndarray, np.ndarray, str]]:
    """Predict each image at its original size.

    Yields:
        Probabilities float32 in [0, 1], (H, W) or (K, H, W); ground truth uint8 (H, W); sample id.
    """
    method, networks = predictor.method, predictor.networks
    for batch in evaluation_batches(store, experiment, networks[0].mean.device):
        with torch.inference_mode():
            members = callbacks.logits(method, networks, batch["inputs"], batch["id"], predictor.seed)
            maps = [
                callbacks.probability(method, [z[i] for z in members], truth.shape, predictor.fitted)
                for i, truth in enumerate(batch["truth"])
            ]
        yield from zip(maps, batch["truth"], batch["id"], strict=True)
