"""Compare the methods of an experiment over datasets of one role; intervals and paired differences are those of tables.

Each dataset has the same weight, however many images it has.
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

KEPT, LOST, INCONCLUSIVE = "kept", "lost", "inconclusive"


@dataclass(frozen=True)
class ProtocolComparison:
    """The methods in one protocol on some datasets, `parts`."""

    results: Results
    protocol: str
    parts: Sequence[str]

    @classmethod
    def of(cls, results: Results, protocol: str, roles: Collection[str]) -> ProtocolComparison:
        """Return the comparison on the datasets of some roles."""
        return cls(results, protocol, results.facts.parts_of(roles))

    @property
    def facts(self) -> Facts:
        """Return what the experiment consists of."""
        return self.results.facts

    @cached_property
    def _measured(self) -> dict[str, dict[str, Measurement]]:
        return {part: self.results.measured(self.protocol, part) for part in self.parts}

    @cached_property
    def methods(self) -> list[str]:
        """Return the methods that were run on all datasets, by mean ECE, the lowest first."""
        common = [m for m in self.facts.methods if self.parts and all(m in runs for runs in self._measured.values())]
        ece = {method: self.mean("ece", method).value for method in common}
        return sorted((method for method in common if not math.isnan(ece[method])), key=ece.__getitem__)

    @property
    def baseline(self) -> str | None:
        """Return the baseline, if it was run on all datasets."""
        return self.facts.baseline if self.facts.baseline in self.methods else None

    def mean(self, metric: str, method: str) -> Estimate:
        """Return a metric's mean over the datasets; NaN where it is undefined."""
        return self._sum(metric, self.parts, {method: 1.0}) or UNDEFINED_ESTIMATE

    def difference(self, metric: str, method: str, other: str | None, part: str | None = None) -> Estimate | None:
        """Return one method's metric minus another's, paired by image and seed, on a dataset or as the mean over all.

        None without the other method or without a common seed.
        """
        parts = self.parts if part is None else [part]
        return self._sum(metric, parts, {method: 1.0, other: -1.0}) if other is not None else None

    def _sum(self, metric: str, parts: Sequence[str], weights: dict[str, float]) -> Estimate | None:
        share = 1 / len(parts)
        return estimate(metric, *((self._measured[part][m], w * share) for m, w in weights.items() for part in parts))

    def below_floor(self, method: str) -> bool:
        """Return whether a method's mean ECE is below what a network without calibration error would measure."""
        return self.mean("ece", method).value < self.mean("ece_floor", method).value

    def accuracy(self, method: str) -> str:
        """Return whether the baseline's accuracy is KEPT, LOST or INCONCLUSIVE.

        It is kept if, on every dataset, the whole interval of the difference lies above minus half a point.
        """
        changes = [self.difference("accuracy", method, self.facts.baseline, part) for part in self.parts]
        if any(change and change.high < -MARGIN for change in changes):
            return LOST
        return KEPT if all(change and change.low > -MARGIN for change in changes) else INCONCLUSIVE

    def lower_ece(self, method: str, other: str | None) -> bool:
        """Return whether a method's mean ECE is significantly lower than another's."""
        change = self.difference("ece", method, other)
        return bool(change and change.excludes_zero and change.value < 0)

    def higher_brier(self, method: str, other: str | None) -> bool:
        """Return whether a method's mean Brier score is significantly higher than another's."""
        change = self.difference("brier", method, other)
        return bool(change and change.low > 0)

    def ties(self, method: str, lowest: str) -> bool:
        """Return whether a method ties with the one of the lowest ECE: no significant difference, no higher Brier."""
        if method == lowest:
            return True
        both_at_floor = self.below_floor(method) and self.below_floor(lowest)
        return (both_at_floor or not self.lower_ece(lowest, method)) and not self.higher_brier(method, lowest)
