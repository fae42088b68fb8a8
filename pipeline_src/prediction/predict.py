"""Exported networks over a store, at the images' original size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch.utils.data import DataLoader

from pipeline_src.data.store import Store
from pipeline_src.errors import UserError
from pipeline_src.params.schema import Experiment
from pipeline_src.training import device as machine
from pipeline_src.training import method_calls as moments
from pipeline_src.training.classifier import DenseClassifier
from pipeline_src.training.models.build import build_segmentor, normalisation
from pipeline_src.training.posthoc import PostHoc
from pipeline_src.training.samples import EvaluationSamples, collate


@dataclass(frozen=True)
class Predictor:
    """What predicts: the one network of a method that trains, or networks and the post-hoc method that uses them.

    Args:
        method: how logits become probabilities; the default takes one network as it is.
        seed: key of the method's draws.
        fitted: what its `fit` gave.
    """

    networks: list[DenseClassifier]
    method: PostHoc = field(default_factory=PostHoc)
    seed: int = 0
    fitted: dict[str, float] = field(default_factory=dict)


def load(weights: Path, experiment: Experiment, classes: int = 2) -> DenseClassifier:
    """The experiment's network with exported `weights` (model.safetensors), in evaluation mode on its device."""
    network = experiment.model.network
    segmentor = build_segmentor(network, False, experiment.image_size, classes)
    try:
        segmentor.load_state_dict(load_file(weights))
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"{weights} does not fit the model {network}", found=str(error)[:500], do="train it again"
        ) from None
    model = DenseClassifier(segmentor, normalisation(network), amp=experiment.training.amp, classes=classes)
    return model.to(machine.prepare(experiment.training)).eval()


def batches(store: Store, experiment: Experiment, device: torch.device) -> Iterator[dict[str, Any]]:
    """A store in its order: `inputs` (B, 3, S, S) uint8 on `device`; `truth`, a list of (H, W)
    uint8 of original sizes, 255 where ignored; `id`, a list."""
    size, workers = experiment.evaluation.batch_size, experiment.training.workers
    for batch in DataLoader(EvaluationSamples(store), size, num_workers=workers, collate_fn=collate):
        yield batch | {"inputs": batch["inputs"].to(device)}


def predict(predictor: Predictor, store: Store, experiment: Experiment) -> Iterator[tuple[np.ndarray, np.ndarray, str]]:
    """(probability float32 in [0, 1], (H, W) or (K, H, W); truth (H, W) uint8; sample id) of each image, at original
    size."""
    method, networks = predictor.method, predictor.networks
    for batch in batches(store, experiment, networks[0].mean.device):
        with torch.inference_mode():
            members = moments.logits(method, networks, batch["inputs"], batch["id"], predictor.seed)
            maps = [
                moments.probability(method, [z[i] for z in members], truth.shape, predictor.fitted)
                for i, truth in enumerate(batch["truth"])
            ]
        yield from zip(maps, batch["truth"], batch["id"], strict=True)
