"""How long a large experiment takes on so many GPUs: its real graph of jobs, in a simulation.

`python benchmarks/scale.py` simulates 21 methods with 5 seeds on the paper's data sets at 384 px, with one network and
with three, measures what merging statistics costs here, and writes the tables of docs/scale.md. Every speed of the
simulation is an option, and an assumption unless you have measured it: `dense-calibration plan` measures images/s of a
training step and of inference on your device.
"""

from __future__ import annotations

import argparse
import heapq
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from pipeline_src.counting.statistic import TwoClassStatistic
from pipeline_src.params.load import merge, read
from pipeline_src.pipeline.jobs import build
from pipeline_src.pipeline.experiment import ExperimentGraph

PAGE = Path(__file__).parent.parent / "docs" / "scale.md"
END = "<!-- end -->"
MERGES = 5
# Images of the paper's data sets. Drawn sets stand for them in the graph, which needs no files then.
TRAINING = {"train": 9553, "val": 1000}
TESTS = {"DUTS-TE": 5019, "DUT-OMRON": 5168, "PASCAL-S": 850, "SOD": 300, "ECSSD": 1000, "HKU-IS": 4447, "DTD": 500}
LEFT_OUT = ("focal_3", "mmce_mukhoti")  # of the methods of `mini_methods`: 21 stay
GPUS = (1, 8, 64)


@dataclass(frozen=True)
class Speeds:
    """Images a second of one GPU, and seconds.

    Attributes:
        train: images/s of training, loading included.
        predict: images/s of inference and counting.
        decode: images/s of decoding and resizing on one core.
        start: s until a job's program works: imports, network, data.
        wait: s that a job waits in the cluster's queue and for Snakemake to see its end.
        analyse: s an evaluation takes in the analysis of its data set.
        draw: s a file of a figure takes, over the processes that draw.
    """

    train: float = 60.0
    predict: float = 180.0
    decode: float = 100.0
    start: float = 15.0
    wait: float = 30.0
    analyse: float = 2.0
    draw: float = 0.15


@dataclass(frozen=True)
class Job:
    """A job of Snakemake: seconds, GPUs, and the names of those before it."""

    seconds: float
    gpus: int
    before: tuple[str, ...]


def experiment(seeds: int) -> ExperimentGraph:
    """The graph of the experiment `paper` with more methods and seeds."""
    params = read()
    methods = [name for name in params.experiments["mini_methods"]["methods"] if name not in LEFT_OUT]
    data = {
        "train": {"set": "scenes", "split": "train"},
        "val": {"set": "scenes", "split": "val"},
        "id": {name: {"set": "scenes", "split": "test", "first": 9 + i} for i, name in enumerate([*TESTS][:-1])},
        "ood": {"DTD": {"set": "textures", "split": "test"}},
    }
    large = merge(params.experiments["paper"], {"methods": methods, "seeds": list(range(seeds))}) | {"data": data}
    return build(params.model_copy(update={"experiments": {"large": large}}), "large")


def jobs(graph: ExperimentGraph, speeds: Speeds) -> dict[str, Job]:
    """All jobs of Snakemake by name; evaluations of a run are one (`ExperimentGraph.batch_of`)."""
    made: dict[str, Job] = {}
    for job in graph.jobs.values():
        name, batch = graph.batch_of(job)
        before = {graph.batch_of(of)[0] for each in batch for of in each.inputs.values()}
        if job.kind == "train":
            before |= {of.name for of in graph.of_kinds("prepare")}
        seconds = sum(_seconds(graph, each.name, len(each.files), speeds) for each in batch)
        gpus = int(job.kind in ("train", "evaluate"))
        made[name] = Job(speeds.start + speeds.wait + seconds, gpus, tuple(sorted(before)))
    return made


def _seconds(graph: ExperimentGraph, name: str, files: int, speeds: Speeds) -> float:
    """Seconds of work of a job."""
    kind, *of = name.split("/")
    images = TRAINING | TESTS
    if kind == "train":
        posthoc = graph.posthoc(of[0])
        epochs = graph.settings.training.epochs
        passes = images["val"] / speeds.predict
        if posthoc:
            return passes if posthoc.fits else 0.0
        return epochs * (images["train"] / speeds.train + passes)
    if kind == "evaluate":
        method, seed, part = of
        networks = len(graph.networks(method, int(seed.removeprefix("seed"))))
        return images[part] * networks * getattr(graph.methods[method].method, "passes", 1) / speeds.predict
    if kind == "store":
        return images[of[0]] / speeds.decode
    if kind == "analyse":
        return len(graph.runs) * speeds.analyse
    return files * speeds.draw if kind == "figures" else 60.0


