"""Results made up for tests: of maps, by way of statistics and analyses, or made by hand."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import numpy as np
from made_statistics import counted

from pipeline_src.analysis.analyse import analyse
from pipeline_src.analysis.facts import Facts
from pipeline_src.analysis.measurement import COMPARED, Measurement
from pipeline_src.analysis.results import Results
from pipeline_src.counting.storage import save
from pipeline_src.metrics.registry import OVER, SQUARED

RESAMPLES = 40  # a run takes a second with all of them


def analysed(
    folder: Path,
    facts: Facts,
    maps: Callable[[str, int, str], Iterable[tuple[np.ndarray, np.ndarray]]],
    without: Collection[tuple[str, int, str]] = (),
) -> Results:
    """Results of maps.

    Args:
        maps: (method, seed, part) -> (map, truth) of each image.
        without: runs that are missing.
    """
    for part in facts.splits:
        runs = [(method, seed) for method, seed in facts.runs if (method, seed, part) not in without]
        files = {run: folder / f"{run[0]}-{run[1]}-{quote(part, safe='')}.npz" for run in runs}
        for (method, seed), file in files.items():
            of_run = enumerate(maps(method, seed, part))
            save(counted((f, truth, f"{part}/{number}") for number, (f, truth) in of_run), file, {})
        out = folder / f"{quote(part, safe='')}.npz"
        analyse(part, facts.bins, files, out, resamples=RESAMPLES)
    return Results(facts, {part: folder / f"{quote(part, safe='')}.npz" for part in facts.splits})


@dataclass(frozen=True)
class HandMade(Results):
    """Results of measurements by (protocol, part, method)."""

    measurements: Mapping[tuple[str, str, str], Measurement] = field(default_factory=dict)

    def measured(self, protocol: str, part: str) -> dict[str, Measurement]:
        keys = {method: (protocol, part, method) for method in self.facts.methods}
        return {method: self.measurements[key] for method, key in keys.items() if key in self.measurements}

    def note(self, part: str) -> str:
        return self.facts.captions.get(part, "")


def by_hand(
    points: Mapping[str, Iterable[float]], spread: np.ndarray, seeds: Iterable[int] = (0,), **more
) -> Measurement:
    """A measurement whose resampled values are its points (S,) plus `spread` (R,) for all metrics. The squares that
    decide about ECE and OE come with them, and a noise floor of 0."""
    arrays = {name: np.array(values, float) for name, values in points.items()}
    if "ece" in arrays:
        arrays = {SQUARED: arrays["ece"] ** 2, "ece_floor": 0 * arrays["ece"]} | arrays
    if "oe" in arrays:
        arrays = {OVER: arrays["oe"] ** 2} | arrays
    near = {name: 0.1 if name in (SQUARED, OVER) else 1 for name in arrays}
    values = {name: array[:, None] + spread * near[name] for name, array in arrays.items()}
    images = more.pop("images", 100)
    more.setdefault("arrays", {"left_out": np.zeros((len(list(seeds)), len(COMPARED), images))})
    return Measurement(list(seeds), images, more.pop("units", images), arrays, values, **more)
