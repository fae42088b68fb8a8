"""Checks of claims: each yields comparisons of an experiment in a protocol, or what is missing.

An entry is a method as `methods:` of params.yaml configures it, under a name of its own, such as
`slp_weak`; its code, such as `slp`, says which method it is. A claim is about codes, a check about
an entry.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline_src.analysis.estimate import common_seeds, estimate
from pipeline_src.analysis.facts import COMPARED, ROLES, Facts, Run, run_command
from pipeline_src.analysis.intervals import MARGINS
from pipeline_src.analysis.results import Results
from pipeline_src.claims.verdict import ABOVE_ZERO, Evidence, Item, Items, Missing, Target
from pipeline_src.metrics.registry import METRICS

if TYPE_CHECKING:
    import pandas as pd

# Half a percentage point: accuracy that falls by less counts as kept (`NOT_LOWER`), ECE that
# differs by less as similar (`SIMILAR`).
MARGIN = MARGINS["accuracy"]
FAR_MORE = 2.0  # times the OE in distribution: "far more overconfident" in claims
NOT_LOWER = Target(low=-MARGIN, high=math.inf)
SIMILAR = Target(low=-MARGIN, high=MARGIN)
# Relative difference below which two strengths s count as equal: params.yaml rounds alpha.
SAME_STRENGTH = 1e-3


@dataclass(frozen=True)
class View:
    """An experiment in one protocol, as checks of claims see it.

    Where the experiment lacks a result, methods return or yield a `Missing` instead of `Evidence`.

    Attributes:
        results: the measurements of the experiment.
        protocol: unnormalized (`raw`) or min-max normalized (`stretched`).
        alphas: (method, seed) -> alphas by image (rows) and epoch, of methods that learn a
            perturbation probability alpha for each image.
    """

    results: Results
    protocol: str = "raw"
    alphas: Mapping[Run, pd.DataFrame] = field(default_factory=dict)

    @property
    def facts(self) -> Facts:
        """The facts of the experiment: its methods, test sets and roles."""
        return self.results.facts

    def sets(self, role: str) -> list[str]:
        """Return the test sets that decide claims: all in distribution for the role "id", those
        that show textures (`Facts.textures`) for the role "ood".
        """
        return self.facts.textures if role == "ood" else self.facts.splits_of((role,))

    def missing_sets(self, role: str) -> Items:
        """Yield a `Missing` if the experiment has no test set of a role.

        Without it, a claim on all sets of the role would be supported by no comparison.
        """
        if not self.sets(role):
            yield self.missing(f"a test set {ROLES[role]}", f"add one to “data: {role}:”")

    def missing_entry(self, code: str) -> Missing:
        """Return the `Missing` of an experiment without an entry that uses the method `code`."""
        return self.missing(f"a block of {code}", "add it to “methods:”")

    def missing(self, subject: str, change: str = "") -> Missing:
        """Return a `Missing` with the command that computes its subject.

        Args:
            subject: what is missing, such as "a test set in distribution".
            change: what has to change first in the experiment's entry of params.yaml, as an
                imperative: "add one to “data: id:”".
        """
        name = self.facts.experiment
        command = f"run: {run_command(name)}"
        if change:
            command = f"{change} of the experiment {name} in params.yaml and {command}"
        return Missing(subject, command)

    def differences(
        self, metric: str, target: Target, method: str, compared: Sequence[str], role: str
    ) -> Items:
        """Yield the differences of a metric, `method` minus each of `compared`, on each test set of
        a role.

        Differences are paired by image and seed.

        Args:
            metric: its key in `METRICS`.
            target: the range in which the claim wants each difference.
            method, compared: entries of `methods:`.
        """
        yield from self.missing_sets(role)
        for split in self.sets(role):
            for other in compared:
                terms = [(method, split, 1.0), (other, split, -1.0)]
                yield self.weighted_sum(metric, target, f"{method} − {other}", terms)

    def weighted_sum(
        self,
        metric: str,
        target: Target,
        subject: str,
        terms: Sequence[tuple[str, str, float]],
    ) -> Item:
        """Return a metric summed over terms and averaged over the seeds that all of them have.

        A difference is a sum with the weights 1 and -1. The result is a `Missing` if a term was not
        measured, if the terms share no seed, or if the metric is undefined on a test set.

        Args:
            metric: its key in `METRICS`.
            target: the range in which the claim wants the sum.
            subject: the text for the sum, such as "slp − baseline"; the metric stands before it.
            terms: method, test set and weight of each.
        """
        measured = []
        sets = {}
        for method, split, weight in terms:
            measurement = self.results.measurement(self.protocol, method, split)
            if measurement is None:
                return self.missing(f"{method} on {split}")
            measured.append((measurement, weight))
            sets[split] = measurement.images
        if not common_seeds([measurement for measurement, _ in measured]):
            methods = " and ".join(method for method, _, _ in terms)
            return self.missing(f"a seed that {methods} share")
        name = f"{METRICS[metric].title} of {subject}"
        effect = estimate(metric, *measured)
        if effect is None:
            return self.missing(f"{name}, which is undefined on {' or '.join(sets)}")
        return Evidence(
            what=name,
            sets=sets,
            effect=effect,
            target=target,
            quantity=METRICS[metric],
            margin=MARGINS.get(metric, 0.0),
        )


# (view, entry of a method that the claim is about) -> evidence and missing results.
Check = Callable[[View, str], Items]


def over_confident(view: View, entry: str) -> Items:
    """Check that mean confidence exceeds accuracy on each ID set, and that OE on each OOD set is
    more than `FAR_MORE` times the OE on each ID set.
    """
    yield from view.missing_sets("id")
    for split in view.sets("id"):
        yield view.weighted_sum("gap", ABOVE_ZERO, entry, [(entry, split, 1.0)])
    yield from view.missing_sets("ood")
    for split in view.sets("ood"):
        for other in view.sets("id"):
            subject = f"{entry} on {split} minus {FAR_MORE:g} times that on {other}"
            terms = [(entry, split, 1.0), (entry, other, -FAR_MORE)]
            yield view.weighted_sum("oe", ABOVE_ZERO, subject, terms)


def against_baseline(role: str, target: Target, *metrics: str) -> Check:
    """Return a check of the differences of metrics between an entry and the baseline, on all test
    sets of a role.

    Args:
        role: "id" or "ood".
        target: the range in which the claim wants each difference, entry minus baseline.
        metrics: keys of `METRICS`.
    """

    def check(view: View, entry: str) -> Items:
        """Yield the differences of `entry` from the baseline, for each metric and test set."""
        baseline = view.facts.entries("baseline")[:1]  # none, or the first
        if not baseline:
            yield view.missing_entry("baseline")
        for metric in metrics:
            yield from view.differences(metric, target, entry, baseline, role)

    return check


def against_others(
    target: Target, metric: str, roles: Sequence[str] = ("id",), codes: Sequence[str] = COMPARED
) -> Check:
    """Return a check of the differences of a metric between an entry and each comparison method.

    Args:
        target: the range in which the claim wants each difference, entry minus other method.
        roles: of the test sets; an experiment must have sets of the role "id", and may lack others.
        codes: of the comparison methods.
    """

    def check(view: View, entry: str) -> Items:
        """Yield the differences of `entry` from each compared method, for each test set, and a
        `Missing` if the experiment lacks some of these methods.
        """
        methods = view.facts.methods
        others = {*codes} - {methods[entry].code}
        compared = [name for name in view.facts.compared if methods[name].code in others]
        lacking = others - {methods[name].code for name in compared}
        if lacking:
            yield view.missing_entry(", ".join(sorted(lacking)))
        for role in roles:
            if role == "id" or view.sets(role):
                yield from view.differences(metric, target, entry, compared, role)

    return check


def like_smoothing(view: View, entry: str) -> Items:
    """Check that every SLP with the same s as the label smoothing `entry` has a similar ECE.

    The strength s is twice the share that perturbation takes, in expectation, from the label's
    class: 2 alpha beta for SLP.
    """
    strengths = view.facts.static  # entry -> s, for label smoothing and SLP
    strength = strengths[entry]
    equal = []
    for name in view.facts.entries("slp"):
        if math.isclose(strengths[name], strength, rel_tol=SAME_STRENGTH):
            equal.append(name)
    if not equal:
        lacking = f"an entry of slp with 2 alpha beta = {strength:g}, which {entry} has"
        yield view.missing(lacking, "add one to “methods:”")
    for name in equal:
        yield from view.differences("ece", SIMILAR, name, [entry], "id")
