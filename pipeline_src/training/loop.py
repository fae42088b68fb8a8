"""One training run: preprocessed images, a method and a seed -> the network of the run, its history and alphas."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
import torch
from mmengine.evaluator import Evaluator
from mmengine.model import MMDistributedDataParallel
from mmengine.runner import Runner

from pipeline_src.data.store import Store
from pipeline_src.files import atomic, write_text
from pipeline_src.params.schema import Experiment
from pipeline_src.rng import torch_seed
from pipeline_src.training import callbacks
from pipeline_src.training.batches import ranks, training_batches, validation_batches
from pipeline_src.training.checkpoint import save_network
from pipeline_src.training.classifier import DenseClassifier
from pipeline_src.training.device import prepare_device
from pipeline_src.training.hooks import (
    AverageHook,
    BroadcastBuffersHook,
    CheckpointHook,
    HistoryHook,
    MethodHook,
    ScheduleHook,
)
from pipeline_src.training.method import Method
from pipeline_src.training.models.build import build_segmentor, normalization
from pipeline_src.training.validation_metric import CalibrationMetric


class _Runner(Runner):
    """mmengine's Runner on the device that params.yaml names; mmengine itself takes the first accelerator it finds."""

    def wrap_model(self, model_wrapper_cfg: dict[str, Any] | None, model: DenseClassifier) -> torch.nn.Module:
        return MMDistributedDataParallel(model, broadcast_buffers=False) if self.distributed else model


@dataclass(frozen=True)
class TrainedRun:
    """The result of a training run; `facts` are metadata of its network files, in JSON's types."""

    model: DenseClassifier
    averaged: DenseClassifier
    history: HistoryHook
    ids: list[str]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write model.safetensors, averaged.safetensors, history.csv, timing.csv, run.json, and alpha.csv of methods
        with alphas."""
        save_network(folder / "model.safetensors", self.model.segmentor, self.facts)
        save_network(folder / "averaged.safetensors", self.averaged.segmentor, self.facts)
        tables = {
            "history.csv": pd.DataFrame(self.history.rows).set_index("epoch"),
            "timing.csv": pd.DataFrame(self.history.timing).set_index("epoch"),
        }
        if self.history.alphas:
            epochs = [str(row["epoch"]) for row in self.history.rows]
            alphas = pd.DataFrame(np.transpose(self.history.alphas), index=self.ids, columns=epochs)
            tables["alpha.csv"] = alphas.rename_axis("id")
        for name, table in tables.items():
            with atomic(folder / name) as temporary:
                table.to_csv(temporary, lineterminator="\n")
        sizes = {"parameters": sum(p.numel() for p in self.model.parameters()), "images": len(self.ids)}
        write_text(folder / "run.json", json.dumps(sizes, indent=2) + "\n")


def train(
    train_store: Store,
    val_store: Store,
    experiment: Experiment,
    method: Method,
    seed: int,
    work: Path,
    name: str,
    references: dict[str, list[float]] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> TrainedRun:
    """Train a network with `method`, or resume where an earlier call with the same `work` folder was stopped.

    The result depends on the device and on the arguments except `work` and `name`. It is bit-identical however often
    the run was killed, and for any number of workers.

    Args:
        references: validation accuracies by epoch of the methods that `method.references()` names.
        work: folder of the checkpoints of this run and no other.
        name: of the run, in progress lines.
        facts: metadata of the network files.
    """
    training = experiment.training
    device = prepare_device(training)
    classes = train_store.classes
    train_batches = training_batches(train_store, experiment, seed, device)
    val_batches = validation_batches(val_store, training, method.validates_null, device)
    callbacks.start(method, len(train_store), references or {}, classes)
    torch.manual_seed(torch_seed(seed, "weights"))
    network = experiment.model.network
    segmentor = build_segmentor(network, experiment.model.pretrained, experiment.image_size, classes)
    model = DenseClassifier(segmentor, normalization(network), method, train_store.ids, seed, training.amp, classes)
    history = HistoryHook(method, name)
    epochs = method.average_epochs or training.average_epochs
    average = AverageHook(epochs * len(train_batches), validate=bool(method.average_epochs))
    checkpoints = CheckpointHook(work, method, history, average)
    runner = _Runner(
        model=model.to(device),
        work_dir=str(work),
        train_dataloader=train_batches,
        train_cfg={"by_epoch": True, "max_epochs": training.epochs},
        val_dataloader=val_batches,
        val_cfg={},
        val_evaluator=Evaluator(CalibrationMetric(training.accuracy_on == "released")),
        optim_wrapper={
            "type": "AmpOptimWrapper" if training.amp == "fp16" else "OptimWrapper",  # only fp16 needs loss scaling
            "optimizer": {"type": "Adam", "lr": training.lr, "weight_decay": training.weight_decay},
        },
        default_hooks=dict.fromkeys(  # none of mmengine's
            ("runtime_info", "timer", "sampler_seed", "logger", "param_scheduler", "checkpoint")
        ),
        custom_hooks=[
            *(ScheduleHook(training, seed), average, BroadcastBuffersHook()),
            *(MethodHook(method), history, checkpoints),
        ],
        launcher="pytorch" if ranks()[1] > 1 else "none",
        randomness={"seed": seed},
        log_level="WARNING",
        default_scope="mmseg",
        experiment_name=uuid4().hex,  # mmengine keeps global state by this name
    )
    try:
        runner.train()
    finally:
        # Ends the workers. The garbage collector would close their queues first, and each would take 5 s.
        train_batches._iterator = val_batches._iterator = None
    averaged = average.ema_model.module
    return TrainedRun(averaged if method.average_epochs else model, averaged, history, train_store.ids, facts or {})
