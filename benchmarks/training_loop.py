"""A step of our training loop beside one of a bare loop: python benchmarks/training_loop.py [EXPERIMENT] [--method M]

Both train the network of an experiment of params.yaml on the CPU, with its batch size, threads and image size. Each is
a process of its own, and they make their steps in turns, the order reversed from round to round; a figure is the median
over the rounds, a ratio that of the pairs, with quartiles. Times are those of the processor, of all threads.

A step of ours is all from one batch's first image to the next one's: reading, keyed draws, augmentation, targets,
alphas, history, and mmengine's loop. The alphas are set so that images are perturbed. Start-up, validation and
checkpoints are not in it. The bare loop repeats one batch: forward, logits upsampled to the masks, loss, backward, Adam
step. The images are noise: their content does not change the work. `kept` loops keep the memory that they free, as a
training does (`pipeline_src/training/machine.py`); the others leave it to the system's allocator as it is.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from pipeline_src.params.load import read, resolve
from pipeline_src.params.schema import Experiment
from pipeline_src.training import machine
from pipeline_src.training.device import autocast, prepare_device
from pipeline_src.training.loop import train
from pipeline_src.training.models.build import build_segmentor, logits
from pipeline_src.training.registry import choose

WARM = 4  # steps that are not counted
LOOPS = ("ours kept", "bare kept", "ours", "bare")


class Noise:
    """What training needs of a data store, made of noise."""

    def __init__(self, n: int, size: int):
        rng = np.random.default_rng(0)
        self.images = rng.integers(0, 256, (n, size, size, 3), np.uint8)
        self.masks = 255 * rng.integers(0, 2, (n, size, size), np.uint8)
        self.classes = 2
        self.ids = [f"noise/{i}" for i in range(n)]

    def __len__(self) -> int:
        return len(self.ids)

    def image(self, i: int) -> np.ndarray:
        return self.images[i]

    def truth(self, i: int) -> np.ndarray:
        return self.masks[i] // 255

    def grey(self, i: int) -> np.ndarray:
        return np.empty(0, np.int32)


class Batches(Noise):
    """Noise that calls `between` before the first image of each batch is read."""

    def __init__(self, steps: int, batch: int, size: int, between: Callable[[], object]):
        super().__init__(steps * batch, size)
        self.batch, self.read, self.between = batch, 0, between

    def image(self, i: int) -> np.ndarray:
        if self.read % self.batch == 0:
            self.between()
        self.read += 1
        return super().image(i)


def bare(experiment: Experiment) -> Iterator[None]:
    """A step of the bare loop, again and again."""
    settings, size = experiment.training, experiment.image_size
    device = prepare_device(settings)
    segmentor = build_segmentor(experiment.model.network, experiment.model.pretrained, size)
    segmentor = segmentor.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(segmentor.parameters(), settings.lr, weight_decay=settings.weight_decay)
    images = torch.randn(settings.batch_size, 3, size, size, device=device).to(memory_format=torch.channels_last)
    masks = torch.randint(0, 2, (settings.batch_size, 1, size, size), device=device).float()
    while True:
        optimizer.zero_grad()
        with autocast(device, settings.amp):
            z = logits(segmentor, images)
        z = F.interpolate(z.float(), size=size, mode="bilinear", align_corners=False)
        F.binary_cross_entropy_with_logits(z, masks).backward()
        optimizer.step()
        yield


def ours(experiment: Experiment, name: str, steps: int, between: Callable[[], object]) -> None:
    """An epoch of so many steps with a method of params.yaml; `between` is called before each step."""
    size, method = experiment.image_size, choose(name, read().methods[name]).method

    def perturb_then_between() -> None:
        if method.learns:
            method._alphas[:] = 0.1
        between()

    store = Batches(steps, experiment.training.batch_size, size, perturb_then_between)
    with tempfile.TemporaryDirectory() as work:
        train(store, Noise(2, size), experiment, method, 0, Path(work), name)


def on_cpu(name: str) -> Experiment:
    """An experiment for one epoch, with all its work in one process."""
    experiment = resolve(read(), name)[1]
    settings = experiment.training.model_copy(update={"epochs": 1, "workers": 0, "device": "cpu", "gpus": 0})
    return experiment.model_copy(update={"training": settings})


def work(loop: str, name: str, method: str, steps: int) -> None:
    """Make a step of a loop for every line of standard input, and print its seconds."""
    if "kept" in loop:
        machine.keep_freed_memory()
    start = time.process_time()

    def turn() -> None:
        nonlocal start
        print(time.process_time() - start, flush=True)
        if not sys.stdin.readline():
            sys.exit()
        start = time.process_time()

    experiment = on_cpu(name)
    if loop.startswith("ours"):
        ours(experiment, method, steps + 1, turn)  # the step after the last is not made
    else:
        turn()
        for _ in bare(experiment):
            turn()


class Process:
    """A loop in a process of its own."""

    def __init__(self, loop: str, *arguments: str):
        command = [sys.executable, __file__, "--loop", loop, *arguments]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.read()  # its start

    def read(self) -> float:
        return float(self.process.stdout.readline())

    def step(self) -> float:
        """Seconds of a step."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.read()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()
        self.process.wait()


def measured(name: str, method: str, loops: tuple[str, ...], rounds: int) -> dict[str, np.ndarray]:
    """Seconds of an image in each round, by loop."""
    steps, batch = rounds + WARM, on_cpu(name).training.batch_size
    seconds = np.empty((steps, len(loops)))
    with ExitStack() as stack:
        arguments = (name, "--method", method, "--rounds", str(steps))
        processes = [stack.enter_context(Process(loop, *arguments)) for loop in loops]
        for k in range(steps):
            for at in range(len(loops))[:: -1 if k % 2 else 1]:
                seconds[k, at] = processes[at].step()
    return dict(zip(loops, seconds[WARM:].T / batch, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", nargs="?", default="mini")
    parser.add_argument("--method", default="aslp_mc")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--loop", choices=LOOPS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    name, method, rounds = arguments.experiment, arguments.method, arguments.rounds
    if arguments.loop:
        work(arguments.loop, name, method, rounds)
        return
    experiment = on_cpu(name)
    print(
        f"{name}: {experiment.model.network}, {experiment.image_size} px, batch {experiment.training.batch_size}, "
        f"{experiment.training.threads} thread(s), amp {experiment.training.amp}, method {method}"
    )
    seconds = measured(name, method, LOOPS, rounds)
    for loop, values in seconds.items():
        low, middle, high = np.quantile(seconds["bare kept"] / values, [0.25, 0.5, 0.75])
        ratio = f"bare kept / it {middle:.3f} ({low:.3f} to {high:.3f})"
        print(f"  {loop:<9}  {1000 * np.median(values):6.2f} ms an image; {ratio}")


if __name__ == "__main__":
    main()
