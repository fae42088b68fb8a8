"""How the methods stand beside each other over all in-distribution sets: what the recommendation rests on.

A set counts as much as another, however many images it has. Intervals and paired differences are those of the tables.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pipeline_src.analysis.bootstrap import percentiles
from pipeline_src.analysis.results import Results
from pipeline_src.analysis.samples import Samples, combined, shared
from pipeline_src.claims.checks import KEPT
from pipeline_src.claims.evidence import AGREES, OPPOSES, POINTS, UNDECIDED, Evidence

BASELINE = "baseline"


class Estimate(NamedTuple):
    """A number with the ends of its 95 % interval (NaN where undefined), as a fraction."""

    value: float
    low: float
    high: float

    @property
    def bottom(self) -> float:
        """The low end, or the value where there is none."""
        return self.value if math.isnan(self.low) else self.low

    @property
    def top(self) -> float:
        """The high end, or the value where there is none."""
        return self.value if math.isnan(self.high) else self.high

    @property
    def sure(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Standing:
    """The methods in one protocol on the sets of some roles.

    Attributes:
        parts: the sets.
        methods: those that were run on all of them, by mean ECE, the lowest first.
    """

    results: Results
    samples: Samples
    protocol: str
    parts: Sequence[str]
    methods: Sequence[str]

    @classmethod
    def of(cls, results: Results, samples: Samples, protocol: str, roles: Collection[str]) -> Standing:
        parts = [part for part, role in results.parts.items() if role in roles]
        everywhere = [m for m in results.methods if parts and all((protocol, m, part) in samples for part in parts)]
        unsorted = cls(results, samples, protocol, parts, everywhere)
        ece = {method: unsorted.mean("ece", method).value for method in everywhere}
        ranked = sorted((method for method in everywhere if ece[method] == ece[method]), key=ece.__getitem__)
        return cls(results, samples, protocol, parts, ranked)

    def mean(self, metric: str, method: str) -> Estimate:
        """A metric's mean over the sets."""
        return self._sum(metric, {method: 1.0})

    def difference(self, metric: str, method: str, other: str) -> Estimate | None:
        """The mean over the sets of one method's metric less another's, on the same images; None without a seed that
        both have."""
        if not shared([self.samples[self.protocol, m, part] for m in (method, other) for part in self.parts]):
            return None
        return self._sum(metric, {method: 1.0, other: -1.0})

    def _sum(self, metric: str, weights: dict[str, float]) -> Estimate:
        share = 1 / len(self.parts)
        terms = [(self.samples[self.protocol, m, part], w * share) for m, w in weights.items() for part in self.parts]
        _, points, values = combined(metric, terms)
        return Estimate(float(points.mean()), *(percentiles(values.mean(axis=0)) or (np.nan, np.nan)))

    def tied(self, among: Sequence[str]) -> list[str]:
        """Those of some methods, by ECE, whose ECE cannot be told from that of the first of them."""
        first, *others = among
        found = {method: self.difference("ece", method, first) for method in others}
        return [method for method, difference in found.items() if not (difference and difference.sure)]

    def accuracy(self, method: str) -> str:
        """Whether the baseline's accuracy is kept (AGREES), lost (OPPOSES) or neither shown, by the rule of claim C5:
        on every set, the whole interval of the difference lies above minus half a point."""
        says = {self.accuracy_on(method, part).says for part in self.parts}
        return OPPOSES if OPPOSES in says else UNDECIDED if UNDECIDED in says else AGREES

    def accuracy_on(self, method: str, part: str) -> Evidence:
        """The difference of a method's accuracy to the baseline's on one set."""
        pair = [self.samples[self.protocol, name, part] for name in (method, BASELINE)]
        by_seed, low, high = {}, np.nan, np.nan
        if shared(pair):
            seeds, points, values = combined("accuracy", [(pair[0], 1.0), (pair[1], -1.0)])
            by_seed = dict(zip(seeds, points.tolist(), strict=True))
            low, high = percentiles(values.mean(axis=0)) or (np.nan, np.nan)
        return Evidence("accuracy", {part: pair[0].images}, by_seed, low, high, KEPT, POINTS)

    @property
    def compared(self) -> bool:
        """Whether there is a baseline to compare with."""
        return BASELINE in self.methods
