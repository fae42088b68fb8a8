"""What the page says of single data sets, and how its numbers are to be read: no sentence says more than they do."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from pipeline_src.analysis.facts import MEANING, ROLES, Facts
from pipeline_src.analysis.results import Results
from pipeline_src.claims.checks import MARGIN
from pipeline_src.metrics.registry import METRICS


def listing(words: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def lowest(results: Results, protocol: str, part: str) -> str:
    """Which method has the lowest ECE on a data set, and how the baseline does there."""
    facts = results.facts
    rows = results.numbers.mean.loc[(protocol, part)]
    rows = rows[rows["ece"].notna()]
    if rows.empty:
        return "No method has an ECE here."
    printed = (10000 * rows["ece"]).round()  # several share the place where they are printed alike
    winners = [method for method in facts.methods if method in rows.index and printed[method] == printed.min()]
    first, names = rows.loc[winners[0]], listing(winners)
    text = f"{names} {'has' if len(winners) == 1 else 'share'} the lowest ECE, {_errors(first)}"
    if facts.baseline in rows.index and facts.baseline not in winners:
        name, base = facts.baseline, rows.loc[facts.baseline]
        accuracy = f"Accuracy {_printed('accuracy', first)}, with {name} {_printed('accuracy', base)}"
        return f"{text}; {name} has {_errors(base)}. {accuracy}."
    if len(rows) > len(winners):
        following = rows["ece"].drop(winners).idxmin()
        return f"{text}; next is {following}, {_errors(rows.loc[following])}."
    return f"{text}."


def caution(facts: Facts) -> list[str]:
    """What must be known before any number is read."""
    if facts.synthetic:
        return [
            "All images of this experiment are generated. Its numbers show that the pipeline works; "
            "they decide no claim about photographs."
        ]
    return []


def reading(facts: Facts) -> list[str]:
    """What the numbers are, and what they cannot tell."""
    sentences = [
        "ECE is the gap between confidence and accuracy, averaged over pixels in bins of confidence; OE counts only "
        "bins that are more confident than right, weighted by confidence. Lower is better for both.",
        *(f"“{protocol}” judges {MEANING[protocol]}." for protocol in facts.protocols),
    ]
    if len(facts.seeds) == 1:
        sentences.append(
            "Each method was trained once. Training again gives other numbers, so a small difference between "
            "methods may be chance, whatever the intervals say: they are of the images alone."
        )
    else:
        sentences.append(
            f"Values are means over {len(facts.seeds)} seeds, ± is the sample standard deviation between them. "
            "Intervals hold the sampling of images and the spread over seeds."
        )
    sentences.append(
        "Accuracy is kept where, on every in-distribution set, the whole interval of the difference to the baseline's "
        f"lies above −{100 * MARGIN:.1f} percentage points."
    )
    sentences.append(
        "MCB and DSC (CORP) are parts of the Brier score: MCB is what recalibration would save of it, lower is better "
        "calibrated; DSC is how well a map tells pixels apart, higher is better. A constant map has a DSC of 0."
    )
    roles = set(facts.parts.values())
    if "val" in roles:
        sentences.append(
            "Validation images steer the learned perturbation (ASLP) and what is fitted after training (temperature), "
            "so they are not unseen."
        )
    if "ood" in roles:
        sentences.append(
            f"Images {ROLES['ood']} hold no object: accuracy is the share of pixels called background (0 where no "
            "class is one), and what needs a foreground is undefined."
        )
    return sentences


def _errors(row: pd.Series) -> str:
    return f"{_printed('ece', row)} (OE {_printed('oe', row)})"


def _printed(metric: str, row: pd.Series) -> str:
    return f"{METRICS[metric].number(row[metric])}\u00a0%"
