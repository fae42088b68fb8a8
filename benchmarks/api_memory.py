"""Peak memory and value of the metrics that other programs import, over more and more pixels.

    python benchmarks/api_memory.py [1e6 1e7 1e8]

Each line is a process of its own, which counts batches of a million pixels: memory is that of one batch and of the
counts, time that of the processor. Those of two ranks are two processes (gloo), which count every other batch: memory
is that of one of them, time that of both. The exact ECE comes from whole numbers of 2^-24 in float64 per bin, as in
calibration_pass.py.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time

import numpy as np

BATCH, BINS = (4, 500, 500), 10
METRICS = ("Statistic", "torchmetrics", "mmengine")
RANKS = "torch.distributed.run", "--standalone", "--nproc-per-node=2"


def batches(pixels: int):
    """Batches of over-confident probabilities float32 and labels uint8."""
    generator = np.random.default_rng(0)
    for _ in range(pixels // (BATCH[0] * BATCH[1] * BATCH[2])):
        z = generator.standard_normal(BATCH, np.float32) * 4
        yield 1 / (1 + np.exp(-1.2 * z)), (generator.random(BATCH, np.float32) < 1 / (1 + np.exp(-z))).astype(np.uint8)


def exact(pixels: int) -> float:
    """The ECE from exact sums."""
    sums = np.zeros((2, BINS))
    for f, y in batches(pixels):
        confidence = np.maximum(f, np.float32(1) - f).astype(np.float64).ravel()
        index = np.ceil(confidence * BINS).astype(np.intp) - 1
        for k, weights in enumerate((confidence, ((f >= 0.5) == y).ravel())):
            sums[k] += np.bincount(index, weights, minlength=BINS)
    return float(np.abs(sums[0] - sums[1]).sum() / pixels)


def one(name: str, pixels: int) -> dict:
    """Count, and report; called in a process of its own, or in one of two."""
    rank, ranks = (int(os.environ.get(of, default)) for of, default in (("RANK", 0), ("WORLD_SIZE", 1)))
    if ranks > 1:
        from torch import distributed

        distributed.init_process_group("gloo")
    if name == "Statistic":
        from pipeline_src.api import Statistic

        metric = Statistic()
        update, compute = metric.update, lambda: metric.compute(BINS)["ece"]
    elif name == "torchmetrics":
        import torch

        from pipeline_src.api import DenseCalibration

        other = DenseCalibration(bins=BINS)

        def update(f, y):
            other.update(torch.from_numpy(f), torch.from_numpy(y))

        def compute():
            return float(other.compute()["ece"])
    else:
        import torch

        from pipeline_src.api.mmsegmentation import DenseCalibrationMetric

        third = DenseCalibrationMetric(bins=BINS)

        def update(f, y):
            data = zip(torch.from_numpy(f), torch.from_numpy(y), strict=True)
            third.process(None, [{"seg_logits": {"data": p[None]}, "gt_sem_seg": {"data": t[None]}} for p, t in data])

        def compute():
            return third.evaluate(third.seen * ranks)["calibration/ece"]

    counting = 0.0
    for k, (f, y) in enumerate(batches(pixels)):
        if k % ranks != rank:
            continue
        began = time.process_time()
        update(f, y)
        counting += time.process_time() - began
    ece = compute()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"ece": ece, "mb": peak, "ns": counting / pixels * 1e9 * ranks}


def main(numbers: list[str]) -> None:
    """Print a table in Markdown."""
    print("| pixels | metric | ECE - exact | peak MB | ns/pixel |\n|---:|---|---:|---:|---:|")
    for pixels in [int(float(number)) for number in numbers or ("1e6", "1e7", "1e8")]:
        truth = exact(pixels)
        for title, name, launcher in [(name, name, ()) for name in METRICS] + [
            (f"{name}, two ranks", name, ("-m", *RANKS)) for name in METRICS[1:]
        ]:
            command = [sys.executable, *launcher, __file__, "--one", name, str(pixels)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            of = json.loads(done.stdout.splitlines()[-1])
            row = f"| {pixels:,} | {title} | {of['ece'] - truth:+.1e} | {of['mb']} | {of['ns']:.1f} |"
            print(row, flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        result = one(sys.argv[2], int(sys.argv[3]))
        if os.environ.get("RANK", "0") == "0":
            print(json.dumps(result))
    else:
        main(sys.argv[1:])
