"""Compare the speed of parts with other programs on one thread: a table of ratios in Markdown.

    python benchmarks/speed.py [--rounds 7] [--only WORD]

In each round all programs of a row run once, in turn, so other load on the machine slows all of
them. Times are those of the processor. A ratio is the median over rounds, with quartiles. Maps are
synthetic.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

os.environ |= {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")}

import numpy as np  # after the number of threads is set
from peers.measure import BINS, PACKAGES, pairs, read_maps

Maps = list[np.ndarray]
Run = Callable[[], object]


@cache
def maps() -> tuple[Maps, Maps]:
    """Return 20 maps and masks of 300 x 400 pixels."""
    return read_maps([])


def read_memory() -> None:
    """Read maps and masks once: no program can be faster."""
    for arrays in maps():
        for array in arrays:
            array.view(np.uint64).max()


def count_by_numpy() -> None:
    for f, y in zip(*maps(), strict=True):
        confidence, correct = pairs(f.ravel(), y.ravel())
        for weights in (None, confidence, correct):
            np.histogram(confidence, BINS, (0, 1), weights=weights)


def count_by_boost() -> None:
    import boost_histogram

    axis = boost_histogram.axis.Regular(BINS, 0, 1)
    for f, y in zip(*maps(), strict=True):
        confidence, correct = pairs(f.ravel(), y.ravel())
        for weight in (None, confidence, correct):
            boost_histogram.Histogram(axis).fill(confidence, weight=weight)


def count_by_torch() -> None:
    import torch

    torch.set_num_threads(1)
    for f, y in zip(*maps(), strict=True):
        probability = torch.from_numpy(f).ravel()
        label = torch.from_numpy(y).ravel()
        confidence = torch.maximum(probability, 1 - probability)
        correct = (probability >= 0.5) == label
        cell = (confidence * BINS).ceil().long() - 1
        for weights in (None, confidence, correct.double()):
            torch.bincount(cell, weights, minlength=BINS)


def count_fully(arrays: tuple[Maps, Maps]) -> None:
    """Count all that evaluations count: both protocols, with a row per image."""
    from pipeline_src.counting.accumulate import Accumulator
    from pipeline_src.counting.sample import checked

    accumulator = Accumulator()
    for number, (f, y) in enumerate(zip(*arrays, strict=True)):
        accumulator.add(checked(f, y, f"{number:05d}"))
    accumulator.counts()


@cache
def files() -> tuple[Path, Path]:
    """Return the folders of 8-bit maps and masks, after writing them."""
    import cv2

    folder = Path(tempfile.mkdtemp())
    for name, images in zip(("maps", "masks"), maps(), strict=True):
        (folder / name).mkdir()
        for number, image in enumerate(images):
            cv2.imwrite(
                str(folder / name / f"{number:03d}.png"), np.rint(image * 255.0).astype(np.uint8)
            )
    return folder / "maps", folder / "masks"


def decode() -> None:
    from pipeline_src.maps.files import Form, pairs_and_warnings, read_pair

    for pair in pairs_and_warnings(*files())[0]:
        read_pair(pair, Form())


def judge() -> None:
    from pipeline_src.maps.checks import count_folder
    from pipeline_src.maps.files import Form, pairs_and_warnings

    count_folder(pairs_and_warnings(*files())[0], Form())


@cache
def snakemake_folder() -> str:
    """Return a folder with a Snakefile of one rule whose output exists."""
    folder = tempfile.mkdtemp()
    (Path(folder) / "Snakefile").write_text(
        'rule all:\n    output: "done"\n    shell: "touch done"\n'
    )
    command("snakemake", "-c1", folder=folder)
    return folder


def command(*words: str, folder: str | None = None) -> None:
    program = [str(Path(sys.executable).with_name(words[0])), *words[1:]]
    subprocess.run(program, cwd=folder or snakemake_folder(), capture_output=True, check=True)


class Row(NamedTuple):
    """Two programs that are compared, the unit of their times, and the aim for their ratio."""

    title: str
    ours: Run
    other: Run
    unit: str  # ns a pixel, ms an image, or s
    aim: str


def rows() -> list[Row]:
    """Return the rows of the table, whose ratios are other / ours."""
    ece = {
        name: partial(PACKAGES[name]().ece, *maps()) for name in ("ours", "torchmetrics", "netcal")
    }
    few = "counts for ECE"
    eight_bit = [np.rint(f * 255).astype(np.uint8) for f in maps()[0]], maps()[1]
    return [
        *(
            Row(f"{few}; {name}", ece["ours"], ece[name], "ns", "≥ 80")
            for name in ("torchmetrics", "netcal")
        ),
        Row(f"{few}; torch.bincount", ece["ours"], count_by_torch, "ns", ""),
        Row(f"{few}; boost-histogram", ece["ours"], count_by_boost, "ns", ""),
        Row(f"{few}; numpy.histogram", ece["ours"], count_by_numpy, "ns", ""),
        Row(f"{few}; one read of the maps", ece["ours"], read_memory, "ns", "the bound"),
        Row(
            "all counts, float32; numpy.histogram",
            partial(count_fully, maps()),
            count_by_numpy,
            "ns",
            "",
        ),
        Row(
            "all counts, 8 bit; numpy.histogram",
            partial(count_fully, eight_bit),
            count_by_numpy,
            "ns",
            "",
        ),
        Row("8-bit files counted by `judge`; decoded", judge, decode, "ms", "≥ 0.67"),
        Row(
            "`dense-calibration --help`; `snakemake` without a job",
            partial(command, "dense-calibration", "--help"),
            partial(command, "snakemake", "-c1"),
            "s",
            "≥ 0.77",
        ),
    ]


def seconds(run: Run) -> float:
    """Return the processor's seconds for `run`, in this process and its children."""
    start = os.times()
    begun = time.process_time()
    run()
    own = time.process_time() - begun
    end = os.times()
    children = end.children_user + end.children_system
    return own + children - start.children_user - start.children_system


def line(row: Row, rounds: int) -> str:
    """Return the line of a row, which is measured in so many rounds."""
    try:
        row.other()
    except ImportError as error:
        return f"| {row.title} | | {error} | | {row.aim} |"
    row.ours()
    times = np.array([(seconds(row.ours), seconds(row.other)) for _ in range(rounds)])
    scale = {"ns": 1e9 / sum(f.size for f in maps()[0]), "ms": 1e3 / len(maps()[0]), "s": 1.0}[
        row.unit
    ]
    low, ratio, high = np.quantile(times[:, 1] / times[:, 0], (0.25, 0.5, 0.75))
    cells = [
        f"{scale * column.min():.3g} ({scale * np.median(column):.3g}) {row.unit}"
        for column in times.T
    ]
    return (
        f"| {row.title} | {' | '.join(cells)} | {ratio:.3g} ({low:.3g} to {high:.3g}) | {row.aim} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="rows whose title contains this word")
    arguments = parser.parse_args()
    versions = ", ".join(
        f"{name} {version(name)}" for name in ("numpy", "numba", "torch", "torchmetrics", "netcal")
    )
    machine = platform.processor() or platform.machine()
    print(f"{machine}, Python {platform.python_version()}, {versions}.\n")
    print("| ours; other | minimum (median) | other | other / ours (quartiles) | aim |")
    print("|---|---:|---:|---:|---:|")
    for row in rows():
        if arguments.only in row.title:
            print(line(row, arguments.rounds), flush=True)


if __name__ == "__main__":
    main()
