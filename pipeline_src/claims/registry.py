"""The registry of claims that an experiment can decide by itself, in the order of display.

A new claim is an entry here, with a check in `checks` or in a file of its own
(docs/contributing/extending.md). C8 on several experiments is in `other_tasks`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from pipeline_src.claims import alphas, checks
from pipeline_src.claims.checks import FAR_MORE, MARGIN, Check, View
from pipeline_src.claims.verdict import ABOVE_ZERO, BELOW_ZERO, Finding, Items
from pipeline_src.errors import UserError, did_you_mean

TEXTURES = "every OOD set of the paper (on every OOD set, where the experiment has none of these)"


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, or an added claim.

    Attributes:
        text: what it says.
        rule: how it is checked, in a sentence.
        subjects: codes of the methods that it is about. An experiment may have several entries of a
            code in `methods:`; the principal one must meet the claim (`Facts.principal`: the one of
            the code's name, or else the first).
        check: (view, entry of a subject) -> evidence.
        by_protocol: whether it has a verdict in each protocol, as claims on probabilities have.
    """

    text: str
    rule: str
    subjects: Sequence[str]
    check: Check
    by_protocol: bool = True

    def evidence(self, view: View) -> Items:
        """Yield all comparisons that decide the claim, and a `Missing` for each that the experiment
        cannot make.
        """
        for code in self.subjects:
            entry = view.facts.principal(code)  # None if no entry uses the method
            if entry:
                yield from self.check(view, entry)
            else:
                yield view.missing_entry(code)

    def secondary(self, view: View) -> Iterator[tuple[str, Finding]]:
        """Yield a title and a finding for each entry of a subject except the principal one.

        An entry is one of `methods:` in params.yaml. These entries do not decide the claim. They
        are shown because it may hold for one setting of a method and not for another.
        """
        for code in self.subjects:
            # The first entry is the principal one, which decides.
            for entry in view.facts.entries(code)[1:]:
                yield f"{entry} instead", Finding.of(self.check(view, entry))


CLAIMS = MappingProxyType(
    {
        "C1": Claim(
            "The baseline is overconfident on every in-distribution set, and far more so out of "
            "distribution.",
            f"Mean confidence minus accuracy is above 0 on every ID set, and OE on {TEXTURES} is "
            f"more than {FAR_MORE:g} times that on every ID set.",
            ["baseline"],
            checks.over_confident,
        ),
        "C2": Claim(
            "Static label perturbation (SLP) lowers ECE and OE.",
            "ECE and OE of SLP are below the baseline's on every ID set.",
            ["slp"],
            checks.against_baseline("id", BELOW_ZERO, "ece", "oe"),
        ),
        "C3": Claim(
            "SLP and label smoothing of equal s calibrate alike.",
            f"ECE of every SLP of equal s lies within {100 * MARGIN:g} percentage points of it on "
            "every ID set.",
            ["label_smoothing"],
            checks.like_smoothing,
        ),
        "C4": Claim(
            "ASLP_MC has the lowest ECE of all methods in distribution.",
            "ECE of ASLP_MC is below that of every other compared method (docs/protocol.md, "
            "section 5) on every ID set.",
            ["aslp_mc"],
            checks.against_others(BELOW_ZERO, "ece"),
        ),
        "C5": Claim(
            "ASLP_MC and ASLP_MEI keep the baseline's accuracy.",
            f"Their accuracy is at most {100 * MARGIN:g} percentage points below the baseline's on "
            "every ID set.",
            ["aslp_mc", "aslp_mei"],
            checks.against_baseline("id", checks.NOT_LOWER, "accuracy"),
        ),
        "C6": Claim(
            "ASLP_MC and ASLP_MEI lower ECE and OE out of distribution.",
            f"Their ECE and OE are below the baseline's on {TEXTURES}.",
            ["aslp_mc", "aslp_mei"],
            checks.against_baseline("ood", BELOW_ZERO, "ece", "oe"),
        ),
        "C7": Claim(
            "ASLP_MEI is the most conservative: its predictive entropy is the highest.",
            "Mean entropy of ASLP_MEI, in its entry's reading of theta_lm, is above that of the "
            f"baseline, SLP, LS, ALS and ASLP_MC on every ID set and on {TEXTURES}.",
            ["aslp_mei"],
            checks.against_others(
                ABOVE_ZERO,
                "entropy",
                roles=["id", "ood"],
                codes=["baseline", "slp", "label_smoothing", "als", "aslp_mc"],
            ),
        ),
        "C9": Claim(
            "Learned alphas differ between images.",
            "The image-specific part of the spread of alphas is above 0: mean alphas of the images "
            "over the last fifth of the epochs and over the fifth before it are correlated. The "
            "oscillation of alpha is not.",
            ["aslp_mc", "aslp_mei"],
            alphas.differ,
            by_protocol=False,
        ),
    }
)
CLAIM_FILES = ("claims.json", "claims.md")  # what `write.write_claims` writes


def check_claims(names: Collection[str], key: str) -> None:
    """Raise a UserError if one of `names` is no claim of `CLAIMS`.

    Args:
        names: the claims that an experiment of params.yaml asks for.
        key: the dotted key of params.yaml that has them, for the message.
    """
    for name in names:
        if name not in CLAIMS:
            raise UserError(
                f"{key}: there is no claim {name!r}",
                found=f"[{', '.join(names)}]",
                expected=f"true, false, or some of {', '.join(CLAIMS)}",
                fix=did_you_mean(name, CLAIMS) or "docs/protocol.md lists them",
            )
