"""What the parts cost beside other programs, side by side in one run: a table of ratios in Markdown.

    python benchmarks/all.py [--rounds 7] [--only WORD] [--against FOLDER] [--maps DIR --masks DIR]

Each program is a process of its own on one thread, which waits until it is its turn. In each round all programs of a
row run once, one after the other, and a figure is the median over the rounds of the ratio of two of them: whatever else
the machine does, it does to both. Times are those of the processor. --against names a checkout of another version,
beside which each part of ours runs too. The last full run is in speed.txt. Saved maps are made up unless
--maps and --masks name folders. Training is beside bare loops, step by step (`training_loop.py`).
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

for library in ("OMP", "MKL", "OPENBLAS"):
    os.environ[f"{library}_NUM_THREADS"] = "1"

import numpy as np  # noqa: E402 (after the threads are set)

ROOT = Path(__file__).resolve().parents[1]
PIXELS, IMAGES = 6_000_000, 16
BATCH, SIDE = 8, 96  # of the forward pass, as validation and evaluation of `mini`


# Parts: each prepares, and returns what one turn does and by how many pixels, images or runs its time is divided


def pixels() -> tuple[np.ndarray, np.ndarray]:
    import calibration_pass

    return calibration_pass.made(PIXELS)


def peer(name: str) -> tuple[Callable[[], object], int]:
    """The ECE by another program, one of `calibration_pass`."""
    import calibration_pass

    f, y = pixels()
    return lambda: calibration_pass.RUNS[name][0](f, y), PIXELS


def counts(kind: str) -> tuple[Callable[[], object], int]:
    """Counts for ECE alone (bins), or the full statistic in both protocols of float32 or 8-bit maps."""
    from pipeline_src.counting.counts import Counts
    from pipeline_src.counting.levels import COARSE
    from pipeline_src.counting.map_counts import MapCounts

    f, y = pixels()
    if kind == "8-bit":
        f = np.concatenate([np.rint(part * 255).astype(np.uint8) for part in f])[None]
        y = y.reshape(1, -1)
    few = kind == "bins"
    statistic = MapCounts({"raw": Counts.empty(rows=False, levels=COARSE)}) if few else MapCounts.empty()
    numbers = iter(range(10**9))

    def run() -> None:
        statistic.add(f, y, str(next(numbers)))
        _ = statistic.raw, statistic.stretched

    return run, PIXELS * (2 if kind == "full" else 1)


def metric(name: str) -> tuple[Callable[[], object], int]:
    """A metric of torchmetrics, ours or theirs, from a batch of maps to the ECE."""
    import torch
    from torchmetrics.classification import BinaryCalibrationError

    from pipeline_src.api import DenseCalibration

    torch.set_num_threads(1)
    size = BATCH * SIDE * SIDE
    batch = [torch.from_numpy(of.reshape(-1)[:size].reshape(BATCH, SIDE, SIDE)) for of in pixels()]
    of = DenseCalibration(("ece",)) if name == "ours" else BinaryCalibrationError(10)

    def run() -> None:
        for _ in range(10):  # a turn is long enough to be timed
            of.reset()
            of.update(*batch)
            of.compute()

    return run, 10 * size


def images() -> list[tuple[np.ndarray, np.ndarray]]:
    import region_pass

    return [image[:2] for image in region_pass.made(IMAGES)]


def statistic() -> tuple[Callable[[], object], int]:
    from pipeline_src.counting.map_counts import MapCounts

    counted, of, numbers = MapCounts.empty(), images(), iter(range(10**9))

    def run() -> None:
        for f, y in of:
            counted.add(f, y, f"{next(numbers):09d}")

    return run, IMAGES


def whole_maps(names: tuple[str, ...]) -> tuple[Callable[[], object], int]:
    from pipeline_src.counting.whole_maps import whole_map_measures

    of = images()
    return lambda: [whole_map_measures(f, y, names) for f, y in of], IMAGES


def forward() -> tuple[Callable[[], object], int]:
    import torch

    from pipeline_src.params.load import read, resolve
    from pipeline_src.training.models.build import build_segmentor, logits

    torch.set_num_threads(1)
    network = build_segmentor(resolve(read(), "mini")[1].model.network, False, SIDE).eval()
    network = network.to(memory_format=torch.channels_last)
    batch = torch.randn(BATCH, 3, SIDE, SIDE).to(memory_format=torch.channels_last)

    def run() -> None:
        with torch.inference_mode():
            logits(network, batch)

    return run, BATCH


def saved(folder: Path) -> tuple[Path, Path]:
    """Folders of maps and masks: soft blobs as 8-bit PNG."""
    import cv2

    for number, (f, y) in enumerate(images() * 3):
        for name, image in (("maps", np.rint(f * 255)), ("masks", y * 255)):
            (folder / name).mkdir(exist_ok=True)
            cv2.imwrite(str(folder / name / f"{number:03d}.png"), image.astype(np.uint8))
    return folder / "maps", folder / "masks"


def decoding(maps: str, masks: str) -> tuple[Callable[[], object], int]:
    from pipeline_src.maps.counts import read_pair
    from pipeline_src.maps.pairs import pair_files

    pairs = pair_files(Path(maps), Path(masks))
    return lambda: [read_pair(pair) for pair in pairs], len(pairs)


def counting(maps: str, masks: str) -> tuple[Callable[[], object], int]:
    from pipeline_src.counting.map_counts import MapCounts
    from pipeline_src.maps.counts import read_pair
    from pipeline_src.maps.pairs import pair_files

    decoded = [(*read_pair(pair)[:2], pair.stem) for pair in pair_files(Path(maps), Path(masks))]

    def run() -> None:
        statistic = MapCounts.empty()
        for image in decoded:
            statistic.add(*image)
        _ = statistic.raw, statistic.stretched

    return run, len(decoded)


def judging(maps: str, masks: str) -> tuple[Callable[[], object], int]:
    from pipeline_src.maps.counts import count
    from pipeline_src.maps.pairs import pair_files

    pairs = pair_files(Path(maps), Path(masks))
    return lambda: count(pairs), len(pairs)


def command(*words: str) -> tuple[Callable[[], object], int]:
    """A command in a folder with a Snakefile of one rule whose file is there."""
    folder = tempfile.mkdtemp()
    (Path(folder) / "Snakefile").write_text('rule all:\n    output: "made"\n    shell: "touch made"\n')
    subprocess.run([Path(sys.executable).with_name("snakemake"), "-c1"], cwd=folder, capture_output=True, check=True)
    program = [Path(sys.executable).with_name(words[0]), *words[1:]]
    return lambda: subprocess.run(program, cwd=folder, capture_output=True, check=True), 1


PARTS: dict[str, Callable[..., tuple[Callable[[], object], int]]] = {
    "peer": peer,
    "counts": counts,
    "metric": metric,
    "statistic": statistic,
    "whole_maps": lambda *names: whole_maps(names),
    "forward": forward,
    "decoding": decoding,
    "counting": counting,
    "judging": judging,
    "command": command,
}
UNITS = {"ns": 1e9, "ms": 1e3, "s": 1.0}


class Row(NamedTuple):
    """A line of the table: what ours cost in parts, and one other part that the sum of them is compared with."""

    what: str
    unit: str
    ours: tuple[tuple[str, ...], ...]
    other: tuple[str, ...]
    times: bool  # whether the ratio says how many times faster ours is, or which share of the other it takes
    aim: str


BINS, FULL, BYTES = (("counts", kind) for kind in ("bins", "full", "8-bit"))
TORCHMETRICS, HISTOGRAM = ("peer", "torchmetrics"), ("peer", "numpy.histogram")
S_AND_E = ("whole_maps", "s_measure", "e_measure")
ALL_THREE = (*S_AND_E, "weighted_f")
HELP = ("command", "dense-calibration", "--help")
MAPS = "the saved maps"  # stands for two folders
DECODING = ("decoding", MAPS)
ROWS = (
    Row("counts for ECE, float32, a pixel; torchmetrics", "ns", (BINS,), TORCHMETRICS, True, "≥ 80"),
    Row("counts for ECE, float32, a pixel; netcal", "ns", (BINS,), ("peer", "netcal"), True, "≥ 80"),
    Row("counts for ECE, float32, a pixel; numpy.histogram", "ns", (BINS,), HISTOGRAM, True, ""),
    Row(
        "`DenseCalibration`, 8 maps of 96 px, a pixel; `BinaryCalibrationError`",
        "ns",
        (("metric", "ours"),),
        ("metric", "torchmetrics"),
        True,
        "",
    ),
    Row("full statistic, float32, a pixel and protocol; numpy.histogram", "ns", (FULL,), HISTOGRAM, True, ""),
    Row("8-bit maps, both protocols, a pixel; numpy.histogram", "ns", (BYTES,), HISTOGRAM, True, ""),
    Row(
        "statistic, S, E of 400 × 300; Lite0 forward, 96 px",
        "ms",
        (("statistic",), S_AND_E),
        ("forward",),
        False,
        "< 1",
    ),
    Row("and weighted F", "ms", (("statistic",), ALL_THREE), ("forward",), False, "< 1"),
    Row("8-bit map, decoded and counted; decoded", "ms", (DECODING, ("counting", MAPS)), DECODING, False, "≤ 1.5"),
    Row("and the meaning of all masks, as `judge` does", "ms", (("judging", MAPS),), DECODING, False, "≤ 1.5"),
    Row(
        "`dense-calibration --help`; no-op of a bare `snakemake`",
        "s",
        (HELP,),
        ("command", "snakemake", "-c1"),
        False,
        "≤ 1.3",
    ),
)


# Turns


def work(part: str, arguments: list[str]) -> None:
    """Prepare a part, then do a turn for every line of standard input and print its seconds."""
    run, times = PARTS[part](*arguments)
    run()
    print("ready", flush=True)
    for _ in sys.stdin:
        start = spent()
        run()
        print((spent() - start) / times, flush=True)


def spent() -> float:
    """Seconds of the processor, of this process and, in hundredths, those that it waited for."""
    of = os.times()
    return time.process_time() + of.children_user + of.children_system


class Program:
    """A part in a process of its own, of this version or of the one in another folder."""

    def __init__(self, part: tuple[str, ...], maps: tuple[str, str], root: Path = ROOT):
        words = [word for each in part for word in (maps if each == MAPS else (each,))]
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--part", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=root,
            env=os.environ | {"PYTHONPATH": str(root)},
        )
        if self._line() != "ready":
            raise RuntimeError(f"{' '.join(words)} failed: python {__file__} --part {' '.join(words)}")

    def _line(self) -> str:
        return self.process.stdout.readline().strip()

    def turn(self) -> float:
        """Seconds per unit of one turn."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self._line())

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()
        self.process.wait()


