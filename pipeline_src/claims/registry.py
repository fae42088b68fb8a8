"""The claims that an experiment can decide by itself, in the order in which they are shown.

A new claim is an entry here, and a check in `checks` or in a file of its own where none fits (docs/guides/claim.md).
C8, which rests on several experiments, is in `other_tasks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline_src.analysis.facts import COMPARED
from pipeline_src.claims import alphas, checks
from pipeline_src.claims.checks import FAR_MORE, MARGIN, Check

TEXTURES = "every OOD set of the paper (on every OOD set, where the experiment has none of these)"


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, or of somebody who adds one.

    Attributes:
        text: what it says.
        rule: how it is checked, in a sentence.
        subjects: codes of the methods that it speaks of; the principal block of each must meet it.
        check: (view, block of a subject, rivals) -> evidence.
        rivals: codes of the methods with which the subject is compared; with others, it is secondary.
        substitutes: codes that are checked in the subject's place; their verdicts are secondary and do not count.
        readings: what a weaker reading asks for -> its check; secondary, too.
        metrics: in which subjects are compared with the baseline as well; secondary, too.
        by_protocol: whether it is judged in each protocol.
    """

    text: str
    rule: str
    subjects: tuple[str, ...]
    check: Check
    rivals: tuple[str, ...] = ()
    substitutes: tuple[str, ...] = ()
    readings: Mapping[str, Check] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    by_protocol: bool = True


CLAIMS = {
    "C1": Claim(
        "The baseline is over-confident on every in-distribution set, and far more so out of distribution.",
        f"Mean confidence minus accuracy is above 0 on every ID set, and OE on {TEXTURES} is more than {FAR_MORE:g} "
        "times that on every ID set.",
        ("baseline",),
        checks.over_confident,
    ),
    "C2": Claim(
        "Static label perturbation (SLP) lowers ECE and OE.",
        "ECE and OE of SLP are below the baseline's on every ID set.",
        ("slp",),
        checks.lowers("id", "ece", "oe"),
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
        "ECE of ASLP_MC is below that of every other method that claims compare (docs/protocol.md, section 6) on every "
        "ID set.",
        ("aslp_mc",),
        checks.lowest_ece,
        rivals=COMPARED,
        readings={"lowest mean ECE, significantly above that of none": checks.lowest_mean_ece},
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
        f"Their ECE and OE are below the baseline's on {TEXTURES}.",
        ("aslp_mc", "aslp_mei"),
        checks.lowers("ood", "ece", "oe"),
        substitutes=("aslp_cl",),
    ),
    "C7": Claim(
        "ASLP_MEI is the most conservative: its predictive entropy is the highest.",
        "Mean entropy of ASLP_MEI, in the reading of theta_lm that its block has, is above that of the baseline, SLP, "
        f"LS, ALS and ASLP_MC on every ID set and on {TEXTURES}.",
        ("aslp_mei",),
        checks.highest_entropy,
        rivals=("baseline", "slp", "label_smoothing", "als", "aslp_mc"),
    ),
    "C9": Claim(
        "Learned alphas differ between images.",
        "The images' own part of the spread of alphas is above 0: their mean alphas over two stretches of epochs, the "
        "last fifth and the one before it, have something in common. The saw's phase does not outlast a stretch. How "
        "large that part is, and how far the last alphas spread in all, stands with it.",
        ("aslp_mc", "aslp_mei"),
        alphas.differ,
        substitutes=("als", "aslp_cl"),
        by_protocol=False,
    ),
}
