"""What the page says of single data sets, and how its numbers are to be read: no sentence says more than they do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from pipeline_src.analysis.facts import MEANING, ROLES, Facts
from pipeline_src.analysis.resampling import FEW_GROUPS
from pipeline_src.analysis.results import Results
from pipeline_src.claims.checks import MARGIN
from pipeline_src.metrics.registry import METRICS

FITTED = "Methods were fitted to these images or steered by them: on others they are less good."


def listing(words: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def lowest(results: Results, protocol: str, part: str) -> str:
    """Which method has the lowest ECE on a data set, and how the baseline does there; or which are below the noise
    floor, since nothing is ranked there."""
    facts = results.facts
    rows = results.numbers.mean.loc[(protocol, part)]
    rows = rows[rows["ece"].notna()]
    if rows.empty:
        return "No method has an ECE here."
    text = _below_floor(rows.loc[[method for method in facts.methods if method in rows.index]]) or _lowest(facts, rows)
    return f"{text} {FITTED}" if facts.parts[part] == "val" else text


def _below_floor(rows: pd.DataFrame) -> str:
    """Which methods no calibrated network would be told from; empty if there are none."""
    if (below := rows[rows["ece"] < rows["ece_floor"]]).empty:
        return ""
    named = listing([f"{method} with {_errors(row)}" for method, row in below.iterrows()])
    is_below = f"{'is' if len(below) == 1 else 'are'} below the noise floor ({_printed('ece_floor', below.iloc[0])})"
    return f"{named} {is_below}, where a network without calibration error would be; methods there are not ranked."


def _lowest(facts: Facts, rows: pd.DataFrame) -> str:
    """Which method has the lowest ECE."""
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


def caution(results: Results) -> list[str]:
    """What must be known before any number is read."""
    if results.facts.synthetic:
        return [
            "All images of this experiment are generated. Its numbers show that the pipeline works; "
            "they decide no claim about photographs."
        ]
    if not (few := few_units(results, results.facts.tests)):
        return []
    return [
        f"{listing([f'{part} has {units}' for part, units in few.items()])}. Intervals over fewer than {FEW_GROUPS} "
        "images, or groups of them, are rough (Student's t): what they say is a hint, and such a set decides no claim."
    ]


def few_units(results: Results, parts: Iterable[str]) -> dict[str, str]:
    """Data set -> its number of images, or groups of them, in words, where that is below `FEW_GROUPS`."""
    first = {part: next(iter(results.measured("raw", part).values()), None) for part in parts}
    return {part: one.units_in_words for part, one in first.items() if one and one.units < FEW_GROUPS}


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
