"""The methods of an experiment compared over datasets, and the one that a stated rule recommends.

`RULE` and `SIMPLICITY` are the rule as data: README, results pages and reports state these and
nothing else. Intervals and paired differences are those of tables. Each dataset has the same
weight, however many images it has.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pipeline_src.analysis.estimate import HIGHER, LOWER, UNDEFINED_ESTIMATE, Estimate, estimate
from pipeline_src.analysis.facts import ROLES, Facts
from pipeline_src.analysis.intervals import FEW_GROUPS, MARGINS
from pipeline_src.analysis.measurement import Measurement
from pipeline_src.metrics.registry import METRICS

MARGIN = MARGINS["accuracy"]  # as a fraction: so much accuracy may be lost
# Whether a method has the baseline's accuracy.
KEPT = "kept"
LOST = "lost"
INCONCLUSIVE = "inconclusive"
# From the simplest: name of the group, and the codes of its methods. All other methods train
# differently.
SIMPLICITY = {
    "baseline": ("baseline",),
    "temperature scaling": ("temperature",),
    "Platt scaling": ("platt",),
    "other calibrators": (
        "beta",
        "isotonic",
        "histogram_binning",
        "image_temperature",
        "vector",
        "dirichlet",
    ),
    "averaged weights, also with a calibrator": ("averaged",),
    "several passes or networks": ("mc_dropout", "deep_ensemble"),
}
RULE = (
    "A method improves on the baseline if its mean ECE over the test sets in distribution is "
    f"significantly lower, its accuracy on each is kept within {100 * MARGIN:g} points, and its "
    "Brier score is not significantly higher.",
    "Among these, a method ties with that of the lowest ECE if its ECE is not significantly "
    "higher, or if both are below the noise floor, and its Brier score is not significantly "
    "higher.",
    "The simplest method of the tie is recommended, of equally simple ones that of the lowest ECE: "
    f"{', '.join(SIMPLICITY)}, methods that train differently.",
)
# Outcomes of methods in the rule.
RECOMMENDED = "recommended"
TIED = "tied"
NOT_TIED = "not tied with the lowest ECE"
NO_CHOICE = (
    "No recommendation: it needs a baseline, another method, and test sets in distribution of "
    f"{FEW_GROUPS} images or groups or more each."
)


@dataclass(frozen=True)
class ProtocolComparison:
    """The methods in one protocol on the datasets of a role, compared by means over the datasets.

    Attributes:
        facts: the methods.
        measured: dataset of the role -> method -> its measurement.
        role: a key of `facts.ROLES`.
    """

    facts: Facts
    measured: Mapping[str, Mapping[str, Measurement]]
    role: str

    @property
    def splits(self) -> list[str]:
        """The names of the datasets of the role."""
        return list(self.measured)

    @cached_property
    def methods(self) -> list[str]:
        """The methods that were run on all datasets, by mean ECE, the lowest first."""
        ece = {}  # the mean is NaN if a method was not run on one of them
        for method in self.facts.methods:
            value = self.mean("ece", method).value
            if not math.isnan(value):
                ece[method] = value
        return sorted(ece, key=ece.__getitem__)

    @property
    def baseline(self) -> str | None:
        """The baseline, if it was run on all datasets."""
        baseline = self.facts.baseline
        return baseline if baseline in self.methods else None

    def mean(self, metric: str, method: str) -> Estimate:
        """Return a metric's mean over the datasets; NaN where it is undefined or was not run."""
        return self._sum(metric, self.splits, {method: 1.0})

    def difference(
        self, metric: str, method: str, other: str, split: str | None = None
    ) -> Estimate:
        """Return one method's metric minus another's, paired by image and seed.

        The difference is NaN if the methods share no seed.

        Args:
            split: a dataset; by default, the difference is the mean over all datasets of the role.
        """
        splits = self.splits if split is None else [split]
        return self._sum(metric, splits, {method: 1.0, other: -1.0})

    def _sum(self, metric: str, splits: Sequence[str], weights: Mapping[str, float]) -> Estimate:
        """Return the weighted sum of methods' metrics, averaged over datasets.

        Args:
            splits: the names of the datasets.
            weights: method -> its weight: 1, or -1 for a method that is subtracted.

        Returns:
            `UNDEFINED_ESTIMATE` if a method was not run on one of the datasets, the metric is
            undefined, or the methods share no seed.
        """
        terms = []
        for method, weight in weights.items():
            for split in splits:
                if method not in self.measured[split]:
                    return UNDEFINED_ESTIMATE
                terms.append((self.measured[split][method], weight * (1 / len(splits))))
        return estimate(metric, *terms) or UNDEFINED_ESTIMATE

    def error_text(self, method: str) -> str:
        """Return a method's mean ECE in percent as text, with its confidence interval."""
        number = self.mean("ece", method)
        return METRICS["ece"].text(number.value, low=number.low, high=number.high, mark="\u00a0%")

    def accuracy(self, method: str, baseline: str) -> str:
        """Return whether the baseline's accuracy is KEPT, LOST or INCONCLUSIVE.

        Accuracy is KEPT if, on every dataset, the whole interval of its difference from the
        baseline lies above -`MARGIN`. It is LOST if, on one dataset, the interval lies below.
        """
        changes = [self.difference("accuracy", method, baseline, split) for split in self.splits]
        if any(change.high < -MARGIN for change in changes):
            return LOST
        return KEPT if all(change.low > -MARGIN for change in changes) else INCONCLUSIVE

    def lower_ece(self, method: str, other: str) -> bool:
        """Return whether a method's mean ECE is significantly lower than another's."""
        return self.difference("ece", method, other).direction == LOWER

    def higher_brier(self, method: str, other: str) -> bool:
        """Return whether a method's mean Brier score is significantly higher than another's."""
        return self.difference("brier", method, other).direction == HIGHER

    def ties(self, method: str, lowest: str) -> bool:
        """Return whether a method ties with `lowest`, the method of the lowest ECE: its ECE and its
        Brier score are not significantly higher.

        If both are below the noise floor of ECE, which networks without calibration error reach on
        these images, only their Brier scores are compared.
        """
        if method == lowest:
            return True
        at_floor = []
        for name in (method, lowest):
            floor = self.mean("ece_floor", name).value
            at_floor.append(self.mean("ece", name).value < floor)
        if not all(at_floor) and self.lower_ece(lowest, method):
            return False
        return not self.higher_brier(method, lowest)


