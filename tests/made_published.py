"""Published experiments of made-up maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from made_statistics import counted, varied

from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.counting.compact_file import Load, compact_run, write_counts
from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.publishing import published
from pipeline_src.publishing.published import Publication

METHODS = {"baseline": MethodFacts("baseline"), "slp": MethodFacts("slp", {"alpha": 0.1, "beta": 1.0})}
FACTS = Facts("small", METHODS, {"photos": "id"})


def maps(method: str, seed: int, part: str) -> MapCounts:
    """Over-confident maps of 12 images, the baseline's more so; the same images for all methods and seeds."""
    sharp = {"baseline": 2.0, "slp": 1.2}.get(method, 1.5) + seed / 10
    return counted(varied(12, sharp=sharp), whole=False)


def load(statistic: MapCounts, bins: int) -> Load:
    """What `write_counts` takes of a run."""
    return lambda: compact_run(statistic, bins)


def write(file: Path, statistics: Mapping[int, MapCounts], bins: int = 10) -> None:
    """Write the counts of a method `m` on a data set `photos`, by seed."""
    loads = {seed: load(statistic, bins) for seed, statistic in statistics.items()}
    write_counts(file, {("photos", "m"): loads}, bins)


def publish(
    name: str,
    facts: Facts = FACTS,
    statistic: Callable[[str, int, str], MapCounts] = maps,
    made: Mapping[str, str] | None = None,
    **more: Any,
) -> Path:
    """Write the sources of results/published/`name` into the working folder; returns the folder."""
    folder = published.FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    loads: dict[tuple[str, str], dict[int, Load]] = {}
    for method, seed in facts.runs:
        for part in facts.parts:
            loads.setdefault((part, method), {})[seed] = load(statistic(method, seed, part), facts.bins)
    write_counts(folder / published.COUNTS, loads, facts.bins)
    histories = {f"{method}/seed{seed}/history.csv": b"epoch\n1\n" for method, seed in facts.runs}
    published.pack(histories, folder / published.RUNS)
    params = {"image_size": 96, "training": {"epochs": 60, "device": "auto"}} | more.pop("params", {})
    data = [{"part": part, "hash": "a"} for part in facts.parts]
    fields = {"notes": {}, "groups": {}, "params": params, "data": data, "files": {}} | more
    Publication(facts, made=made or {"torch": "2.9.0"}, **fields).write(folder)
    return folder
