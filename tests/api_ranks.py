"""What the processes of the tests of `pipeline_src.api` do: a share of the images each."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import distributed
from training_runs import process

IMAGES, STEPS = 7, 3


def made(classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities and labels of seven images, with ignored pixels."""
    rng = np.random.default_rng(classes)
    masks = rng.integers(0, classes, (IMAGES, 9, 10))
    if classes == 2:
        p = rng.random((IMAGES, 1, 9, 10))
    else:
        p = rng.dirichlet(np.ones(classes), (IMAGES, 9, 10)).transpose(0, 3, 1, 2)
    masks[:, 0] = 255
    return torch.from_numpy(p.astype(np.float32)), torch.from_numpy(masks)


def measured(classes: int, rank: int, ranks: int) -> dict[str, dict[str, float]]:
    """What both metrics say of the images of a rank and of all that take part."""
    from pipeline_src.api import DenseCalibration
    from pipeline_src.api.mmsegmentation import DenseCalibrationMetric

    p, y = made(classes)
    names = ("ece", "oe", "ece_sweep", "accuracy", "gap")
    one = DenseCalibration(names, bins=15)
    for k in range(rank, IMAGES, ranks):
        one.update(p[k : k + 1], y[k : k + 1])
    other = DenseCalibrationMetric(names, bins=15)
    for k in range(rank, -(-IMAGES // ranks) * ranks, ranks):  # as mmengine's sampler, which starts again at 0
        logits = p[k % IMAGES].log() if classes > 2 else p[k % IMAGES]
        sample = {"seg_logits": {"data": logits}, "gt_sem_seg": {"data": y[k % IMAGES][None]}}
        sample["pred_sem_seg"] = {"data": logits.argmax(0, keepdim=True)}
        other.process(None, [sample])
    values = {name: value.item() for name, value in one.compute().items()}
    return {"torchmetrics": values, "mmengine": other.evaluate(IMAGES)}


def million(rank: int, ranks: int) -> dict[str, float]:
    """The ECE of a million pixels by both metrics, each rank with every other one of its images."""
    from pipeline_src.api import DenseCalibration
    from pipeline_src.api.mmsegmentation import DenseCalibrationMetric

    one, other = DenseCalibration(("ece",)), DenseCalibrationMetric(("ece",))
    for f, y in sure()[rank::ranks]:
        one.update(f[None], y[None])
        other.process(None, [{"seg_logits": {"data": f[None]}, "gt_sem_seg": {"data": y[None]}}])
    return {"torchmetrics": one.compute()["ece"].item(), "mmengine": other.evaluate(4)["calibration/ece"]}


def sure() -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Four images of 500 x 500 over-confident pixels."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal((4, 500, 500), np.float32) * 4
    y = (rng.random(z.shape) < 1 / (1 + np.exp(-z))).astype(np.uint8)
    return list(zip(torch.from_numpy(1 / (1 + np.exp(-1.2 * z))), torch.from_numpy(y), strict=True))


def learned(rank: int, ranks: int) -> list[float]:
    """Levels after steps in which each rank sees other images."""
    from pipeline_src.api import ASLP

    criterion = ASLP(images=4, rule="mc", start_epoch=1)
    criterion.end_epoch(accuracy=0.5)
    p, y = made(2)
    for _ in range(STEPS):
        at = torch.arange(4)[rank::ranks]
        criterion(4 * y[at].clamp(max=1).float() - 2 + p[at, 0], y[at], at)
    return criterion.alphas.tolist()


def as_rank(folder: Path) -> None:
    """One of two processes: writes what it finds to folder/<rank>.json."""
    distributed.init_process_group("gloo")
    rank, ranks = distributed.get_rank(), distributed.get_world_size()
    found = {"object": measured(2, rank, ranks), "classes": measured(3, rank, ranks), "levels": learned(rank, ranks)}
    found["million"] = million(rank, ranks)
    (folder / f"{os.environ['RANK']}.json").write_text(json.dumps(found))
    distributed.destroy_process_group()


def two_ranks(target: Callable[[], Any]) -> None:
    """Call `target` in two processes that compute together (gloo)."""
    port = _free_port()
    ranks = [process(_as_rank, rank, port, target) for rank in range(2)]
    for rank in ranks:
        rank.join()
    assert [rank.exitcode for rank in ranks] == [0, 0]


def _free_port() -> int:
    """A port below the ephemeral ones, which parallel tests look for in different places."""
    for k in range(10_000):
        port = 20_000 + (7 * os.getpid() + k) % 10_000
        with contextlib.suppress(OSError), socket.socket() as free:
            free.bind(("localhost", port))
            return port
    raise AssertionError("no port is free")


def _as_rank(rank: int, port: int, target: Callable[[], Any]) -> None:
    os.environ |= {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
    target()