def rounds(programs: list[Program], number: int) -> np.ndarray:
    """(number, len(programs)) seconds; every other round in reverse order."""
    seconds = np.empty((number, len(programs)))
    for k in range(number):
        for at in range(len(programs))[:: -1 if k % 2 else 1]:
            seconds[k, at] = programs[at].turn()
    return seconds


def measured(parts: list[tuple], maps: tuple[str, str], number: int, roots: list[Path]) -> np.ndarray:
    """`rounds` of parts, each of the version in its root."""
    with ExitStack() as stack:
        each = zip(parts, roots, strict=True)
        return rounds([stack.enter_context(Program(part, maps, root)) for part, root in each], number)


# The table


def lines(rows: list[Row], maps: tuple[str, str], number: int, against: Path | None) -> Iterator[str]:
    """Lines of the table, as they are measured."""
    yield "| ours; beside | ours | other | ratio (quartiles) | aim |"
    yield "|---|---:|---:|---:|---:|"
    for row in rows:
        parts = [*row.ours, row.other]
        seconds = measured(parts, maps, number, [ROOT] * len(parts))
        ours, other = seconds[:, :-1].sum(axis=1), seconds[:, -1]
        yield line(row.what, row.unit, ours, other, other / ours if row.times else ours / other, row.aim)
    for part in dict.fromkeys(part for row in rows for part in row.ours if against):
        now, before = measured([part, part], maps, number, [ROOT, against]).T
        unit = next(row.unit for row in rows if part in row.ours)
        yield line(f"{', '.join(part[-2:])}; the version before", unit, now, before, before / now, "")


