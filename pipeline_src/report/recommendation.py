"""What to use, in words: a few sentences that follow from the numbers and their intervals by fixed rules.

The rules: a method is better calibrated than another if the interval of the paired difference of their mean ECE over
the in-distribution sets leaves out 0. Among the methods that keep the baseline's accuracy (by the rule of claim C5),
the one of the lowest mean ECE is recommended, if it is better calibrated than the baseline; what cannot be told from it
is named beside it.
"""

from __future__ import annotations

import math
from typing import Any

from pipeline_src.analysis.results import Results
from pipeline_src.claims.evidence import AGREES, OPPOSES, POINTS, UNDECIDED
from pipeline_src.metrics.formats import ALL_METRICS
from pipeline_src.report.standing import BASELINE, Estimate, Standing
from pipeline_src.report.summary import listing

ACCURACY = {AGREES: "kept", OPPOSES: "lost", UNDECIDED: "not decided"}


def recommendation(inside: Standing, outside: Standing) -> dict[str, str]:
    """Heading -> sentences; empty where no test set is in distribution.

    Args:
        inside, outside: the methods on the sets in and out of distribution.
    """
    if not inside.methods:
        return {}
    said = {"Best calibrated": _best(inside)}
    if inside.compared and len(inside.methods) > 1:
        said["Accuracy kept"] = _kept(inside)
    said["What to use"] = " ".join([*_use(inside, outside), *_seeds(inside.results)])
    return said


def standing_rows(inside: Standing, outside: Standing) -> list[dict[str, Any]]:
    """The methods at a glance, the best calibrated first: estimates for the page's table and its intervals."""
    return [
        {
            "method": method,
            "label": inside.results.label(method),
            "ece": inside.mean("ece", method),
            "oe": inside.mean("oe", method),
            "accuracy": inside.mean("accuracy", method),
            "kept": ACCURACY[inside.accuracy(method)] if inside.compared and method != BASELINE else "",
            "ood": outside.mean("ece", method) if method in outside.methods else None,
        }
        for method in inside.methods
    ]


def _best(inside: Standing) -> str:
    """Whose mean ECE is the lowest, and from whom it cannot be told."""
    name, first = inside.results.label, inside.methods[0]
    if len(inside.methods) == 1:
        return f"{name(first)}, the only method here: mean ECE {percent(inside.mean('ece', first))}."
    text = f"{name(first)} has the lowest mean ECE on {_sets(inside)}, {percent(inside.mean('ece', first))}"
    tied = inside.tied(inside.methods)
    if tied:
        return f"{text}; not told apart from it: {listing([_with_ece(inside, m) for m in tied])}."
    return f"{text}, significantly below every other; next is {_with_ece(inside, inside.methods[1])}."


def _kept(inside: Standing) -> str:
    """Who keeps the baseline's accuracy, who loses it."""
    name, others = inside.results.label, [m for m in inside.results.methods if m in inside.methods and m != BASELINE]
    by_verdict = {says: [m for m in others if inside.accuracy(m) == says] for says in ACCURACY}
    sentences = []
    if by_verdict[AGREES]:
        every = "all others keep it" if len(by_verdict[AGREES]) == len(others) > 1 else None
        sentences.append(
            f"Within half a point of {name(BASELINE)}'s on {_sets(inside)}: "
            f"{every or listing([name(m) for m in by_verdict[AGREES]])}."
        )
    if by_verdict[UNDECIDED]:
        sentences.append(f"The images do not decide it for {listing([name(m) for m in by_verdict[UNDECIDED]])}.")
    for method in by_verdict[OPPOSES]:
        found = [inside.accuracy_on(method, part) for part in inside.parts]
        worst = [evidence for evidence in found if evidence.says == OPPOSES]
        sentences.append(f"{name(method)} loses {listing([_loss(evidence) for evidence in worst])}.")
    return " ".join(sentences)


def _use(inside: Standing, outside: Standing) -> list[str]:
    """The recommended method, what is as good, and how it fares out of distribution; or why there is none."""
    name = inside.results.label
    if not inside.compared:
        return [f"Without a block named {BASELINE} nothing can be recommended: there is no accuracy to keep."]
    if len(inside.methods) == 1:
        return ["There is nothing to compare with."]
    candidates = [m for m in inside.methods if m == BASELINE or inside.accuracy(m) == AGREES]
    first = candidates[0]
    gain = inside.difference("ece", first, BASELINE) if first != BASELINE else None
    if not (gain and gain.sure):
        return [
            f"No method that keeps the accuracy is better calibrated than {name(BASELINE)} beyond what the images "
            "leave open: these numbers give no reason to change."
        ]
    lower = f"{_points(-gain.value)} {_span(gain)} below {name(BASELINE)}'s"
    sentences = [f"{name(first)}: its mean ECE is {lower}, at kept accuracy."]
    if tied := [m for m in inside.tied(candidates) if m != BASELINE]:
        sentences.append(f"As good, as far as these images can tell: {listing([name(m) for m in tied])}.")
    if {first, BASELINE} <= set(outside.methods):
        sentences.append(_outside(outside, first))
    return sentences


def _outside(outside: Standing, method: str) -> str:
    """How a method fares out of distribution, beside the baseline."""
    name, change = outside.results.label, outside.difference("ece", method, BASELINE)
    told = "not told apart from"
    if change and change.sure:
        told = "lower than" if change.value < 0 else "higher than"
    return (
        f"Out of distribution ({_sets(outside)}) its mean ECE, {percent(outside.mean('ece', method))}, is {told} "
        f"{name(BASELINE)}'s, {percent(outside.mean('ece', BASELINE))}."
    )


def _seeds(results: Results) -> list[str]:
    if len({seed for _, seed, _ in results.statistics}) > 1:
        return []
    return ["Each method was trained once: another training may change the order of methods that lie close."]


def percent(found: Estimate) -> str:
    """A fraction in percent with its interval, as the tables print it."""
    metric = ALL_METRICS["ece"]
    value, _, interval = metric.text(found.value, low=found.low, high=found.high).partition(" ")
    return f"{value}\u00a0% {interval}".strip()


def _with_ece(inside: Standing, method: str) -> str:
    return f"{inside.results.label(method)} ({percent(inside.mean('ece', method))})"


def _sets(standing: Standing) -> str:
    return listing(list(standing.parts))


def _points(value: float) -> str:
    return f"{POINTS.text(value).lstrip('+')}\u00a0percentage points"


def _span(found: Estimate) -> str:
    if math.isnan(found.low):
        return ""
    return f"[{POINTS.text(-found.high).lstrip('+')}, {POINTS.text(-found.low).lstrip('+')}]"


def _loss(evidence: Any) -> str:
    return f"{_points(-evidence.effect)} on {next(iter(evidence.sets))}"
