"""Calibration error of N pixels: our pass, torchmetrics, netcal and plain numpy, on one thread.

    python benchmarks/calibration_pass.py [--pixels 1e8] [--maps DIR --masks DIR]

Each runs in a process of its own, which reports nanoseconds per pixel (best of three; the slow ones once), the ECE and
its peak memory beyond the input. The exact ECE comes from whole numbers of 2^-24 in float64 per bin.
With --maps and --masks: times of decoding saved maps and of the pass of `judge` over them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np

BINS = 15
ROWS = 1000


def made(pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """(ROWS, n) over-confident probabilities float32 and labels uint8, in parts, so that the peak is the input."""
    shape = (ROWS, pixels // ROWS)
    f, y = np.empty(shape, np.float32), np.empty(shape, np.uint8)
    generator = np.random.default_rng(0)
    for row in range(ROWS):
        z = generator.standard_normal(shape[1], np.float32) * 4
        f[row] = 1 / (1 + np.exp(-1.2 * z))
        y[row] = generator.random(shape[1], np.float32) < 1 / (1 + np.exp(-z))
    return f, y


def exact(f, y):
    """ECE from exact sums: confidence in whole numbers of 2^-24, bins decided in float64 (exact for 15 bins)."""
    sums = np.zeros((3, BINS))
    for fr, yr in zip(f, y, strict=True):
        confidence = np.maximum(fr, np.float32(1) - fr).astype(np.float64)
        index = np.ceil(confidence * BINS).astype(np.intp) - 1
        right = (fr >= 0.5) == yr
        for k, weights in enumerate((None, confidence, right)):
            sums[k] += np.bincount(index, weights, minlength=BINS)
    return float(np.abs(sums[1] - sums[2]).sum() / sums[0].sum())


def ours_bins(f, y):
    """Counts of 150 levels, enough for the ECE."""
    from pipeline_src.counting.counts import Counts
    from pipeline_src.counting.levels import COARSE
    from pipeline_src.counting.map_counts import MapCounts
    from pipeline_src.metrics.summary import value

    statistic = MapCounts({"raw": Counts.empty(rows=False, levels=COARSE)})
    statistic.add(f, y, "all")
    return value("ece", statistic.raw, BINS)


def ours_full(f, y):
    """Both protocols, so twice the pass."""
    from pipeline_src.counting.map_counts import MapCounts
    from pipeline_src.metrics.summary import value

    statistic = MapCounts.empty()
    statistic.add(f, y, "all")
    _ = statistic.stretched
    return value("ece", statistic.raw, BINS)


def ours_8bit(f, y):
    return ours_full(f, y)


def torchmetrics(f, y):
    import torch
    from torchmetrics.classification import BinaryCalibrationError

    torch.set_num_threads(1)
    metric = BinaryCalibrationError(n_bins=BINS)
    for fr, yr in zip(f, y, strict=True):
        confidence = np.maximum(fr, 1 - fr)
        metric.update(torch.from_numpy(confidence), torch.from_numpy(((fr >= 0.5) == yr).astype(np.int64)))
    return float(metric.compute())


def netcal(f, y):
    from netcal.metrics import ECE

    f, y = f.reshape(-1), y.reshape(-1)
    return float(ECE(BINS).measure(np.maximum(f, 1 - f), ((f >= 0.5) == y).astype(np.int64)))


def numpy_histogram(f, y):
    sums = np.zeros((3, BINS))
    for fr, yr in zip(f, y, strict=True):
        confidence = np.maximum(fr, 1 - fr)
        right = ((fr >= 0.5) == yr).astype(np.float64)
        for k, weights in enumerate((None, confidence, right)):
            sums[k] += np.histogram(confidence, BINS, (0, 1), weights=weights)[0]
    return float(np.abs(sums[1] - sums[2]).sum() / sums[0].sum())


RUNS = {  # name: function, repetitions, passes over the pixels in one run
    "ours, counts for ECE, OE, accuracy": (ours_bins, 3, 1),
    "ours, full statistic, per protocol": (ours_full, 3, 2),
    "ours, 8-bit maps, full, both protocols": (ours_8bit, 3, 1),
    "numpy.histogram": (numpy_histogram, 1, 1),
    "torchmetrics": (torchmetrics, 1, 1),
    "netcal": (netcal, 1, 1),
}


def peak() -> int:
    """Peak resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def one(name: str, pixels: int) -> dict:
    """Run one and report; called in a process of its own."""
    function, repetitions, passes = RUNS[name]
    f, y = made(pixels)
    if "8-bit" in name:
        # decoded maps are uint8: the input, not part of the pass
        f = np.concatenate([np.rint(part * 255).astype(np.uint8) for part in np.array_split(f, 50)])
    function(f[:2, :1000], y[:2, :1000])  # imports and first calls
    before, times = peak(), []
    for _ in range(repetitions):
        start = time.perf_counter()
        ece = function(f, y)
        times.append(time.perf_counter() - start)
    return {"ns": min(times) / f.size / passes * 1e9, "ece": ece, "mb": peak() - before}


def maps_pass(maps: Path, masks: Path) -> None:
    """Seconds to decode all files, and of the pass over the decoded maps, both protocols."""
    from pipeline_src.counting.map_counts import MapCounts
    from pipeline_src.maps.counts import read_pair
    from pipeline_src.maps.pairs import pair_files

    decode, count = [], []
    for _ in range(5):
        start = time.perf_counter()
        decoded = [(*read_pair(pair)[:2], pair.stem) for pair in pair_files(maps, masks)]
        decode.append(time.perf_counter() - start)
        start = time.perf_counter()
        statistic = MapCounts.empty()
        for image in decoded:
            statistic.add(*image)
        _ = statistic.raw, statistic.stretched
        count.append(time.perf_counter() - start)
    print(f"{len(decoded)} maps: decoding {min(decode):.3f} s, the pass of both protocols {min(count):.3f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pixels", type=float, default=1e8)
    parser.add_argument("--maps", type=Path)
    parser.add_argument("--masks", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    pixels = int(arguments.pixels)
    if arguments.one:
        print(json.dumps(one(arguments.one, pixels)))
        return
    if arguments.maps:
        maps_pass(arguments.maps, arguments.masks)
        return
    print(f"{pixels:.0e} pixels, {BINS} bins, one thread; exact ECE {exact(*made(pixels)):.6f}")
    print(f"{'':<42}{'ns/pixel':>9}{'ECE':>10}{'MB beyond the input':>21}")
    for name in RUNS:
        command = [sys.executable, __file__, "--one", name, "--pixels", str(pixels)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            print(f"{name:<42}{'failed: ' + (done.stderr.strip().splitlines() or ['killed'])[-1][:60]}")
            continue
        row = json.loads(done.stdout.strip().splitlines()[-1])
        print(f"{name:<42}{row['ns']:>9.2f}{row['ece']:>10.6f}{row['mb']:>21}", flush=True)


if __name__ == "__main__":
    main()
