"""Measure training and evaluation of the experiment `paper`: images a second and peak memory.

    python benchmarks/gpu.py [--device cuda] [--steps 30]

The rows of the table in Markdown differ in two parts of the program. One is how maps are resized on
a GPU under `torch.use_deterministic_algorithms`: by two matrix products, or by the decomposition
that PyTorch takes. The other is how weights are averaged: all tensors at once, or one by one. On a
CPU both ways of resizing are the same. Images are random. Each value has a process of its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from pipeline_src.counting.accumulate import Accumulator
from pipeline_src.counting.sample import checked
from pipeline_src.params.load import read, resolve
from pipeline_src.params.schema import Experiment
from pipeline_src.pipeline.manifest import peak_memory, processor
from pipeline_src.prediction.predict import Predictor
from pipeline_src.training import pixels
from pipeline_src.training.classifier import DenseClassifier, build_classifier
from pipeline_src.training.loop import TrainingRun, averaged_model
from pipeline_src.training.method import Method, Validation
from pipeline_src.training.models import modules
from pipeline_src.training.registry import choose

PARAMS = Path(__file__).parents[1] / "params.yaml"
WARM = 3  # steps before the timed ones
ORIGINAL = (300, 400)  # size of an image in evaluation


class Task(NamedTuple):
    """What is measured: `work` is train or evaluate, of `batch` images of `size` pixels a side, by
    matrix `products` or PyTorch's resizing, and by averages of all weights `at_once` or one by one.
    """

    work: str
    products: bool
    at_once: bool
    size: int
    batch: int
    steps: int
    device: str


class Result(NamedTuple):
    """Images a second, and peak memory in MiB."""

    rate: float
    memory: int


def settings(task: Task) -> Experiment:
    """Return the settings of the experiment `paper` with device, size and batch of a task."""
    _, paper = resolve(read(PARAMS), "paper")
    training = paper.training.model_copy(update={"device": task.device, "batch_size": task.batch})
    return paper.model_copy(update={"image_size": task.size, "training": training})


def interpolated(x: Tensor, size: Any, align_corners: bool = False) -> Tensor:
    """Return maps resized by PyTorch, on every device."""
    return F.interpolate(x, tuple(size), mode="bilinear", align_corners=align_corners)


def averaged_one_by_one(model: DenseClassifier, steps: float) -> AveragedModel:
    """Return the average of `averaged_model`, computed one tensor at a time."""

    def average(averaged: Tensor, current: Tensor, number: Tensor | int) -> Tensor:
        weight = max(1 / max(steps, 2), 1 / (1 + int(number)))
        return averaged.lerp(current, weight) if averaged.is_floating_point() else averaged

    return AveragedModel(model, avg_fn=average, use_buffers=True)


def measure(task: Task) -> Result:
    """Return the speed and memory of a task. It may change how this process resizes maps."""
    if not task.products:
        pixels.resized = interpolated
        modules.resized = interpolated  # type: ignore[attr-defined]  # it is imported there
    experiment = settings(task)
    torch.manual_seed(0)
    model = build_classifier(experiment, 2, pretrained=False)
    step = training_step if task.work == "train" else evaluation_step
    run = step(task, experiment, model)
    for _ in range(WARM):
        run()
    started = time.perf_counter()
    for _ in range(task.steps):
        run()
    rate = task.batch * task.steps / (time.perf_counter() - started)
    if model.mean.is_cuda:
        return Result(rate, torch.cuda.max_memory_allocated() // 2**20)
    return Result(rate, peak_memory())


def training_step(task: Task, experiment: Experiment, model: DenseClassifier) -> Any:
    """Return a function that trains a step of ASLP_MC, as the training loop does."""
    method = choose("aslp_mc", {"start_epoch": 1}).method
    assert isinstance(method, Method)
    method.start(task.batch, {}, 2)
    # Alphas move with the accuracy of the epoch before.
    method.after_validation(Validation(accuracy=0.9, confidence=0.9), 1)
    averages = averaged_model if task.at_once else averaged_one_by_one
    optimizer = torch.optim.Adam(model.parameters(), experiment.training.lr)
    names = [str(i) for i in range(task.batch)]
    run = TrainingRun(model, averages(model, 5000), optimizer, method, names, seed=0)
    shape = (task.batch, 3, task.size, task.size)
    samples = {
        "inputs": torch.randint(0, 256, shape, dtype=torch.uint8),
        "masks": torch.randint(0, 256, (task.batch, 1, *shape[2:]), dtype=torch.uint8),
        "index": torch.arange(task.batch),
    }
    model.train()
    return lambda: run.step(samples, 2)  # its loss waits for the GPU


def evaluation_step(task: Task, experiment: Experiment, model: DenseClassifier) -> Any:
    """Return a function that predicts and counts a batch, as the evaluation does."""
    predictor = Predictor([model.eval()])
    images = torch.randint(0, 256, (task.batch, 3, task.size, task.size), dtype=torch.uint8)
    truth = np.random.default_rng(0).integers(0, 2, ORIGINAL, np.uint8)
    numbers = iter(range(10**9))
    accumulator = Accumulator(whole_maps=True)

    def run() -> None:
        names = [f"{next(numbers):09d}" for _ in range(task.batch)]
        maps = predictor.probabilities(images.to(model.mean.device), names, [ORIGINAL] * task.batch)
        for name, probability in zip(names, maps, strict=True):
            accumulator.add(checked(probability, truth, name))

    return run


def table(size: int, batch: int, steps: int, device: str) -> str:
    """Return the table in Markdown: a row for each way of resizing and of averaging."""
    lines = [
        "| resized by | averages | training, images a second | MiB "
        "| evaluation, images a second | MiB |",
        "|---|---|---|---|---|---|",
    ]
    # One process after another: each has the whole device, and its own peak.
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for products, at_once in product((True, False), repeat=2):
            cells = ["products" if products else "PyTorch", "at once" if at_once else "one by one"]
            for work in ("train", "evaluate"):
                task = Task(work, products, at_once, size, batch, steps, device)
                result = pool.map(measure, [task], chunksize=1)[0]
                cells += [f"{result.rate:.2f}", f"{result.memory:,}"]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--device", default="cuda", help="cpu, cuda, cuda:1 (default: cuda)")
    parser.add_argument(
        "--size", type=int, default=384, help="side of an image (default: the paper's 384)"
    )
    parser.add_argument(
        "--batch", type=int, default=10, help="images a step (default: the paper's 10)"
    )
    parser.add_argument("--steps", type=int, default=30, help="timed steps (default: 30)")
    given = parser.parse_args()
    place = torch.cuda.get_device_name(given.device) if given.device != "cpu" else processor()
    print(f"{place}; torch {torch.__version__}; {given.batch} images of {given.size} px a step\n")
    print(table(given.size, given.batch, given.steps, given.device))


if __name__ == "__main__":
    main()
