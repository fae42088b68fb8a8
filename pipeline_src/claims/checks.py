"""Checks of claims: each yields comparisons of an experiment in one protocol, or the results that are missing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline_src.analysis.estimate import common_seeds, estimate
from pipeline_src.analysis.facts import ROLES, Facts, run_command
from pipeline_src.analysis.intervals import MARGINS
from pipeline_src.analysis.results import Results
from pipeline_src.claims.verdict import ABOVE_ZERO, Evidence, Items, Missing, Target
from pipeline_src.metrics.registry import METRICS

if TYPE_CHECKING:
    import pandas as pd

MARGIN = MARGINS[
    "accuracy"
]  # what counts as kept (accuracy) or similar (ECE): half a percentage point
FAR_MORE = 2.0  # "far more" overconfident: more than twice
NOT_LOWER, SIMILAR = Target(-MARGIN, math.inf), Target(-MARGIN, MARGIN)
SAME_S = 1e-3  # relative; params.yaml rounds alpha


@dataclass(frozen=True)
class View:
    """An experiment in one protocol, as checks of claims see it; a `Missing` replaces evidence that
    it lacks.

    Args:
        results: the measurements of the experiment.
        protocol: unnormalized (`raw`) or min-max normalized (`stretched`).
        alphas: (method, seed) -> the alphas of the methods that learn some, by image (rows) and
            epoch.
    """

    results: Results
    protocol: str = "raw"
    alphas: Mapping[tuple[str, int], pd.DataFrame] = field(default_factory=dict)

    @property
    def facts(self) -> Facts:
        """The facts of the experiment: its methods, test sets and roles."""
        return self.results.facts

    def sets(self, role: str) -> list[str]:
        """Return the test sets of a role, id or ood, that decide claims."""
        return self.facts.textures if role == "ood" else self.facts.parts_of((role,))

    def on_sets(self, role: str, compare: Callable[[str], Items]) -> Items:
        """Yield what `compare` yields for each test set of a role; a `Missing` if there is none."""
        if not (parts := self.sets(role)):
            yield self.missing(f"a test set {ROLES[role]}", f"add one to “data: {role}:”")
        for part in parts:
            yield from compare(part)

    def without(self, code: str) -> Items:
        """Yield a `Missing` if no entry of `methods:` uses the method `code`."""
        if not self.facts.entries(code):
            yield self.missing(f"a block of {code}", "add it to “methods:”")

    def missing(self, subject: str, change: str = "") -> Missing:
        """Return a `Missing` with the command that computes its subject, after a `change` of params.yaml."""
        name = self.facts.experiment
        change = f"{change} of the experiment {name} in params.yaml and " if change else ""
        return Missing(subject, f"{change}run: {run_command(name)}")

    def difference(
        self, metric: str, target: Target, method: str, other: str, part: str
    ) -> Evidence | Missing:
        """Return a metric of a method minus that of another on the same images, paired by image and seed."""
        terms = [(method, part, 1.0), (other, part, -1.0)]
        return self.weighted_sum(
            metric, target, f"{method} − {other}", terms, MARGINS.get(metric, 0.0)
        )

    def differences(
        self, metric: str, target: Target, method: str, compared: Iterable[str], role: str
    ) -> Items:
        """Yield the `difference` to each of some methods, on each set of a role."""
        names = list(compared)
        return self.on_sets(
            role,
            lambda part: (self.difference(metric, target, method, name, part) for name in names),
        )

    def weighted_sum(
        self,
        metric: str,
        target: Target,
        subject: str,
        terms: Sequence[tuple[str, str, float]],
        margin: float = 0.0,
    ) -> Evidence | Missing:
        """Return a metric summed over (method, set, weight) terms and averaged over the seeds that all of them have."""
        measured, sets = [], {}
        for method, part, weight in terms:
            if (measurement := self.results.measurement(self.protocol, method, part)) is None:
                return self.missing(f"{method} on {part}")
            measured.append((measurement, weight))
            sets[part] = measurement.images
        if not common_seeds([measurement for measurement, _ in measured]):
            return self.missing(
                f"a seed that {' and '.join(method for method, _, _ in terms)} share"
            )
        name = f"{METRICS[metric].title} of {subject}"
        if (effect := estimate(metric, *measured)) is None:
            return self.missing(f"{name}, which is undefined on {' or '.join(sets)}")
        return Evidence(name, sets, effect, target, METRICS[metric], margin)


Check = Callable[
    [View, str, Sequence[str]], Items
]  # experiment, entry of the claim's subject, comparison methods


def over_confident(view: View, entry: str, compared: Sequence[str] = ()) -> Items:
    """Check that confidence exceeds accuracy in distribution, and that OE is far higher out of distribution."""
    yield from view.on_sets(
        "id", lambda part: [view.weighted_sum("gap", ABOVE_ZERO, entry, [(entry, part, 1.0)])]
    )

    def excess(part: str) -> Items:
        for other in view.sets("id"):
            subject = f"{entry} on {part} minus {FAR_MORE:g} times that on {other}"
            yield view.weighted_sum(
                "oe", ABOVE_ZERO, subject, [(entry, part, 1.0), (entry, other, -FAR_MORE)]
            )

    yield from view.on_sets("ood", excess)


def against_baseline(role: str, target: Target, *metrics: str) -> Check:
    """Return a check of metrics minus those of the baseline, on all test sets of a role."""

    def check(view: View, entry: str, compared: Sequence[str] = ()) -> Items:
        yield from view.without("baseline")
        for metric in metrics:
            yield from view.differences(
                metric, target, entry, filter(None, [view.facts.baseline]), role
            )

    return check


def against_others(target: Target, metric: str, *roles: str) -> Check:
    """Return a check of a metric minus that of each comparison method, on all test sets of the roles that exist."""

    def check(view: View, entry: str, compared: Sequence[str]) -> Items:
        for role in roles:
            if role == "id" or view.sets(role):
                yield from view.differences(metric, target, entry, compared, role)

    return check


def like_smoothing(view: View, entry: str, compared: Sequence[str] = ()) -> Items:
    """Check that every SLP with the same s as the label smoothing `entry` has a similar ECE."""
    static = view.facts.static
    equal = [
        n
        for n in view.facts.entries("slp")
        if math.isclose(static[n], static[entry], rel_tol=SAME_S)
    ]
    if not equal:
        lacking = f"an entry of slp with 2 alpha beta = {static[entry]:g}, which {entry} has"
        yield view.missing(lacking, "add one to “methods:”")
    for name in equal:
        yield from view.differences("ece", SIMILAR, name, [entry], "id")
