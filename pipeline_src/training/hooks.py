"""Hooks of mmengine's training loop: learning rate and seeds, weight average, method, history, checkpoints."""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_gather_object, broadcast, is_main_process, master_only
from mmengine.hooks import EMAHook, Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from pipeline_src.errors import UserError
from pipeline_src.logs import epoch_line
from pipeline_src.params.schema import Training
from pipeline_src.rng import torch_seed
from pipeline_src.training import callbacks, checkpoint
from pipeline_src.training.classifier import DenseClassifier
from pipeline_src.training.method import Method

log = logging.getLogger(__name__)


def learning_rate(training: Training, epoch: int) -> float:
    """Return the rate in an epoch, from 1. `compounding`: the current rate times 0.95^(e // 10) after each epoch e."""
    if training.schedule == "constant":
        return training.lr
    return training.lr * 0.95 ** sum(e // 10 for e in range(1, epoch))


def classifier(runner: Runner) -> DenseClassifier:
    """Return the runner's model without its DDP wrapper."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


class ScheduleHook(Hook):
    """Sets the order of images, the learning rate and torch's seed (dropout) from seed, epoch and step. A resumed run
    needs no saved state for them."""

    def __init__(self, training: Training, seed: int):
        self.training, self.seed = training, seed

    def before_train_epoch(self, runner: Runner) -> None:
        runner.train_loop.dataloader.sampler.set_epoch(runner.epoch)
        for group in runner.optim_wrapper.optimizer.param_groups:
            group["lr"] = learning_rate(self.training, runner.epoch + 1)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        torch.manual_seed(torch_seed(self.seed, runner.epoch + 1, batch_idx, runner.rank, "torch"))


class BroadcastBuffersHook(Hook):
    """Copies the running statistics of rank 0, which follow its own images, to all ranks before each validation."""

    def before_val_epoch(self, runner: Runner) -> None:
        for buffer in classifier(runner).buffers():
            broadcast(buffer)


class AverageHook(EMAHook):
    """Averages weights and running statistics exponentially over about the last `steps` steps; equally until so many
    steps are done. `validate`: whether the averaged network is validated in place of the last one."""

    def __init__(self, steps: float, validate: bool = False):
        super().__init__("MomentumAnnealingEMA", momentum=1 / max(steps, 2), gamma=1, update_buffers=True)
        self.validate = validate

    def before_val_epoch(self, runner: Runner) -> None:
        if self.validate:
            super().before_val_epoch(runner)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, Any]) -> None:
        if self.validate:
            super().after_val_epoch(runner, metrics)


class MethodHook(Hook):
    """Calls the method after a step and after an epoch's validation."""

    def __init__(self, method: Method):
        self.method = method

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        statistic = classifier(runner).image_statistic
        if statistic is not None:
            for m, index in all_gather_object(statistic):  # all ranks make all updates, so alphas agree
                callbacks.call(self.method, "after_step", m, index, runner.epoch + 1)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, Any]) -> None:
        callbacks.call(self.method, "after_validation", metrics["val/validation"], runner.epoch)


class HistoryHook(Hook):
    """Collects the `rows` of history.csv, `timing` and the alphas of methods that have them; logs a line per epoch."""

    def __init__(self, method: Method, name: str):
        self.method, self.name = method, name
        self.rows: list[dict[str, float]] = []
        self.losses: list[float] = []  # of the steps of an epoch
        self.timing: list[dict[str, float]] = []
        self.alphas: list[np.ndarray] = []

    def before_train_epoch(self, runner: Runner) -> None:
        self.started, self.losses, self.images = time.perf_counter(), [], 0

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        loss = float(outputs["loss"].detach())
        if not math.isfinite(loss):
            raise UserError(
                f"{self.name}: the loss is {loss} in epoch {runner.epoch + 1}",
                fix="lower training.lr, or set `amp: off`; the run's last checkpoint is kept",
            )
        self.losses.append(loss)
        self.images += len(data_batch["inputs"]) * runner.world_size

    def after_train_epoch(self, runner: Runner) -> None:
        self.trained = time.perf_counter()

    def after_val_epoch(self, runner: Runner, metrics: dict[str, Any]) -> None:
        now = time.perf_counter()
        alphas = self.method.alphas
        row = {
            "epoch": runner.epoch,
            "lr": runner.optim_wrapper.get_lr()["lr"][0],
            "loss": float(np.mean(self.losses)),
            "val_accuracy": metrics["val/accuracy"],
            "val_ece": metrics["val/ece"],
            "mean_alpha": float("nan") if alphas is None else float(alphas.mean()),
        }
        row |= callbacks.history_values(self.method, row)
        speed = self.images / (self.trained - self.started)
        self.rows.append(row)
        self.timing.append({"epoch": runner.epoch, "images_per_second": speed, "seconds": now - self.started})
        if alphas is not None:
            self.alphas.append(alphas.copy())
        if is_main_process():
            left = np.mean([t["seconds"] for t in self.timing[-10:]]) * (runner.max_epochs - row["epoch"])
            log.info(epoch_line(self.name, row, runner.max_epochs, int(left)))


class CheckpointHook(Hook):
    """Saves a checkpoint in `folder` after each epoch, and starts from the last undamaged one."""

    priority = "VERY_LOW"  # after the other hooks

    def __init__(self, folder: Path, method: Method, history: HistoryHook, average: AverageHook):
        self.folder, self.method, self.history, self.average = folder, method, history, average

    @master_only
    def after_val_epoch(self, runner: Runner, metrics: dict[str, Any]) -> None:
        state = callbacks.call(self.method, "state")
        content = {
            "epoch": runner.epoch,
            "model": classifier(runner).state_dict(),
            "average": self.average.ema_model.state_dict(),
            "optimizer": runner.optim_wrapper.state_dict(),
            "method": checkpoint.packed(state, callbacks.full_name(self.method, "state").removesuffix("()")),
            "history": self.history.rows,
            "timing": self.history.timing,
            "alphas": torch.from_numpy(np.array(self.history.alphas)),
        }
        checkpoint.save(self.folder, runner.epoch, content)

    def before_train(self, runner: Runner) -> None:
        saved = checkpoint.load(self.folder)
        if saved is None:
            return
        classifier(runner).load_state_dict(saved["model"])
        self.average.ema_model.load_state_dict(saved["average"])
        runner.optim_wrapper.load_state_dict(saved["optimizer"])
        callbacks.call(self.method, "restore", checkpoint.unpacked(saved["method"]))
        self.history.rows, self.history.timing = saved["history"], saved["timing"]
        self.history.alphas = list(saved["alphas"].numpy())
        loop = runner.train_loop
        loop._epoch, loop._iter = saved["epoch"], saved["epoch"] * len(loop.dataloader)
        log.info("%s  resumes after epoch %d", self.history.name, saved["epoch"])