def line(what: str, unit: str, ours: np.ndarray, other: np.ndarray, ratio: np.ndarray, aim: str) -> str:
    cells = (f"{UNITS[unit] * np.median(of):.3g} {unit}" for of in (ours, other))
    low, middle, high = (f"{value:.3g}" for value in np.quantile(ratio, [0.25, 0.5, 0.75]))
    return f"| {what} | {' | '.join(cells)} | {middle} ({low} to {high}) | {aim} |"


def training() -> Iterator[str]:
    """A training's step beside those of two bare loops."""
    import training_loop

    ours, same, plain = training_loop.measured("mini", "aslp_mc", ("ours kept", "bare kept", "bare"), 24).values()
    yield line("training, an image; a bare loop that keeps its memory, too", "ms", ours, same, same / ours, "≥ 0.96")
    yield line("the same; a bare loop as one writes it", "ms", ours, plain, plain / ours, "≥ 0.96")


def facts() -> str:
    """What the numbers are of."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "numba", "torch", "torchmetrics", "netcal"))
    model = (
        re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text()) if Path("/proc/cpuinfo").exists() else None
    )
    name = model[1] if model else platform.processor()
    return f"{name}, one thread, {time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, {versions}."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="rows that hold this word")
    parser.add_argument("--against", type=lambda path: Path(path).resolve())
    parser.add_argument("--maps", type=lambda path: str(Path(path).resolve()))
    parser.add_argument("--masks", type=lambda path: str(Path(path).resolve()))
    arguments = parser.parse_args()
    print(facts(), "\n")
    with tempfile.TemporaryDirectory() as folder:
        maps = (arguments.maps, arguments.masks) if arguments.maps else tuple(map(str, saved(Path(folder))))
        for row in lines(
            [row for row in ROWS if arguments.only in row.what], maps, arguments.rounds, arguments.against
        ):
            print(row, flush=True)
    if arguments.only in "training":
        for row in training():
            print(row, flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--part"]:
        work(sys.argv[2], sys.argv[3:])
    else:
        main()
