"""How claims are checked: each check yields comparisons of a method entry with others, or what is missing for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from pipeline_src.claims.evidence import ABOVE_ZERO, MARGINS, Wanted
from pipeline_src.claims.view import Items, View

MARGIN = MARGINS["accuracy"]  # what counts as kept (accuracy) or similar (ECE): half a percentage point
FAR_MORE = 2.0  # "far more" overconfident: more than twice
NOT_LOWER, SIMILAR = Wanted(-MARGIN, math.inf), Wanted(-MARGIN, MARGIN)
SAME_S = 1e-3  # relative; params.yaml rounds alpha

Check = Callable[[View, str, Sequence[str]], Items]  # experiment, entry of the claim's subject, comparison methods


def over_confident(view: View, entry: str, others: Sequence[str] = ()) -> Items:
    """Confidence above accuracy in distribution, and OE far higher out of distribution."""
    yield from view.on_sets("id", lambda part: [view.weighted_sum("gap", ABOVE_ZERO, entry, [(entry, part, 1.0)])])

    def excess(part: str) -> Items:
        for other in view.sets("id"):
            subject = f"{entry} on {part} minus {FAR_MORE:g} times that on {other}"
            yield view.weighted_sum("oe", ABOVE_ZERO, subject, [(entry, part, 1.0), (entry, other, -FAR_MORE)])

    yield from view.on_sets("ood", excess)


def against_baseline(role: str, wanted: Wanted, *metrics: str) -> Check:
    """Metrics minus those of the baseline on all sets of a role."""

    def check(view: View, entry: str, others: Sequence[str] = ()) -> Items:
        yield from view.without("baseline")
        for metric in metrics:
            yield from view.differences(metric, wanted, entry, filter(None, [view.facts.baseline]), role)

    return check


def against_others(wanted: Wanted, metric: str, *roles: str) -> Check:
    """A metric minus that of each comparison method on all sets of some roles; of OOD sets where there are any."""

    def check(view: View, entry: str, others: Sequence[str]) -> Items:
        for role in roles:
            if role == "id" or view.sets(role):
                yield from view.differences(metric, wanted, entry, others, role)

    return check


def like_smoothing(view: View, entry: str, others: Sequence[str] = ()) -> Items:
    """ECE of every SLP of the same s as the label smoothing `entry` is similar to its."""
    static = view.facts.static
    equal = [n for n in view.facts.blocks("slp") if math.isclose(static[n].s, static[entry].s, rel_tol=SAME_S)]
    if not equal:
        what = f"an entry of slp with 2 alpha beta = {static[entry].s:g}, which {entry} has"
        yield view.missing(what, "add one to “methods:”")
    for name in equal:
        yield from view.differences("ece", SIMILAR, name, [entry], "id")
