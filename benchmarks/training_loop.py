"""Speed of our training loop and of a bare one: python benchmarks/training_loop.py [EXPERIMENT] [--method METHOD]

Both train the network of an experiment of params.yaml with its batch size, threads and image size, in turns within one
process. Ours does all that a run does (keyed draws, augmentation, targets, alphas, history); the clock leaves
out start-up, validation and checkpoints. The bare loop repeats one batch: forward, logits upsampled to the masks, loss,
backward, Adam step. The images are noise: their content does not change the work. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from pipeline_src.params.load import read, resolve
from pipeline_src.params.schema import Experiment
from pipeline_src.training.device import autocast, prepare_device
from pipeline_src.training.loop import train
from pipeline_src.training.models.build import build_segmentor, logits
from pipeline_src.training.registry import choose

ROUNDS = 3  # a turn, of which the first is not counted


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


def bare(experiment: Experiment, steps: int) -> Iterator[float]:
    """Images per second over each round of `steps` steps."""
    settings, size = experiment.training, experiment.image_size
    device = prepare_device(settings)
    segmentor = build_segmentor(experiment.model.network, experiment.model.pretrained, size)
    segmentor = segmentor.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(segmentor.parameters(), settings.lr, weight_decay=settings.weight_decay)
    images = torch.randn(settings.batch_size, 3, size, size, device=device).to(memory_format=torch.channels_last)
    masks = torch.randint(0, 2, (settings.batch_size, 1, size, size), device=device).float()
    for _ in range(settings.epochs):
        start = time.perf_counter()
        for _ in range(steps):
            optimizer.zero_grad()
            with autocast(device, settings.amp):
                z = logits(segmentor, images)
            z = F.interpolate(z.float(), size=size, mode="bilinear", align_corners=False)
            F.binary_cross_entropy_with_logits(z, masks).backward()
            optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        yield steps * settings.batch_size / (time.perf_counter() - start)


def ours(experiment: Experiment, method: str, blocks: dict, images: int) -> Iterator[float]:
    """Images per second of each epoch, as a run's own timing.csv says."""
    size = experiment.image_size
    with tempfile.TemporaryDirectory() as work:
        chosen = choose(method, blocks[method]).method
        run = train(Noise(images, size), Noise(2, size), experiment, chosen, 0, Path(work), method)
        yield from (row["images_per_second"] for row in run.history.timing)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", nargs="?", default="mini")
    parser.add_argument("--method", default="aslp_mc")
    parser.add_argument("--steps", type=int, default=20, help="steps of a round: an epoch of ours")
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    params = read()
    name, experiment = resolve(params, arguments.experiment)
    experiment = experiment.model_copy(update={"training": experiment.training.model_copy(update={"epochs": ROUNDS})})
    settings, rates = experiment.training, {"bare": [], "ours": []}
    images = arguments.steps * settings.batch_size
    for _ in range(arguments.turns):  # in turns, as a shared machine's speed drifts; each time the first round warms up
        rates["bare"] += list(bare(experiment, arguments.steps))[1:]
        rates["ours"] += list(ours(experiment, arguments.method, params.methods, images))[1:]
    medians = {loop: statistics.median(values) for loop, values in rates.items()}
    print(
        f"{name}: {experiment.model.network}, {experiment.image_size} px, batch {settings.batch_size}, "
        f"{settings.threads} thread(s), {settings.device}, amp {settings.amp}, method {arguments.method}"
    )
    for loop, values in rates.items():
        print(f"  {loop}  {medians[loop]:7.1f} images/s (median; {min(values):.1f} to {max(values):.1f})")
    print(f"  ours / bare  {medians['ours'] / medians['bare']:.1%}")


if __name__ == "__main__":
    main()
