"""The methods of an experiment compared over datasets of one role, and the recommended one by one
stated rule.

`RULE` and `SIMPLICITY` are the rule as data: README, results pages and reports state these and
nothing else. Intervals and paired differences are those of tables. Each dataset has the same
weight, however many images it has.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pipeline_src.analysis.estimate import UNDEFINED_ESTIMATE, Estimate, estimate
from pipeline_src.analysis.facts import Facts
from pipeline_src.analysis.measurement import Measurement
from pipeline_src.analysis.results import Results
from pipeline_src.claims.checks import MARGIN
from pipeline_src.metrics.registry import METRICS

KEPT, LOST, INCONCLUSIVE = "kept", "lost", "inconclusive"  # the baseline's accuracy
# From the simplest: name of the group, and the codes of its methods. All other methods train
# differently.
SIMPLICITY: tuple[tuple[str, frozenset[str]], ...] = (
    ("baseline", frozenset({"baseline"})),
    ("temperature scaling", frozenset({"temperature"})),
    ("Platt scaling", frozenset({"platt"})),
    (
        "other calibrators",
        frozenset(
            {"beta", "isotonic", "histogram_binning", "image_temperature", "vector", "dirichlet"}
        ),
    ),
    ("averaged weights, also with a calibrator", frozenset({"averaged"})),
    ("several passes or networks", frozenset({"mc_dropout", "deep_ensemble"})),
)
TRAINED = "methods that train differently"
RULE = (
    "A method improves on the baseline if its mean ECE over the test sets in distribution is significantly lower, "
    f"its accuracy on each is kept within {100 * MARGIN:g} points, and its Brier score is not significantly higher.",
    "Among these, a method ties with that of the lowest ECE if the paired 95 % CI of their ECE difference contains 0 "
    "and its Brier score is not significantly higher.",
    f"The simplest method of the tie is recommended: {', '.join(name for name, _ in SIMPLICITY)}, {TRAINED}.",
)
RECOMMENDED, TIED, NOT_TIED = "recommended", "tied", "not tied with the lowest ECE"


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

    @cached_property
    def _measured(self) -> dict[str, dict[str, Measurement]]:
        return {part: self.results.measured(self.protocol, part) for part in self.parts}

    @cached_property
    def methods(self) -> list[str]:
        """Return the methods that were run on all datasets, by mean ECE, the lowest first."""
        common = [
            m
            for m in self.results.facts.methods
            if self.parts and all(m in runs for runs in self._measured.values())
        ]
        ece = {method: self.mean("ece", method).value for method in common}
        return sorted(
            (method for method in common if not math.isnan(ece[method])), key=ece.__getitem__
        )

    @property
    def baseline(self) -> str | None:
        """Return the baseline, if it was run on all datasets."""
        return self.results.facts.baseline if self.results.facts.baseline in self.methods else None

    def mean(self, metric: str, method: str) -> Estimate:
        """Return a metric's mean over the datasets; NaN where it is undefined."""
        return self._sum(metric, self.parts, {method: 1.0}) or UNDEFINED_ESTIMATE

    def difference(
        self, metric: str, method: str, other: str | None, part: str | None = None
    ) -> Estimate | None:
        """Return one method's metric minus another's, paired by image and seed, on a dataset or as
        the mean over all.

        None without the other method or without a common seed.
        """
        parts = self.parts if part is None else [part]
        return self._sum(metric, parts, {method: 1.0, other: -1.0}) if other is not None else None

    def _sum(self, metric: str, parts: Sequence[str], weights: dict[str, float]) -> Estimate | None:
        share = 1 / len(parts)
        return estimate(
            metric,
            *((self._measured[part][m], w * share) for m, w in weights.items() for part in parts),
        )

    def below_floor(self, method: str) -> bool:
        """Return whether a method's mean ECE is below what a network without calibration error would measure."""
        return self.mean("ece", method).value < self.mean("ece_floor", method).value

    def error_text(self, method: str) -> str:
        """Return a mean ECE with its confidence interval, in the digits of the tables."""
        number = self.mean("ece", method)
        return METRICS["ece"].text(number.value, low=number.low, high=number.high, mark="\u00a0%")

    def accuracy(self, method: str) -> str:
        """Return whether the baseline's accuracy is KEPT, LOST or INCONCLUSIVE.

        It is kept if, on every dataset, the whole interval of the difference lies above minus half
        a point.
        """
        changes = [
            self.difference("accuracy", method, self.results.facts.baseline, part)
            for part in self.parts
        ]
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
        return (both_at_floor or not self.lower_ece(lowest, method)) and not self.higher_brier(
            method, lowest
        )


