"""The claims that an experiment can decide by itself, in the order in which they are shown.

A new claim is an entry here, and a check in `checks` or in a file of its own where none fits (docs/guides/claim.md).
C8, which rests on several experiments, is in `across`.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline_src.claims import alphas, checks
from pipeline_src.claims.checks import FAR, MARGIN, Check


@dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Attributes:
        text: what it says.
        rule: how it is checked, in a sentence.
        subjects: codes of the methods that it speaks of; the principal block of each must meet it.
        check: (view, block of a subject, rivals) -> evidence.
        rivals: whether the subject is compared with all methods of the paper's comparison.
        substitutes: codes that are checked in the subject's place; their verdicts are secondary and do not count.
        metrics: in which subjects are compared with the baseline as well; secondary, too.
        by_protocol: whether it is judged in each protocol.
    """

    text: str
    rule: str
    subjects: tuple[str, ...]
    check: Check
    rivals: bool = False
    substitutes: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    by_protocol: bool = True


CLAIMS = {
    "C1": Claim(
        "The baseline is over-confident on every in-distribution set, and far more so out of distribution.",
        "Mean confidence minus accuracy is above 0 on every ID set, and OE on every OOD set is more than "
        f"{FAR:g} times that on every ID set.",
        ("baseline",),
        checks.over_confident,
    ),
    "C2": Claim(
        "Static label perturbation (SLP) lowers ECE and OE.",
        "ECE and OE of SLP are below the baseline's on every ID set.",
        ("slp",),
        checks.lowers("id"),
    ),
    "C3": Claim(
        "SLP and label smoothing of equal s calibrate alike.",
        "ECE of every SLP whose 2 alpha beta is label smoothing's eps lies within "
        f"{100 * MARGIN:g} percentage points of it on every ID set.",
        ("label_smoothing",),
        checks.like_smoothing,
    ),
    "C4": Claim(
        "ASLP_MC has the lowest ECE of all methods in distribution.",
        "ECE of ASLP_MC is below that of every other method of the paper's comparison on every ID set.",
        ("aslp_mc",),
        checks.lowest_ece,
        rivals=True,
        substitutes=("aslp_cl",),
    ),
    "C5": Claim(
        "ASLP_MC and ASLP_MEI keep the baseline's accuracy.",
        f"Their accuracy is at most {100 * MARGIN:g} percentage points below the baseline's on every ID set.",
        ("aslp_mc", "aslp_mei"),
        checks.keeps("accuracy"),
        substitutes=("aslp_cl",),
        metrics=("s_measure", "e_measure", "mean_iou"),
    ),
    "C6": Claim(
        "ASLP_MC and ASLP_MEI lower ECE and OE out of distribution.",
        "Their ECE and OE are below the baseline's on every OOD set.",
        ("aslp_mc", "aslp_mei"),
        checks.lowers("ood"),
        substitutes=("aslp_cl",),
    ),
    "C7": Claim(
        "ASLP_MEI is the most conservative: its predictive entropy is the highest.",
        "Mean entropy of ASLP_MEI is above that of every other method of the paper's comparison on every test set.",
        ("aslp_mei",),
        checks.highest_entropy,
        rivals=True,
    ),
    "C9": Claim(
        "Learned alphas differ between images.",
        f"What is the images' own in their mean alphas spreads by more than {100 * alphas.DIFFER:g} % of the mean "
        "alpha (standard deviation). It is what two stretches of epochs, the last fifth and the one before it, agree "
        "on; the saw's phase does not outlast a stretch.",
        ("aslp_mc", "aslp_mei"),
        alphas.differ,
        substitutes=("als", "aslp_cl"),
        by_protocol=False,
    ),
}
