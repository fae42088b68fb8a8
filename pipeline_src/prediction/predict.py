"""An exported model over a store, into the statistic of docs/protocol.md."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch.utils.data import DataLoader

from pipeline_src.data.store import Store
from pipeline_src.errors import UserError
from pipeline_src.params.schema import Experiment
from pipeline_src.statistics.statistic import Statistic
from pipeline_src.training import machine
from pipeline_src.training.classifier import DenseClassifier
from pipeline_src.training.models.build import build_segmentor, normalisation
from pipeline_src.training.samples import EvaluationSamples, collate

log = logging.getLogger(__name__)


def load(weights: Path, experiment: Experiment, classes: int = 2) -> DenseClassifier:
    """The experiment's network with exported `weights` (model.safetensors), in evaluation mode on its device."""
    config = experiment.model.config
    segmentor = build_segmentor(config, False, experiment.image_size, classes)
    try:
        segmentor.load_state_dict(load_file(weights))
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"{weights} does not fit the model {config}", found=str(error)[:500], do="train it again"
        ) from None
    model = DenseClassifier(segmentor, normalisation(config), amp=experiment.training.amp, classes=classes)
    return model.to(machine.prepare(experiment.training)).eval()


def predict(
    model: DenseClassifier, store: Store, batch_size: int, workers: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray, str]]:
    """(probability (H, W) float32 in [0, 1], truth (H, W) uint8 0 / 1 / 255 ignored, sample id) of each image, at
    original size."""
    device = model.mean.device
    with torch.inference_mode():
        for batch in DataLoader(EvaluationSamples(store), batch_size, num_workers=workers, collate_fn=collate):
            batch["inputs"] = batch["inputs"].to(device)
            yield from model(**batch, mode="predict")


def evaluate(weights: Path, store: Store, experiment: Experiment, name: str) -> Statistic:
    """The statistic of an exported model on a store, raw and stretched."""
    model = load(weights, experiment)
    statistic, started, told = Statistic.empty(), time.perf_counter(), time.perf_counter()
    for count, (probability, truth, sample) in enumerate(
        predict(model, store, experiment.evaluation.batch_size, experiment.training.workers), 1
    ):
        statistic.add(probability, truth, sample)
        if (now := time.perf_counter()) - told > 10 or count == len(store):
            told = now
            log.info("%s  image %d/%d  %.0f images/s", name, count, len(store), count / (now - started))
    return statistic
