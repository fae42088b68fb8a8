"""What the page says of single data sets, and how its numbers are to be read: no sentence says more than they do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pipeline_src.analysis.facts import MEANING, ROLES, Facts
from pipeline_src.analysis.intervals import FEW_GROUPS
from pipeline_src.analysis.results import Results
from pipeline_src.claims.checks import MARGIN


def listing(words: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


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
