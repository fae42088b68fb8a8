"""Results made up number by number, for tests of words and figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from pipeline_src.analysis.facts import Facts
from pipeline_src.analysis.measurement import Measurement
from pipeline_src.analysis.results import Results

STEADY = np.array(
    [-0.002, 0.0, 0.002]
)  # how resamples are spread around a point, alike for all: differences are certain


class MadeResults(Results):
    """Results in memory."""

    def measured(self, protocol: str, part: str) -> dict[str, Measurement]:
        return self.files[part]


def made(facts: Facts, of: Callable[[str, str], Measurement]) -> Results:
    """The results of an experiment, by method and data set."""
    return MadeResults(facts, {part: {method: of(method, part) for method in facts.methods} for part in facts.parts})


def measurement(
    points: Mapping[str, float], spread: Mapping[str, float] | None = None, seeds: tuple[int, ...] = (0,)
) -> Measurement:
    """A measurement of the same points for all seeds.

    Args:
        spread: metric -> how far its resamples spread besides, against all others'.
    """
    values = {name: point + STEADY * (1 + (spread or {}).get(name, 0) / STEADY[0]) for name, point in points.items()}
    return Measurement(
        seeds,
        10,
        {name: np.full(len(seeds), point) for name, point in points.items()},
        {name: np.tile(of, (len(seeds), 1)) for name, of in values.items()},
        pixels=100,
    )
