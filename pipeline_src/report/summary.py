"""The summary in words: every sentence follows from the numbers, and none says more than they do."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from pipeline_src.tables.results import MEANING, ROLES, Numbers, Results

BASELINE = "baseline"
# A choice of words, not a test: a loss within half a point of accuracy is called "kept".
KEPT = 0.005


def headline(results: Results, numbers: Numbers, protocol: str) -> list[str]:
    """A sentence for the test sets of each role, in distribution first: who has the lowest ECE on which."""
    sentences = []
    for role in ("id", "shifted", "ood"):
        won: dict[str, list[str]] = {}
        for part in (part for part, its_role in results.parts.items() if its_role == role):
            for method in best(results, numbers, protocol, part):
                won.setdefault(method, []).append(part)
        if won:
            winners = [f"{results.label(m)} on {listing(won[m])}" for m in results.methods if m in won]
            sentences.append(f"Lowest ECE {ROLES[role]}: {listing(winners, '; ')}.")
    return sentences


def best(results: Results, numbers: Numbers, protocol: str, part: str) -> list[str]:
    """The methods of lowest ECE on a data set: several where they are printed alike, none where none has an ECE."""
    rank = (10000 * numbers.mean.loc[(protocol, part)]["ece"]).round()
    return [method for method in results.methods if method in rank.index and rank[method] == rank.min()]


def listing(words: Sequence[str], between: str = ", ") -> str:
    """ "a", "a and b", "a, b and c"."""
    *first, last = words
    return f"{between.join(first)} and {last}" if first and between == ", " else between.join(words)


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


def accuracy_kept(results: Results, numbers: Numbers, protocol: str) -> list[str]:
    """A sentence per method: how far its accuracy lies from the baseline's on the in-distribution test sets."""
    parts = [part for part, role in results.parts.items() if role == "id"]
    found = numbers.mean["accuracy"].loc[protocol].unstack("method").reindex(parts)
    if BASELINE not in found or not parts:
        return []
    sentences = []
    for method in results.methods:
        change = (found[method] - found[BASELINE]).dropna()
        if method == BASELINE or change.empty:
            continue
        least, most = change.min(), change.max()
        between = _points(least) if _points(least) == _points(most) else f"{_points(least)} to {_points(most)}"
        label, sets = (
            results.label(method),
            "the in-distribution test set" if len(change) == 1 else "in-distribution sets",
        )
        if least >= -KEPT:
            sentences.append(f"{label} keeps the baseline's accuracy on {sets}: {between} percentage points.")
        else:
            sentences.append(f"{label} loses accuracy on {change.idxmin()}: {between} percentage points on {sets}.")
    return sentences


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
        *(f"“{protocol}” judges {text}." for protocol, text in MEANING.items()),
    ]
    if len(seeds) == 1:
        sentences.append(
            "Each method was trained once. Training again gives other numbers, so a small difference between "
            "methods may be chance. Outside of the claims no difference was tested for significance."
        )
    else:
        sentences.append(
            f"Values are means over {len(seeds)} seeds, ± is the sample standard deviation between them. "
            "Outside of the claims no difference was tested for significance."
        )
    sentences.append(f"Accuracy is called kept where no set loses more than {100 * KEPT:.1f} percentage points.")
    roles = set(results.parts.values())
    if "val" in roles:
        sentences.append(
            "Validation images steer the learned perturbation (ASLP) and what is fitted after training (temperature), "
            "so they are not unseen."
        )
    if "ood" in roles:
        sentences.append(
            f"Images {ROLES['ood']} hold no object: accuracy is the share of pixels called background, "
            "and what needs a foreground is undefined."
        )
    return sentences


def _errors(row: pd.Series) -> str:
    return f"{_percent(row['ece'])} (OE {_percent(row['oe'])})"


def _percent(value: float) -> str:
    return f"{100 * value:.2f}\u00a0%"


def _points(change: float) -> str:
    text = f"{100 * change:+.2f}".replace("-", "−")
    return "0.00" if text in ("+0.00", "−0.00") else text
