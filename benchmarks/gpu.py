"""Images per second on a GPU, in Markdown: python benchmarks/gpu.py [--device cuda] [--seconds 5] [--no-compile]

Of the networks of `mini` (Lite0, 96 px) and `paper` (384 px), on noise, with the batch sizes of these experiments: a
training step (forward, loss, backward, Adam) and inference, each in float32, with TF32, with bf16, and with bf16 and
`torch.compile`; the data loader alone, by number of workers; the pipeline's own training loop; and the statistic on the
CPU beside a histogram on the device. Each row is timed for some seconds after a warm-up, one process, one device. Under
eight minutes on one GPU; `--device cpu` is for trying the script.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader
from training_loop import Noise

from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.params.load import read, resolve
from pipeline_src.params.schema import Experiment
from pipeline_src.training.batches import KeyedSampler, TrainingSamples
from pipeline_src.training.device import autocast
from pipeline_src.training.loop import train
from pipeline_src.training.models.build import build_segmentor, logits
from pipeline_src.training.registry import choose

OPTIONS = {  # name -> TF32, mixed precision, compiled
    "float32": (False, "off", False),
    "TF32": (True, "off", False),
    "bf16": (True, "bf16", False),
    "bf16, torch.compile": (True, "bf16", True),
}
WORKERS = (0, 2, 4, 8)


def rate(run: Callable[[], object], images: int, device: torch.device, seconds: float) -> float:
    """Images per second of a call that works on so many; three calls before are not counted."""
    for _ in range(3):
        run()
    wait(device)
    start, calls = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        run()
        calls += 1
        wait(device)
    return calls * images / (time.perf_counter() - start)


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def network_rows(experiment: Experiment, device: torch.device, options: list[str], seconds: float) -> Iterator[tuple]:
    """(what, option, images per second) of training steps and inference."""
    size, batch = experiment.image_size, experiment.training.batch_size
    images = torch.randn(batch, 3, size, size, device=device).to(memory_format=torch.channels_last)
    masks = torch.randint(0, 2, (batch, 1, size, size), device=device).float()
    for option in options:
        tf32, amp, compiled = OPTIONS[option]
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = tf32
        segmentor = build_segmentor(experiment.model.network, False, size).to(device, memory_format=torch.channels_last)
        optimizer = torch.optim.Adam(segmentor.parameters(), experiment.training.lr)
        forward = (
            torch.compile(lambda x, of=segmentor: logits(of, x)) if compiled else lambda x, of=segmentor: logits(of, x)
        )

        def step(forward=forward, optimizer=optimizer, amp=amp) -> None:
            optimizer.zero_grad()
            with autocast(device, amp):
                z = forward(images)
            z = F.interpolate(z.float(), size=size, mode="bilinear", align_corners=False)
            F.binary_cross_entropy_with_logits(z, masks).backward()
            optimizer.step()

        def infer(forward=forward, amp=amp) -> None:
            with torch.inference_mode(), autocast(device, amp):
                forward(images)

        for what, run in (("training step", step), ("inference", infer)):
            segmentor.train(what == "training step")
            try:
                yield what, option, rate(run, batch, device, seconds)
            except RuntimeError as error:  # out of memory, or no compiler
                yield what, option, f"failed: {str(error).splitlines()[0][:80]}"


def loader_rows(experiment: Experiment, device: torch.device, seconds: float) -> Iterator[tuple]:
    """(what, workers, images per second) of the data loader alone."""
    store = Noise(50 * experiment.training.batch_size, experiment.image_size)
    for workers in WORKERS:
        samples = TrainingSamples(store, experiment.augmentation, 0)
        loading = {"num_workers": workers, "persistent_workers": workers > 0, "pin_memory": device.type == "cuda"}
        loader = DataLoader(
            samples, experiment.training.batch_size, sampler=KeyedSampler(len(store), 0, 0, 1), **loading
        )
        start, images = time.perf_counter(), 0
        for number, batch in enumerate(iter(loader)):
            if number == 4:  # the workers have started
                start, images = time.perf_counter(), 0
            images += len(batch["inputs"])
            if number > 4 and time.perf_counter() - start > seconds:
                break
        yield "data loader", f"{workers} workers", images / (time.perf_counter() - start)
        loader._iterator = None


def pipeline_row(name: str, experiment: Experiment, device: torch.device) -> tuple:
    """Images per second of the pipeline's loop, in its second epoch of ASLP_MC, as timing.csv says."""
    settings = experiment.training.model_copy(update={"epochs": 2, "device": device.type, "gpus": 0})
    experiment = experiment.model_copy(update={"training": settings})
    method = choose("aslp_mc", read().methods["aslp_mc"]).method
    store = Noise(20 * settings.batch_size, experiment.image_size)
    with tempfile.TemporaryDirectory() as work:
        run = train(store, Noise(2, experiment.image_size), experiment, method, 0, Path(work), name)
    return (
        "pipeline's training",
        f"{settings.workers} workers, amp {settings.amp}",
        run.history.timing[-1]["images_per_second"],
    )


def counting_rows(experiment: Experiment, device: torch.device, seconds: float) -> Iterator[tuple]:
    """(what, where, images per second) of counting probability maps that lie on the device."""
    size, batch = experiment.image_size, experiment.training.batch_size
    f, y = torch.rand(batch, size, size, device=device), torch.randint(0, 2, (batch, size, size), device=device)
    statistic, numbers = MapCounts.empty(), iter(range(10**9))

    def on_cpu() -> None:
        for map_, mask in zip(f.cpu().numpy(), y.cpu().numpy().astype(np.uint8), strict=True):
            statistic.add(map_, mask, f"{next(numbers):09d}")

    def on_device() -> torch.Tensor:
        return torch.bincount(((f * 1023).round().long() * 2 + y).flatten(), minlength=2048).cpu()

    yield "statistic", "exact, on the CPU", rate(on_cpu, batch, device, seconds)
    yield "histogram", "1,024 levels, on the device", rate(on_device, batch, device, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=5, help="of a row")
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--experiments", nargs="+", default=["mini", "paper"])
    arguments = parser.parse_args()
    if arguments.device.startswith("cuda") and not torch.cuda.is_available():
        sys.exit("torch finds no CUDA device here: --device cpu tries the script")
    device = torch.device(arguments.device)
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "CPU"
    options = [name for name, (*_, compiled) in OPTIONS.items() if not (compiled and arguments.no_compile)]
    print(f"{card}, torch {torch.__version__}, {time.strftime('%Y-%m-%d')}.\n")
    print("| experiment | what | with | images/s |\n|---|---|---|---:|")
    params = read()
    for name in arguments.experiments:
        _, experiment = resolve(params, name)
        rows = [
            network_rows(experiment, device, options, arguments.seconds),
            loader_rows(experiment, device, arguments.seconds),
        ]
        rows += [iter([pipeline_row(name, experiment, device)]), counting_rows(experiment, device, arguments.seconds)]
        for what, option, images in (row for group in rows for row in group):
            print(
                f"| {name} | {what} | {option} | {images if isinstance(images, str) else f'{images:,.0f}'} |",
                flush=True,
            )
        if device.type == "cuda":
            print(f"| {name} | peak memory | | {torch.cuda.max_memory_allocated(device) / 2**30:.1f} GiB |")
            torch.cuda.reset_peak_memory_stats(device)


if __name__ == "__main__":
    main()
