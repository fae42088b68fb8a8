"""The progress of a training: log lines, and the trackers that the settings name. It changes no result."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline_src.errors import UserError, did_you_mean
from pipeline_src.params.schema import Training

FIRST_STEPS = 20  # after which the rate of a training is known
log = logging.getLogger(__name__)


class Progress:
    """Reports the steps and epochs of a training.

    The first line names the device, the rate and the estimated end. Each epoch has a line, and a step in each tracker.

    Args:
        name: name of the run.
        images: images of an epoch, including validation, which the estimated end takes for as slow as training.
        folder: folder of the trackers' files.
    """

    def __init__(
        self, name: str, training: Training, device: torch.device, images: int, folder: Path
    ):
        self.name = name
        self.epochs = training.epochs
        self.device = device
        self.images = images
        self.trackers = [tracker(settings, folder) for settings in training.trackers]
        self.steps = 0
        self.timed = 0  # images since the clock started
        self.clock = self.epoch_clock = time.perf_counter()

    def start(self, epoch: int) -> None:
        """Start the clock of an epoch."""
        self.epoch_clock = time.perf_counter()
        self.left = (self.epochs - epoch + 1) * self.images

    def step(self, images: int) -> None:
        """Count a step. The first one is slower, so the clock of the rate starts after it."""
        self.steps += 1
        self.left -= images
        if self.steps == 1:
            self.clock = time.perf_counter()
        else:
            self.timed += images
        if self.steps == FIRST_STEPS:
            self._log_rate(self.timed / (time.perf_counter() - self.clock))

    def end(self, row: Mapping[str, float], alphas: np.ndarray | None) -> None:
        """Report an epoch: its row of history.csv, and the perturbation level of each image."""
        epoch = int(row["epoch"])
        seconds = time.perf_counter() - self.epoch_clock
        if self.steps < FIRST_STEPS:  # a short first epoch
            self.steps = FIRST_STEPS
            self.left = (self.epochs - epoch) * self.images
            self._log_rate(self.images / seconds)
        left = int(seconds * (self.epochs - epoch))
        alpha = "" if math.isnan(row["mean_alpha"]) else f"  alpha {row['mean_alpha']:.3f}"
        log.info(
            f"{self.name}  {epoch:>{len(str(self.epochs))}}/{self.epochs}  loss {row['loss']:.3f}  "
            f"acc {row['val_accuracy']:.1%}  ECE {row['val_ece']:.2%}{alpha}  "
            f"{left // 60}:{left % 60:02d} left"
        )
        values = {key: value for key, value in row.items() if not math.isnan(value)}
        del values["epoch"]
        if alphas is not None:
            for percent in (0, 10, 50, 90, 100):
                values[f"alpha_{percent}_percent"] = float(np.percentile(alphas, percent))
        for backend in self.trackers:
            backend.add_scalars(values, step=epoch)

    def close(self) -> None:
        """Complete the files of the trackers."""
        for backend in self.trackers:
            backend.close()

    def _log_rate(self, rate: float) -> None:
        """Log the first line of a training, from its images a second."""
        end = datetime.now() + timedelta(seconds=self.left / rate)
        device = str(self.device)
        if self.device.type == "cuda":
            device = f"{device} ({torch.cuda.get_device_name(self.device)})"
        log.info(
            "%s  on %s: %.1f images a second, ends about %s",
            self.name,
            device,
            rate,
            f"{end:%Y-%m-%d %H:%M}",
        )


def tracker(settings: str | Mapping[str, Any], folder: Path) -> Any:
    """Return a visualization backend of mmengine, ready for values.

    Args:
        settings: its name, or a mapping with the name as `type` and its arguments.

    Raises:
        UserError: there is no such backend, or it cannot start.
    """
    import mmengine.visualization  # noqa: F401 (registers the backends)
    from mmengine.registry import VISBACKENDS

    options = {"type": settings} if isinstance(settings, str) else dict(settings)
    name = str(options.get("type"))
    try:
        backend = VISBACKENDS.build({"save_dir": str(folder), **options})
        backend.experiment  # noqa: B018 (backends import their library and open their files at the first use)
    except Exception as error:  # those of many libraries
        names = list(VISBACKENDS.module_dict)
        raise UserError(
            f"training.trackers: {name} cannot start",
            found=f"{type(error).__name__}: {error}",
            expected=", ".join(names),
            fix="install its package" if name in names else did_you_mean(name, names),
        ) from error
    return backend