def schedule(todo: Mapping[str, Job], gpus: int) -> float:
    """Seconds until all is done, on so many GPUs and cores enough: whenever a GPU is free, the next job in the order of
    the graph takes it."""
    order = {name: number for number, name in enumerate(todo)}
    missing = {name: len(job.before) for name, job in todo.items()}
    after: dict[str, list[str]] = {name: [] for name in todo}
    for name, job in todo.items():
        for each in job.before:
            after[each].append(name)
    ready, running, now, free = [name for name in todo if not missing[name]], [], 0.0, gpus
    while ready or running:
        for name in sorted(ready, key=order.__getitem__):
            if todo[name].gpus <= free:
                free -= todo[name].gpus
                heapq.heappush(running, (now + todo[name].seconds, order[name], name))
                ready.remove(name)
        now, _, done = heapq.heappop(running)
        free += todo[done].gpus
        for name in after[done]:
            missing[name] -= 1
            ready += [name] * (not missing[name])
    return now


def longest(todo: Mapping[str, Job]) -> tuple[float, list[str]]:
    """Seconds of the longest way through the graph, and its jobs: with any number of GPUs it takes as long."""
    reached: dict[str, tuple[float, list[str]]] = {}
    for name, job in todo.items():  # inputs stand before those that need them, but for what a training waits for
        seconds, way = max((reached[each] for each in job.before), default=(0.0, []))
        reached[name] = seconds + job.seconds, [*way, name]
    return max(reached.values())


def rows(graph: ExperimentGraph, speeds: Speeds) -> list[str]:
    """The lines of the table."""
    one = jobs(graph, speeds)
    lines = ["| networks | jobs | GPU hours |", "|---|---|---|"]
    lines[0] += "".join(f" hours on {gpus} GPU{'s' * (gpus > 1)} (busy) |" for gpus in GPUS) + " longest way, hours |"
    lines[1] += "---|" * (len(GPUS) + 1)
    for networks in (1, 3):
        todo = {
            f"{name}#{number}": Job(job.seconds, job.gpus, tuple(f"{each}#{number}" for each in job.before))
            for number in range(networks)
            for name, job in one.items()
        }
        work = sum(job.seconds * job.gpus for job in todo.values())
        cells = [str(networks), f"{len(todo):,}", f"{work / 3600:.0f}"]
        for gpus in GPUS:
            seconds = schedule(todo, gpus)
            cells.append(f"{seconds / 3600:.1f} ({work / seconds / gpus:.0%})")
        lines.append("| " + " | ".join([*cells, f"{longest(todo)[0] / 3600:.1f}"]) + " |")
    way = " → ".join(f"`{name}`" for name in longest(one)[1])
    values = ", ".join(f"{name} {value:g}" for name, value in vars(speeds).items())
    runs = f"{len(graph.methods)} methods, {len(graph.settings.seeds)} seeds, {graph.settings.training.epochs} epochs"
    return [f"{runs}. Assumed: {values}.", "", *lines, "", f"The longest way: {way}."]


def merging(images: int = 250) -> list[str]:
    """The lines of the table of merging statistics, full ones and quick ones, and what a billion images come to. Maps
    of 96 x 96 random values have the largest rows."""
    lines = ["| statistic of a shard | bytes an image | merging, µs an image | 1e9 images |", "|---|---|---|---|"]
    maps = np.random.default_rng(0).integers(0, 256, (2 * images, 96, 96), np.uint8)
    for quick in (False, True):
        one, two = TwoClassStatistic.empty(quick), TwoClassStatistic.empty(quick)
        for number, each in enumerate(maps):
            (one if number < images else two).add(each, each > 99, f"image{number}")
        started = time.perf_counter()
        for _ in range(MERGES):
            merged = one + two
        seconds = (time.perf_counter() - started) / MERGES
        with TemporaryDirectory() as folder:
            merged.save(file := Path(folder) / "merged.npz", {})
            size = file.stat().st_size
        if quick:
            cells = [
                "counts alone: ECE, OE, accuracy",
                "0",
                "0",
                f"{size / 1e3:.0f} kB; {1e3 * seconds:.1f} ms a shard",
            ]
        else:
            each, took = size / (2 * images), seconds / (2 * images)
            whole = f"{1e9 * each / 1e12:.1f} TB; {1e9 * took / 3600:.0f} core hours a level"
            cells = ["with rows per image: all metrics, intervals", f"{each:.0f}", f"{1e6 * took:.0f}", whole]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    """Simulate and measure, print, and write the page's tables where no speed was given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in vars(Speeds()).items():
        parser.add_argument(f"--{name}", type=float, default=value)
    parser.add_argument("--seeds", type=int, default=5)
    given = vars(parser.parse_args())
    large, speeds = experiment(given.pop("seeds")), Speeds(**given)
    for name, lines in (("graph", rows(large, speeds)), ("merging", merging())):
        text = "\n".join(lines)
        print(text)
        if speeds == Speeds():
            start = f"<!-- python benchmarks/scale.py: {name} -->"
            before, _, rest = PAGE.read_text(encoding="utf-8").partition(start)
            PAGE.write_text(f"{before}{start}\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
