"""What the page says of single data sets, and how its numbers are to be read: no sentence says more than they do."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from pipeline_src.analysis.results import MEANING, ROLES, Numbers, Results
from pipeline_src.claims.checks import MARGIN

BASELINE = "baseline"


def best(results: Results, numbers: Numbers, protocol: str, part: str) -> list[str]:
    """The methods of lowest ECE on a data set: several where they are printed alike, none where none has an ECE."""
    rank = (10000 * numbers.mean.loc[(protocol, part)]["ece"]).round()
    return [method for method in results.methods if method in rank.index and rank[method] == rank.min()]


def listing(words: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def lowest(results: Results, numbers: Numbers, protocol: str, part: str) -> str:
    """Which method has the lowest ECE on a data set, and how the baseline does there."""
    rows = numbers.mean.loc[(protocol, part)]
    rows = rows[rows["ece"].notna()]
    if rows.empty:
        return "No method has an ECE here."
    winners = best(results, numbers, protocol, part)
    first = rows.loc[winners[0]]
    names = listing([results.label(method) for method in winners])
    text = f"{names} {'has' if len(winners) == 1 else 'share'} the lowest ECE, {_errors(first)}"
    if BASELINE in rows.index and BASELINE not in winners:
        base = rows.loc[BASELINE]
        text += f"; {results.label(BASELINE)} has {_errors(base)}"
        text += (
            f". Accuracy {_percent(first['accuracy'])}, with {results.label(BASELINE)} {_percent(base['accuracy'])}."
        )
    elif len(rows) > len(winners):
        following = rows["ece"].drop(winners).idxmin()
        text += f"; next is {results.label(following)}, {_errors(rows.loc[following])}."
    else:
        text += "."
    return text


def caution(results: Results) -> list[str]:
    """What must be known before any number is read."""
    if results.synthetic:
        return [
            "All images of this experiment are generated. Its numbers show that the pipeline works; "
            "they decide no claim about photographs."
        ]
    return []


def reading(results: Results) -> list[str]:
    """What the numbers are, and what they cannot tell."""
    seeds = sorted({seed for _, seed, _ in results.statistics})
    sentences = [
        "ECE is the gap between confidence and accuracy, averaged over pixels in bins of confidence; OE counts only "
        "bins that are more confident than right, weighted by confidence. Lower is better for both.",
        *(f"“{protocol}” judges {MEANING[protocol]}." for protocol in results.protocols),
    ]
    if len(seeds) == 1:
        sentences.append(
            "Each method was trained once. Training again gives other numbers, so a small difference between "
            "methods may be chance, whatever the intervals say: they are of the images alone."
        )
    else:
        sentences.append(
            f"Values are means over {len(seeds)} seeds, ± is the sample standard deviation between them. "
            "Intervals are of the images alone, not of training."
        )
    sentences.append(
        "Accuracy is kept where, on every in-distribution set, the whole interval of the difference to the baseline's "
        f"lies above −{100 * MARGIN:.1f} percentage points."
    )
    roles = set(results.parts.values())
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
    return f"{_percent(row['ece'])} (OE {_percent(row['oe'])})"


def _percent(value: float) -> str:
    return f"{100 * value:.2f}\u00a0%"