def simplicity(facts: Facts, method: str) -> int:
    """Return the place of a method in `SIMPLICITY`; 0 is the simplest.

    A method that uses networks of another one is at least as complex as that method.
    """
    entry = facts.methods[method]
    places = [_place(entry.code)]
    if entry.parameters.get("weights") == "averaged":
        places.append(_place("averaged"))
    other = entry.uses  # the method whose networks a post-hoc method uses
    if other and other in facts.methods and other != method:
        places.append(simplicity(facts, other))
    return max(places)


def _place(code: str) -> int:
    """Return the place of a method's code in `SIMPLICITY`, from 0, the simplest.

    All other codes, of methods that train differently, have the place after the last.
    """
    for place, codes in enumerate(SIMPLICITY.values()):
        if code in codes:
            return place
    return len(SIMPLICITY)


@dataclass(frozen=True)
class Recommendation:
    """The outcome of `RULE`.

    Attributes:
        method: the recommended method, the baseline if none improves on it; None where nothing can
            be recommended.
        tied: the other methods that tie with that of the lowest mean ECE, the lowest first.
        outcomes: method -> why it is recommended or not, in a few words.
    """

    method: str | None
    tied: Sequence[str]
    outcomes: Mapping[str, str]


def recommend(inside: ProtocolComparison, tie_break: str = "ece") -> Recommendation:
    """Return what `RULE` recommends for the methods.

    Args:
        inside: the methods on the test sets in distribution, because only these decide.
        tie_break: a metric; of equally simple methods of the tie, the one of the lowest mean is
            recommended.
    """
    baseline = inside.baseline
    outcomes = dict.fromkeys(inside.methods, "")
    nothing = Recommendation(method=None, tied=(), outcomes=outcomes)
    if baseline is None:
        return nothing
    outcomes[baseline] = "baseline"
    if len(inside.methods) < 2 or inside.mean("accuracy", baseline).undecided:
        return nothing
    lowest = ""  # the method that improves with the lowest ECE, the first
    tie: list[str] = []
    for method in inside.methods:  # the lowest ECE first
        if method == baseline:
            continue
        accuracy = inside.accuracy(method, baseline)
        if accuracy != KEPT:
            outcomes[method] = f"accuracy {accuracy}"
        elif inside.higher_brier(method, baseline):
            outcomes[method] = "higher Brier score"
        elif not inside.lower_ece(method, baseline):
            outcomes[method] = "ECE not lower"
        else:
            lowest = lowest or method
            outcomes[method] = NOT_TIED
            if inside.ties(method, lowest):
                tie.append(method)
                outcomes[method] = TIED
    facts = inside.facts
    chosen = min(
        tie,
        key=lambda method: (simplicity(facts, method), inside.mean(tie_break, method).value),
        default=baseline,
    )
    outcomes[chosen] = RECOMMENDED
    others = [method for method in tie if method != chosen]
    return Recommendation(method=chosen, tied=others, outcomes=outcomes)


def sentences(
    inside: ProtocolComparison,
    others: Sequence[ProtocolComparison],
    choice: Recommendation,
    described: Mapping[str, Mapping[str, str]],
) -> str:
    """Return the recommendation as text: the method and its effect, where it has the opposite
    effect, and the tie.

    Args:
        inside: the methods on the test sets in distribution.
        others: the methods on test sets of other roles.
        choice: the result of `recommend`.
        described: method -> its `title`, the name in the literature.
    """
    method = choice.method
    baseline = inside.baseline
    if method is None or baseline is None:
        return NO_CHOICE
    kind = "synthetic" if inside.facts.synthetic else "real"
    images = f"{kind} images ({', '.join(inside.splits)})"
    error = inside.error_text(method)
    if method == baseline:
        lowest = inside.methods[0]
        text = (
            f"Keep the baseline. No method improves on it by the rule. Its mean ECE on {images} is "
            f"{error}; the lowest is {inside.error_text(lowest)} ({lowest})."
        )
    else:
        title = described.get(method, {}).get("title", method)
        text = (
            f"Use {method} ({title}). It lowers the mean ECE on {images} from "
            f"{inside.error_text(baseline)} to {error}, with accuracy kept within "
            f"{100 * MARGIN:g} points."
        )
    for other in others:
        if other.lower_ece(baseline, method):
            text += (
                f" {ROLES[other.role].capitalize()} ({', '.join(other.splits)}) its mean ECE is "
                f"higher, {other.error_text(method)}, than the baseline's, "
                f"{other.error_text(baseline)}."
            )
    if choice.tied:
        text += f" Also tied with the lowest ECE: {', '.join(choice.tied)}."
    return text
