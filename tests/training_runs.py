"""Short training runs of small networks, in this process or in others, and the methods that they train with."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_networks import SMALL

from pipeline_src.data.store import IndexRow, Store
from pipeline_src.params.schema import Experiment
from pipeline_src.training import checkpoint
from pipeline_src.training.loop import TrainingRun, train
from pipeline_src.training.method import Method
from pipeline_src.training.registry import choose, method_names

EARLY = {"start_epoch": 1}
VARIANTS = {
    "slp": {"alpha": 0.1},
    "slp-dm": {"alpha": 0.2, "beta": 0.5, "noise": 0.25},
    "aslp_mc-expected": {"form": "expected"} | EARLY,
    "aslp_mc-default": {"beta": 2.0} | EARLY,
    "aslp_mc-last": {"theta_lm": "last_epoch"} | EARLY,
    "focal-fixed": {"schedule": "fixed"},
    # MMCE's penalty is not convex: at its default weight a small network can rest where it does not classify.
    "mmce": {"weight": 0.1},
}
NAMES = method_names()
CASES = sorted({name for name in NAMES if isinstance(choose(name, {}).method, Method)} | VARIANTS.keys())


def block(case: str) -> dict[str, Any]:
    """Parameters with which a case does something within a few epochs; `method:` names its code."""
    method = case.partition("-")[0]
    early = EARLY if "start_epoch" in type(choose(method, {}).method).model_fields else {}
    return {"method": method} | VARIANTS.get(case, early)


def experiment(network: str = SMALL, augmentation: dict | None = None, **training) -> Experiment:
    """The settings of a run of a network of `small_networks`."""
    return Experiment(
        data={"train": {"set": "x"}, "val": {"set": "x"}, "id": {}},
        image_size=32,
        model={"config": network, "pretrained": False},
        augmentation=augmentation or {},
        training={"batch_size": 4, "epochs": 3} | training,
    )


def run(
    stores: dict[str, Path],
    folder: Path,
    name: str = "aslp_mc",
    block: dict | None = None,
    out: str = "out",
    **training,
) -> Path:
    """A finished run in folder/out."""
    method = choose(name, EARLY if block is None else block).method
    opened = (Store(stores[split]) for split in ("train", "val"))
    trained(*opened, experiment(**training), method, folder / "work").write(folder / out)
    return folder / out


def trained(train_store, val_store, settings: Experiment, method: Method, work: Path, seed: int = 0) -> TrainingRun:
    """A finished run, with trackers in its folder of checkpoints."""
    return train(
        train_store, val_store, settings, method, seed=seed, work=work, name="run", references={}, trackers=work
    )


def outputs(folder: Path) -> dict[str, bytes]:
    names = ("model.safetensors", "averaged.safetensors", "history.csv", "alpha.csv")
    return {name: (folder / name).read_bytes() for name in names if (folder / name).exists()}


class Stopped(Exception):
    pass


def stopped(monkeypatch, epochs: Iterable[int], start: Callable[[], Path]) -> Path:
    """The run that `start` makes, stopped after its checkpoint of each of `epochs` and started again."""
    save = checkpoint.save
    for last in epochs:

        def save_and_stop(folder, epoch, content, last=last):
            save(folder, epoch, content)
            if epoch == last:
                raise Stopped

        with monkeypatch.context() as patch, pytest.raises(Stopped):
            patch.setattr(checkpoint, "save", save_and_stop)
            start()
    return start()


@dataclass
class MadeStore:
    """What training needs of a data store, in memory: `truths` (N, S, S) uint8 class ids, 255 where ignored."""

    images: np.ndarray
    truths: np.ndarray
    classes: int

    @property
    def masks(self) -> np.ndarray:
        return 255 * self.truths if self.classes == 2 else self.truths

    @property
    def size(self) -> int:
        return self.images.shape[1]

    @property
    def index(self) -> list[IndexRow]:
        return [IndexRow(name, *truth.shape, 0, 0, "", "") for name, truth in zip(self.ids, self.truths, strict=True)]

    @property
    def ids(self) -> list[str]:
        return [f"made/{i}" for i in range(len(self.images))]

    def __len__(self) -> int:
        return len(self.images)

    def image(self, i: int) -> np.ndarray:
        return self.images[i]

    def truth(self, i: int) -> np.ndarray:
        return self.truths[i]

    def grey(self, i: int) -> np.ndarray:
        return np.empty(0, np.int32)


class Colored:
    """A network whose logits are the colors of its images, a channel a class."""

    def __init__(self, channels: int):
        self.classes, self.mean, self.channels = max(channels, 2), torch.zeros(1), channels

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return (x[:, : self.channels].float() - 128) / 32


# Other processes. They are forked from a server that has imported what a run needs, once.


def process(target: Callable[..., Any], *arguments: Any) -> multiprocessing.Process:
    """A started process that calls `target`, a function of a module in tests/."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pipeline_src.training.loop", "mmseg.models", "matplotlib.pyplot"])
    started = context.Process(target=target, args=arguments)
    started.start()
    return started