def simplicity(facts: Facts, method: str) -> int:
    """Return the place of a method in `SIMPLICITY`; a calibrator of a network has at least that network's."""
    entry = facts.methods[method]
    base = entry.uses

    def place(code: str) -> int:
        return next(
            (k for k, (_, codes) in enumerate(SIMPLICITY) if code in codes), len(SIMPLICITY)
        )

    places = [place(entry.code)] + [place("averaged")] * (
        entry.parameters.get("weights") == "averaged"
    )
    return max(
        *places, simplicity(facts, base) if base and base in facts.methods and base != method else 0
    )


@dataclass(frozen=True)
class Recommendation:
    """The outcome of `RULE`.

    Attributes:
        method: the recommended method, the baseline if none improves on it; None where nothing can
            be recommended.
        tied: the other methods of the tie, by mean ECE.
        outcomes: method -> why it is recommended or not, in a few words.
    """

    method: str | None
    tied: Sequence[str]
    outcomes: Mapping[str, str]


def recommend(inside: ProtocolComparison) -> Recommendation:
    """Apply `RULE` to the methods on the test sets in distribution."""
    base, outcomes = inside.baseline, dict.fromkeys(inside.methods, "")
    if base is None or len(inside.methods) < 2:
        return Recommendation(None, (), outcomes)
    improving = []
    for method in (name for name in inside.methods if name != base):
        accuracy = inside.accuracy(method)
        if accuracy != KEPT:
            outcomes[method] = f"accuracy {accuracy}"
        elif inside.higher_brier(method, base):
            outcomes[method] = "higher Brier score"
        elif not inside.lower_ece(method, base):
            outcomes[method] = "ECE not lower"
        else:
            improving.append(method)
            outcomes[method] = TIED if inside.ties(method, improving[0]) else NOT_TIED
    tie = [method for method in improving if outcomes[method] == TIED]
    chosen = min(tie, key=lambda method: simplicity(inside.results.facts, method), default=base)
    outcomes[chosen] = RECOMMENDED
    return Recommendation(chosen, [method for method in tie if method != chosen], outcomes)


# The recommendation as text.
NO_CHOICE = "No recommendation: it needs a baseline, another method and a test set in distribution."
KEEP = "Keep the baseline. No method improves on its mean ECE on {images}, {error}; the lowest is {lowest} ({first})."
USE = (
    "Use {method}. It lowers the mean ECE on {images} from {before} to {error}, with accuracy kept within "
    f"{100 * MARGIN:g} points."
)
TIE = "Not significantly different: {}."


def sentences(inside: ProtocolComparison, titles: Mapping[str, str]) -> list[str]:
    """Return the recommendation as text: the method and its effect, and the tie.

    Args:
        titles: method -> its name in the literature.
    """
    choice, base = recommend(inside), inside.baseline
    if choice.method is None or base is None:
        return [NO_CHOICE]
    facts = {
        "images": f"{'synthetic' if inside.results.facts.synthetic else 'real'} images ({', '.join(inside.parts)})",
        "error": inside.error_text(choice.method),
        "before": inside.error_text(base),
        "first": inside.methods[0],
        "lowest": inside.error_text(inside.methods[0]),
        "method": f"{choice.method} ({titles.get(choice.method, choice.method)})",
    }
    texts = [(KEEP if choice.method == base else USE).format_map(facts)]
    texts += [TIE.format(", ".join(choice.tied))] if choice.tied else []
    return texts


def overview(
    inside: ProtocolComparison, elsewhere: Sequence[ProtocolComparison]
) -> list[dict[str, Any]]:
    """Return a row per method, by ECE, of the estimates behind the recommendation, and the outcome of the rule."""
    outcomes, base = recommend(inside).outcomes, inside.baseline
    return [
        {
            "method": method,
            **{
                metric: inside.mean(metric, method) for metric in ("ece", "oe", "accuracy", "brier")
            },
            "change": inside.difference("ece", method, base) if method != base else None,
            "elsewhere": [
                sets.mean("ece", method) if method in sets.methods else None for sets in elsewhere
            ],
            "outcome": outcomes[method] or ("baseline" if method == base else ""),
        }
        for method in inside.methods
    ]
