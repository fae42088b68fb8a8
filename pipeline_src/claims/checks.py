"""The claims C1 to C9: what each says, and the comparisons that check it (docs/protocol.md section 6); C8, which rests
on other experiments, is in `tasks.py`.

A check takes an experiment in one protocol, the block that plays the claim's subject and the methods it is compared
with, and yields evidence, or what is missing. `Finding` turns it into a verdict.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pipeline_src.claims import alphas
from pipeline_src.claims.evidence import ABOVE_ZERO, BELOW_ZERO, Evidence, Missing, Wanted
from pipeline_src.claims.view import View

MARGIN = 0.005  # what counts as kept (accuracy) or similar (ECE): half a percentage point
FAR = 2.0  # "far more" over-confident: more than twice
KEPT, SIMILAR = Wanted(-MARGIN, math.inf), Wanted(-MARGIN, MARGIN)
SAME_S = 1e-3  # relative; params.yaml rounds alpha

Found = Iterator[Evidence | Missing]
Check = Callable[[View, str, Sequence[str]], Found]


@dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Attributes:
        text: what it says.
        rule: how it is checked, in a sentence.
        subjects: codes of the methods that it speaks of; the principal block of each must bear it out.
        check: (view, block of a subject, rivals) -> evidence.
        rivals: whether the subject is compared with all methods of the paper's comparison.
        beside: codes that are checked in the subject's place, without a say in the verdict.
        also: further metrics in which a subject is compared with the baseline, without a say as well.
    """

    name: str
    text: str
    rule: str
    subjects: tuple[str, ...]
    check: Check
    rivals: bool = False
    beside: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    by_protocol: bool = True


def over_confident(view: View, block: str, rivals: Sequence[str] = ()) -> Found:
    """C1."""
    for part in _parts(view, "id"):
        yield part if isinstance(part, Missing) else view.value("gap", ABOVE_ZERO, block, part)
    for part in _parts(view, "ood"):
        if isinstance(part, Missing):
            yield part
            continue
        for other in view.parts("id"):
            yield view.excess("oe", ABOVE_ZERO, block, part, other, FAR)


def lowers(role: str) -> Check:
    """C2 and C6: ECE and OE below the baseline's on all sets of a role."""

    def check(view: View, block: str, rivals: Sequence[str] = ()) -> Found:
        for metric in ("ece", "oe"):
            yield from _against_baseline(view, metric, BELOW_ZERO, block, role)

    return check


def like_smoothing(view: View, block: str, rivals: Sequence[str] = ()) -> Found:
    """C3: every SLP of the same s as the label smoothing `block`."""
    s = view.roles[block].s
    equal = [name for name in view.blocks("slp") if math.isclose(view.roles[name].s, s, rel_tol=SAME_S)]
    if not equal:
        yield view.missing(f"a block of slp with 2 alpha beta = {s:g}, as {block} has it", "add one to “methods:”")
    for name in equal:
        for part in _parts(view, "id"):
            yield part if isinstance(part, Missing) else view.difference("ece", SIMILAR, name, block, part)


def lowest_ece(view: View, block: str, rivals: Sequence[str]) -> Found:
    """C4."""
    yield from _against(view, "ece", BELOW_ZERO, block, rivals, "id")


def keeps_accuracy(view: View, block: str, rivals: Sequence[str] = ()) -> Found:
    """C5."""
    yield from keeps(view, "accuracy", block)


def keeps(view: View, metric: str, block: str) -> Found:
    """A score at most a margin below the baseline's."""
    yield from _against_baseline(view, metric, KEPT, block, "id")


def highest_entropy(view: View, block: str, rivals: Sequence[str]) -> Found:
    """C7."""
    for role in ("id", "ood"):
        if role == "id" or view.parts(role):
            yield from _against(view, "entropy", ABOVE_ZERO, block, rivals, role)


def alphas_differ(view: View, block: str, rivals: Sequence[str] = ()) -> Found:
    """C9."""
    files = {seed: path for (method, seed), path in view.alphas.items() if method == block}
    if not files:
        yield view.missing(f"the run of {view.label(block)}")
    elif (epochs := alphas.epochs(files)) < alphas.FEWEST:
        yield view.missing(f"{alphas.FEWEST} epochs (there are {epochs})", "raise “training: epochs:”")
    else:
        yield alphas.differ(view.label(block), files)


def _parts(view: View, role: str) -> Sequence[str | Missing]:
    return view.parts(role) or [view.no_sets(role)]


def _against_baseline(view: View, metric: str, wanted: Wanted, block: str, role: str) -> Found:
    yield from view.without("baseline")
    yield from _against(view, metric, wanted, block, view.blocks("baseline")[:1], role)


def _against(view: View, metric: str, wanted: Wanted, block: str, others: Sequence[str], role: str) -> Found:
    for part in _parts(view, role):
        if isinstance(part, Missing):
            yield part
            continue
        for other in others:
            yield view.difference(metric, wanted, block, other, part)


CLAIMS = (
    Claim(
        "C1",
        "The baseline is over-confident on every in-distribution set, and far more so out of distribution.",
        "Mean confidence minus accuracy is above 0 on every ID set, and OE on every OOD set is more than "
        f"{FAR:g} times that on every ID set.",
        ("baseline",),
        over_confident,
    ),
    Claim(
        "C2",
        "Static label perturbation (SLP) lowers ECE and OE.",
        "ECE and OE of SLP are below the baseline's on every ID set.",
        ("slp",),
        lowers("id"),
    ),
    Claim(
        "C3",
        "SLP and label smoothing of equal s calibrate alike.",
        "ECE of every SLP whose 2 alpha beta is label smoothing's eps lies within "
        f"{100 * MARGIN:g} percentage points of it on every ID set.",
        ("label_smoothing",),
        like_smoothing,
    ),
    Claim(
        "C4",
        "ASLP_MC has the lowest ECE of all methods in distribution.",
        "ECE of ASLP_MC is below that of every other method of the paper's comparison on every ID set.",
        ("aslp_mc",),
        lowest_ece,
        rivals=True,
        beside=("aslp_cl",),
    ),
    Claim(
        "C5",
        "ASLP_MC and ASLP_MEI keep the baseline's accuracy.",
        f"Their accuracy is at most {100 * MARGIN:g} percentage points below the baseline's on every ID set.",
        ("aslp_mc", "aslp_mei"),
        keeps_accuracy,
        beside=("aslp_cl",),
        also=("s_measure", "e_measure", "mean_iou"),
    ),
    Claim(
        "C6",
        "ASLP_MC and ASLP_MEI lower ECE and OE out of distribution.",
        "Their ECE and OE are below the baseline's on every OOD set.",
        ("aslp_mc", "aslp_mei"),
        lowers("ood"),
        beside=("aslp_cl",),
    ),
    Claim(
        "C7",
        "ASLP_MEI is the most conservative: its predictive entropy is the highest.",
        "Mean entropy of ASLP_MEI is above that of every other method of the paper's comparison on every test set.",
        ("aslp_mei",),
        highest_entropy,
        rivals=True,
    ),
    Claim(
        "C9",
        "Learned alphas differ between images.",
        f"What is the images' own in their mean alphas spreads by more than {100 * alphas.DIFFER:g} % of the mean "
        "alpha (standard deviation). It is what two stretches of epochs, the last fifth and the one before it, agree "
        "on; the saw's phase does not outlast a stretch.",
        ("aslp_mc", "aslp_mei"),
        alphas_differ,
        beside=("als", "aslp_cl"),
        by_protocol=False,
    ),
)
