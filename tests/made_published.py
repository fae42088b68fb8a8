"""Published experiments of made-up maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from made_statistics import ByProtocol, counted, varied

from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.publishing import archives, published
from pipeline_src.publishing.compact import reduced
from pipeline_src.publishing.counts_file import add_runs
from pipeline_src.publishing.published import Publication

METHODS = {"baseline": MethodFacts("baseline"), "slp": MethodFacts("slp", {"alpha": 0.1, "beta": 1.0})}
FACTS = Facts("small", METHODS, {"photos": "id"})


def maps(method: str, seed: int, part: str) -> ByProtocol:
    """Over-confident maps of 12 images, the baseline's more so; the same images for all methods and seeds."""
    sharp = {"baseline": 2.0, "slp": 1.2}.get(method, 1.5) + seed / 10
    return counted(varied(12, sharp=sharp), whole=False)


def load(statistic: Callable[[str, int, str], ByProtocol], bins: int, part: str, method: str, seed: int) -> Any:
    """Return what `add_runs` takes of a run."""
    return reduced(statistic(method, seed, part), bins)


def write(file: Path, counts: Mapping[int, ByProtocol], bins: int = 10) -> None:
    """Write the counts of a method `m` on a dataset `photos`, by seed."""
    add_runs(file, {("photos", "m", seed): partial(reduced, counted, bins) for seed, counted in counts.items()})


def publish(
    name: str,
    facts: Facts = FACTS,
    statistic: Callable[[str, int, str], ByProtocol] = maps,
    made: Mapping[str, str] | None = None,
    **more: Any,
) -> Path:
    """Write the sources of results/published/`name` into the working folder; returns the folder."""
    folder = published.FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    runs = [(part, *run) for run in facts.runs for part in facts.splits]
    add_runs(folder / published.COUNTS, {run: partial(load, statistic, facts.bins, *run) for run in runs})
    histories = {f"{method}/seed{seed}/history.csv": b"epoch\n1\n" for method, seed in facts.runs}
    archives.pack(histories, folder / published.RUNS)
    params = {"image_size": 96, "training": {"epochs": 60, "device": "auto"}} | more.pop("params", {})
    data = [{"part": part, "from": f"{part}/all", "hash": "a"} for part in facts.splits]
    fields = {"notes": {}, "groups": {}, "params": params, "data": data, "files": {}} | more
    Publication(facts, made=made or {"torch": "2.9.0"}, **fields).write(folder)
    return folder
