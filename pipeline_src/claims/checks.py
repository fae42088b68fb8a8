"""How claims are checked: each takes an experiment in one protocol, the block that stands for the claim's subject and
the methods with which it is compared, and yields evidence, or what is missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from pipeline_src.claims.evidence import ABOVE_ZERO, BELOW_ZERO, Evidence, Wanted
from pipeline_src.claims.view import Items, View

MARGIN = 0.005  # what counts as kept (accuracy) or similar (ECE): half a percentage point
FAR_MORE = 2.0  # "far more" over-confident: more than twice
NOT_LOWER, SIMILAR = Wanted(-MARGIN, math.inf), Wanted(-MARGIN, MARGIN)
SAME_S = 1e-3  # relative; params.yaml rounds alpha

Check = Callable[[View, str, Sequence[str]], Items]


def over_confident(view: View, block: str, rivals: Sequence[str] = ()) -> Items:
    """Confidence above accuracy in distribution, and OE far higher out of distribution."""
    yield from view.on_sets("id", lambda part: [view.value("gap", ABOVE_ZERO, block, part)])
    yield from view.on_sets(
        "ood", lambda part: (view.excess("oe", ABOVE_ZERO, block, part, other, FAR_MORE) for other in view.sets("id"))
    )


def lowers(role: str, *metrics: str) -> Check:
    """Metrics below the baseline's on all sets of a role."""

    def check(view: View, block: str, rivals: Sequence[str] = ()) -> Items:
        for metric in metrics:
            yield from view.against_baseline(metric, BELOW_ZERO, block, role)

    return check


def like_smoothing(view: View, block: str, rivals: Sequence[str] = ()) -> Items:
    """ECE of every SLP of the same s as the label smoothing `block` is similar to its."""
    static = view.facts.static
    equal = [n for n in view.facts.blocks("slp") if math.isclose(static[n].s, static[block].s, rel_tol=SAME_S)]
    if not equal:
        what = f"a block of slp with 2 alpha beta = {static[block].s:g}, as {block} has it"
        yield view.missing(what, "add one to “methods:”")
    for name in equal:
        yield from view.differences("ece", SIMILAR, name, [block], "id")


def lowest_ece(view: View, block: str, rivals: Sequence[str]) -> Items:
    """ECE below that of every rival in distribution."""
    return view.differences("ece", BELOW_ZERO, block, rivals, "id")


def lowest_mean_ece(view: View, block: str, rivals: Sequence[str]) -> Items:
    """Mean ECE below that of every rival in distribution, and significantly above that of none."""
    for item in lowest_ece(view, block, rivals):
        yield replace(item, mean_decides=True) if isinstance(item, Evidence) else item


def keeps(metric: str) -> Check:
    """A score at most a margin below the baseline's in distribution."""
    return lambda view, block, rivals: view.against_baseline(metric, NOT_LOWER, block, "id")


def highest_entropy(view: View, block: str, rivals: Sequence[str]) -> Items:
    """Mean entropy above that of every rival on all test sets."""
    for role in ("id", "ood"):
        if role == "id" or view.sets(role):
            yield from view.differences("entropy", ABOVE_ZERO, block, rivals, role)
