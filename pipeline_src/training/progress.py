"""The progress of a training: log lines, and values for trackers such as TensorBoard.

`training.trackers` in params.yaml names the trackers.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline_src.files import reading
from pipeline_src.params.schema import Training

FIRST_STEPS = 20  # after so many steps, the speed of a training is known well enough to log it
log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Progress:
    """Reports the steps and epochs of a training.

    The first log line names the device, the images per second and the estimated end. After each
    epoch there is a log line, and each tracker gets the epoch's values.

    Attributes:
        name: name of the run.
        folder: folder of the trackers' files.
        images: images of all epochs to come, for the estimated end. Validation images count as
            training images, which take longer.
        steps: steps of an epoch.
        done: number of steps of this process until now.
        timed: number of images since the clock of the rate started.
    """

    name: str
    training: Training
    device: torch.device
    folder: Path
    images: int
    steps: int
    done: int = 0
    timed: int = 0

    def __post_init__(self) -> None:
        """Start the trackers, the clock of the rate, and the clock of an epoch."""
        self.trackers = [tracker(settings, self.folder) for settings in self.training.trackers]
        self.clock = time.perf_counter()
        self.epoch_clock = self.clock

    def step(self, images: int) -> None:
        """Count a step with a number of `images`; after the first steps, log the rate and the end.

        The rate is logged once, in images a second.
        """
        self.done += 1
        self.timed += images
        now = time.perf_counter()
        if self.done == min(FIRST_STEPS, self.steps):
            rate = self.timed / (now - self.clock)
            end = datetime.now() + timedelta(seconds=self.images / rate)
            gpu = ""
            if self.device.type == "cuda":
                gpu = torch.cuda.get_device_name(self.device)
            log.info(
                f"{self.name}  on {self.device} {gpu}: {rate:.1f} images a second, "
                f"ends about {end:%Y-%m-%d %H:%M}"
            )
        elif self.done == 1:  # the first step is slower, so it has no share in the rate
            self.timed = 0
            self.clock = now

    def end(self, row: Mapping[str, float], alphas: np.ndarray | None) -> None:
        """Report the end of an epoch in a log line and to the trackers.

        Args:
            row: the epoch's row of history.csv.
            alphas: per training image, the probability that its label is perturbed, (N,); None for
                methods that perturb no label.
        """
        epoch = int(row["epoch"])
        epochs = self.training.epochs
        now = time.perf_counter()
        left = int((now - self.epoch_clock) * (epochs - epoch))
        self.epoch_clock = now
        # A column without a value, such as mean_alpha of the baseline, is no scalar to show.
        values = {key: value for key, value in row.items() if not math.isnan(value)}
        alpha = ""
        if alphas is not None:
            alpha = f"  alpha {row['mean_alpha']:.3f}"
            values["min_alpha"] = float(alphas.min())
            values["max_alpha"] = float(alphas.max())
        log.info(
            f"{self.name}  {epoch:>{len(str(epochs))}}/{epochs}  loss {row['loss']:.3f}  "
            f"acc {row['val_accuracy']:.1%}  ECE {row['val_ece']:.2%}{alpha}  "
            f"{left // 60}:{left % 60:02d} left"
        )
        for backend in self.trackers:
            backend.add_scalars(values, step=epoch)

    def close(self) -> None:
        """Complete the files of the trackers."""
        for backend in self.trackers:
            backend.close()


def tracker(settings: str | dict[str, Any], folder: Path) -> Any:
    """Return a visualization backend of mmengine (TensorBoard, MLflow, ...), ready for values.

    A backend whose library is missing fails here, not after the first epoch.

    Args:
        settings: name of the backend, or a mapping with the name as `type` and its arguments.
        folder: folder of the backend's files.

    Raises:
        UserError: there is no such backend, or it cannot start.
    """
    import mmengine.visualization  # noqa: F401 (registers the backends)
    from mmengine.registry import VISBACKENDS

    options = {"type": settings} if isinstance(settings, str) else settings
    with reading(
        f"training.trackers: {settings} cannot start",
        expected=f"a backend whose package is installed: {', '.join(VISBACKENDS.module_dict)}",
    ):
        backend = VISBACKENDS.build({"save_dir": str(folder)} | options)
        backend.experiment  # noqa: B018 (imports the library of the backend, and opens its files)
    return backend
