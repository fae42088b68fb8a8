"""How the methods compare over all data sets of some roles: what the recommendation rests on.

A set counts as much as another, however many images it has. Intervals and paired differences are those of the tables.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

from pipeline_src.analysis.estimate import UNDEFINED_ESTIMATE, Estimate, estimate
from pipeline_src.analysis.facts import Facts
from pipeline_src.analysis.measurement import Measurement
from pipeline_src.analysis.results import Results
from pipeline_src.claims.checks import MARGIN
from pipeline_src.metrics.registry import METRICS

KEPT, LOST, NOT_DECIDED = "kept", "lost", "not decided"
RANKING = "augrc"
# What a better calibration error must not be bought with. One confidence for all pixels, equal to the accuracy, has an
# ECE of 0 at unchanged accuracy and even a lower NLL, and says of no pixel how far to trust it.
REFINEMENT = ("brier", RANKING)


@dataclass(frozen=True)
class ProtocolComparison:
    """The methods in one protocol.

    Attributes:
        parts: the data sets.
    """

    results: Results
    protocol: str
    parts: Sequence[str]

    @classmethod
    def of(cls, results: Results, protocol: str, roles: Collection[str]) -> ProtocolComparison:
        """On the data sets of some roles."""
        return cls(results, protocol, results.facts.parts_of(roles))

    @property
    def facts(self) -> Facts:
        return self.results.facts

    @cached_property
    def _measured(self) -> dict[str, dict[str, Measurement]]:
        return {part: self.results.measured(self.protocol, part) for part in self.parts}

    @cached_property
    def methods(self) -> list[str]:
        """Those that were run on all data sets, by mean ECE, the lowest first."""
        common = [m for m in self.facts.methods if self.parts and all(m in of for of in self._measured.values())]
        ece = {method: self.mean("ece", method).value for method in common}
        return sorted((method for method in common if not math.isnan(ece[method])), key=ece.__getitem__)

    @property
    def baseline(self) -> str | None:
        """The baseline, if it was run on all data sets."""
        return self.facts.baseline if self.facts.baseline in self.methods else None

    @property
    def others(self) -> list[str]:
        """All but the baseline, by mean ECE."""
        return [method for method in self.methods if method != self.baseline]

    def mean(self, metric: str, method: str) -> Estimate:
        """A metric's mean over the data sets; NaN where it is undefined."""
        return self._sum(metric, self.parts, {method: 1.0}) or UNDEFINED_ESTIMATE

    def difference(self, metric: str, method: str, other: str | None, part: str | None = None) -> Estimate | None:
        """One method's metric less another's on the same images, on a data set or as the mean over all; None without
        the other, or a seed that both have."""
        parts = self.parts if part is None else [part]
        return self._sum(metric, parts, {method: 1.0, other: -1.0}) if other is not None else None

    def _sum(self, metric: str, parts: Sequence[str], weights: dict[str, float]) -> Estimate | None:
        share = 1 / len(parts)
        return estimate(metric, *((self._measured[part][m], w * share) for m, w in weights.items() for part in parts))

    def below_floor(self, method: str) -> bool:
        """Whether a method's mean ECE is below what a network without calibration error would measure."""
        return self.mean("ece", method).value < self.mean("ece_floor", method).value

    @cached_property
    def below(self) -> list[str]:
        """The methods that no calibrated network would be told from, by mean ECE."""
        return [method for method in self.methods if self.below_floor(method)]

    @cached_property
    def lowest(self) -> list[str]:
        """The methods of the lowest mean ECE, several where it is printed alike."""
        printed = {method: METRICS["ece"].number(self.mean("ece", method).value) for method in self.methods}
        return [method for method in self.methods if printed[method] == printed[self.methods[0]]]

    def tied(self, among: Sequence[str]) -> list[str]:
        """Those of some methods, by ECE, whose ECE does not differ significantly from that of the first of them."""
        first, *others = among
        alike = [m for m in others if self.below_floor(first) and self.below_floor(m)]
        differences = {method: self.difference("ece", method, first) for method in others}
        return [m for m, effect in differences.items() if m in alike or not (effect and effect.excludes_zero)]

    def accuracy(self, method: str) -> str:
        """Whether the baseline's accuracy is KEPT, LOST or NOT_DECIDED, by the rule of claim C5: on every data set, the
        whole interval of the difference lies above minus half a point."""
        verdicts = {_verdict(self.accuracy_change(method, part)) for part in self.parts}
        return next(verdict for verdict in (LOST, NOT_DECIDED, KEPT) if verdict in verdicts)

    def losses(self, method: str) -> dict[str, Estimate]:
        """The data sets on which the baseline's accuracy is lost, with the difference to it."""
        changes = {part: self.accuracy_change(method, part) for part in self.parts}
        return {part: change for part, change in changes.items() if change and _verdict(change) == LOST}

    def accuracy_change(self, method: str, part: str) -> Estimate | None:
        """The difference of a method's accuracy to the baseline's on one data set."""
        return self.difference("accuracy", method, self.facts.baseline, part)

    def worse(self, method: str) -> dict[str, Estimate]:
        """The metrics of `REFINEMENT` whose mean is significantly above the baseline's, with the difference."""
        changes = {metric: self.difference(metric, method, self.facts.baseline) for metric in REFINEMENT}
        return {metric: change for metric, change in changes.items() if change and change.low > 0}

    def lost(self, method: str) -> bool:
        """Whether a method is shown to lose accuracy or refinement."""
        return self.accuracy(method) == LOST or bool(self.worse(method))

    @property
    def candidates(self) -> list[str]:
        """The baseline and the methods that keep its accuracy and are not `worse`, by mean ECE."""
        keep = [m for m in self.others if self.accuracy(m) == KEPT and not self.worse(m)] if self.baseline else []
        return [m for m in self.methods if m == self.baseline or m in keep] if self.baseline else []

    @property
    def recommended(self) -> str | None:
        """The candidate of the lowest mean ECE, if that is significantly below the baseline's."""
        first = next(iter(self.candidates), None)
        gain = self.difference("ece", first, self.baseline) if first and first != self.baseline else None
        return first if gain and gain.excludes_zero else None


def _verdict(change: Estimate | None) -> str:
    if change and change.low > -MARGIN:
        return KEPT
    return LOST if change and change.high < -MARGIN else NOT_DECIDED
