"""What the page says of single data sets, and how its numbers are to be read: no sentence says more than they do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pipeline_src.analysis.facts import MEANING, ROLES, Facts
from pipeline_src.analysis.intervals import FEW_GROUPS
from pipeline_src.analysis.results import Results
from pipeline_src.claims.checks import MARGIN
from pipeline_src.metrics.registry import METRICS
from pipeline_src.report.comparison import ProtocolComparison

FITTED = "Methods were fitted to these images or steered by them, so on others they do worse."


def listing(words: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def lowest(results: Results, protocol: str, part: str) -> str:
    """Which method has the lowest ECE on a data set, and how the baseline does there; or which are below the noise
    floor, since nothing is ranked there."""
    here = ProtocolComparison(results, protocol, [part])
    if not here.methods:
        return "No method has an ECE here."
    text = _below_floor(here) or _lowest(here)
    return f"{text} {FITTED}" if here.facts.parts[part] == "val" else text


def _below_floor(here: ProtocolComparison) -> str:
    """Which methods no calibrated network would be told from; empty if there are none."""
    if not (below := [method for method in here.facts.methods if method in here.below]):
        return ""
    named = listing([f"{method} with {_errors(here, method)}" for method in below])
    is_below = f"{'is' if len(below) == 1 else 'are'} below the noise floor ({_printed(here, 'ece_floor', below[0])})"
    return f"{named} {is_below}, where a network without calibration error would be; methods there are not ranked."


def _lowest(here: ProtocolComparison) -> str:
    """Which method has the lowest ECE, and which do not differ from it."""
    winners, base = [method for method in here.facts.methods if method in here.lowest], here.baseline
    first, others = winners[0], here.methods[len(winners) :]
    if len(winners) > 1:
        named = listing([f"{method} (OE {_printed(here, 'oe', method)})" for method in winners])
        text = f"{named} share the lowest ECE, {_printed(here, 'ece', first)}"
    else:
        text = f"{first} has the lowest ECE, {_errors(here, first)}"
    tied = [method for method in here.tied(here.methods) if method in others]
    if tied:
        text += f", not significantly below {'any other' if tied == others else listing(tied)}"
    if base and base not in winners:
        accuracies = [_printed(here, "accuracy", method) for method in winners]
        with_them = accuracies[0] if len(set(accuracies)) == 1 else f"{listing(accuracies)} in this order"
        with_base = _printed(here, "accuracy", base)
        return f"{text}; {base} has {_errors(here, base)}. Accuracy {with_them}, with {base} {with_base}."
    return f"{text}; next is {others[0]}, {_errors(here, others[0])}." if others else f"{text}."


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
        "ECE, the expected calibration error, is the gap between confidence and accuracy, averaged over pixels in bins "
        "of confidence; OE, the overconfidence error, counts only bins that are more confident than right, weighted by "
        "confidence. Lower is better for both.",
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
            "Intervals include the sampling of images and the spread over seeds."
        )
    sentences.append(
        "Accuracy is kept where, on every in-distribution set, the whole interval of the difference to the baseline's "
        f"lies above −{100 * MARGIN:.1f} percentage points."
    )
    if facts.classes == 2:
        sentences.append(
            "Miscalibration and discrimination (CORP; MCB and DSC in tables) are parts of the Brier score. "
            "Miscalibration is what recalibration would save of it: lower is better. Discrimination is how well a map "
            "tells pixels apart: higher is better, and a constant map has 0. It is not the Dice coefficient, which "
            "segmentation calls DSC."
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


def _errors(here: ProtocolComparison, method: str) -> str:
    return f"{_printed(here, 'ece', method)} (OE {_printed(here, 'oe', method)})"


def _printed(here: ProtocolComparison, metric: str, method: str) -> str:
    return f"{METRICS[metric].number(here.mean(metric, method).value)}\u00a0%"
