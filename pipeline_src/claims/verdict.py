"""Comparisons with confidence intervals and target ranges, and the verdict on a claim that follows from them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from pipeline_src.analysis.estimate import (
    MOST_IMAGES,
    MOST_SEEDS,
    Estimate,
    joint_level,
    needed_sample,
    or_none,
)
from pipeline_src.analysis.intervals import FEW_GROUPS, LEVEL
from pipeline_src.metrics.metric import Quantity

FOR, AGAINST, BOUNDED, INCONCLUSIVE = "for", "against", "bounded", "inconclusive"

SUPPORTED, REFUTED, NOT_RUN = (
    "supported",
    "refuted",
    "not run",
)  # BOUNDED and INCONCLUSIVE are also verdicts
# Verdict -> the comparisons that decide it, and how the closest of them is introduced.
DECISIVE = {
    SUPPORTED: (FOR, "The closest"),
    REFUTED: (AGAINST, "The clearest against it"),
    BOUNDED: (BOUNDED, "The widest bounded"),
    INCONCLUSIVE: (INCONCLUSIVE, "The farthest from support"),
}
WHY = "Of {} comparisons {}. {}: {}."
JOINT = ", joint interval"
SQUARE = ", squared error [{:+.2g}, {:+.2g}]"
MISSING = "Missing: {} (to get it, {})."
NEEDED = "An effect of this size and spread would be decided by {}."
NOT_NEEDED = f"Neither {MOST_SEEDS} seeds nor {MOST_IMAGES} times as many images would decide an effect of this size."


@dataclass(frozen=True)
class Target:
    """The open range (low, high) in which a claim wants an effect."""

    low: float
    high: float

    def contains(self, interval: tuple[float, float]) -> bool:
        """Return whether the whole interval lies inside."""
        return self.low < interval[0] and interval[1] < self.high

    def excludes(self, interval: tuple[float, float]) -> bool:
        """Return whether the whole interval lies outside."""
        return interval[1] < self.low or interval[0] > self.high

    def squared(self, reference: float) -> Target:
        """Return the range of a difference of squared errors, where the error that is subtracted is `reference`."""
        low, high = (
            bound if math.isinf(bound) or bound == 0 else (reference + bound) ** 2 - reference**2
            for bound in (self.low, self.high)
        )
        return Target(-math.inf if self.low < -reference else low, high)

    def text(self, quantity: Quantity) -> str:
        """Return the range as it is printed."""
        if self.low == -self.high:
            return f"within ±{quantity.signed(self.high).lstrip('+')}"
        bound, side = (self.low, "above") if math.isinf(self.high) else (self.high, "below")
        return f"{side} {quantity.signed(bound)}" if bound else f"{side} 0"


BELOW_ZERO = Target(-math.inf, 0)
ABOVE_ZERO = Target(0, math.inf)


@dataclass(frozen=True)
class Evidence:
    """One comparison.

    Attributes:
        what: name of the effect.
        sets: dataset -> its number of images.
        effect: mean over seeds, with its interval.
        target: the range in which the claim wants the effect.
        quantity: unit and printed form of the effect.
        margin: an interval within it of 0 bounds the effect; 0 where no margin was declared.
    """

    what: str
    sets: Mapping[str, int]
    effect: Estimate
    target: Target
    quantity: Quantity
    margin: float = 0.0

    def says(self, level: float = LEVEL) -> str:
        """Return FOR, AGAINST, BOUNDED or INCONCLUSIVE.

        FOR if the 95 % interval lies in the target range; AGAINST if the interval of `level` lies
        outside; BOUNDED if the 95 % interval lies within the margin; else INCONCLUSIVE, as always
        of fewer than `FEW_GROUPS` units.
        """
        if 0 < self.effect.units < FEW_GROUPS:
            return INCONCLUSIVE
        ranges, margins = self._ranges(self.target), self._ranges(Target(-self.margin, self.margin))
        if all(target.excludes(effect.interval(level)) for target, effect in ranges):
            return AGAINST
        if all(target.contains(effect.interval()) for target, effect in ranges):
            return FOR
        return (
            BOUNDED
            if all(margin.contains(effect.interval()) for margin, effect in margins)
            else INCONCLUSIVE
        )

    def _ranges(self, target: Target) -> list[tuple[Target, Estimate]]:
        """Return the intervals that have to agree, with the range of each: of few seeds also the squared error's."""
        if not (square := self.effect.decided):
            return [(target, self.effect)]
        return [
            (target.squared(math.sqrt(max(square.reference, 0))), square),
            (target, self.effect),
        ]

    @property
    def slack(self) -> float:
        """How far the interval lies inside the target range, in half widths; negative where it reaches out of it."""
        low, high = self.effect.interval()
        return min(low - self.target.low, self.target.high - high) / ((high - low) / 2 or 1)

    def interval_text(self, level: float = LEVEL) -> str:
        """Return the interval as it is printed."""
        low, high = map(self.quantity.signed, self.effect.interval(level))
        return f"[{low}, {high}]"

    def printed(self, level: float = LEVEL) -> str:
        """Return effect and interval as they are printed."""
        return f"{self.quantity.signed(self.effect.value)} {self.interval_text(level)}"

    def text(self, level: float = LEVEL) -> str:
        """Return the comparison in a line, with the interval on which `says` rests.

        That is the 95 % interval, or the one of `level` if the 95 % interval lies outside the
        target range. With few seeds, the interval of the squared error is shown where it may
        disagree.
        """
        on = f" on {next(iter(self.sets))}" if len(self.sets) == 1 else ""
        says = self.says(level)
        joint = says != BOUNDED and self.target.excludes(self.effect.interval())
        used = level if joint else LEVEL
        text = (
            f"{self.what}{on}: {self.printed(used)} {self.quantity.unit}".rstrip() + JOINT * joint
        )
        if self.effect.decided and says == INCONCLUSIVE:
            text += SQUARE.format(*self.effect.decided.interval(used))
        return text

    def needed(self, level: float) -> str:
        """Return the fewest seeds with these images, and the fewest images with these seeds, that
        would decide it.

        Empty where the interval is unknown.
        """
        value = self.effect.value
        if math.isnan(self.effect.interval()[0]) or 0 < self.effect.units < FEW_GROUPS:
            return ""
        inside = self.target.contains((value, value))
        distance = min(
            abs(bound - value)
            for bound in (self.target.low, self.target.high)
            if math.isfinite(bound)
        )
        seeds, factor = needed_sample(self.effect, distance, LEVEL if inside else level)
        texts = [f"{seeds} seeds"] if seeds else []
        texts += [f"{math.ceil(factor * max(self.sets.values())):,} images"] if factor else []
        return NEEDED.format(" or by ".join(texts)) if texts else NOT_NEEDED

    def as_json(self, level: float = LEVEL) -> dict[str, Any]:
        """Return numbers in full precision, as fractions, nats or shares, null where undefined; and printed texts."""
        square = self.effect.decided
        return {
            "what": self.what,
            "sets": dict(self.sets),
            **_estimate_json(self.effect),
            **(
                {"squared": _estimate_json(square) | {"reference": or_none(square.reference)}}
                if square
                else {}
            ),
            "unit": self.quantity.unit,
            "printed": self.printed(),
            "printed_joint": self.interval_text(level),
            "wanted": self.target.text(self.quantity),
            "says": self.says(level),
        }


def _estimate_json(effect: Estimate) -> dict[str, Any]:
    low, high = effect.interval()
    numbers = {"effect": effect.value, "low": low, "high": high}
    numbers |= {
        "image_low": effect.image_low,
        "image_high": effect.image_high,
        "units": effect.units,
    }
    seeds = {seed: or_none(value) for seed, value in effect.by_seed.items()}
    return {"seeds": seeds, **{name: or_none(number) for name, number in numbers.items()}}


@dataclass(frozen=True)
class Missing:
    """A result that a claim needs and an experiment lacks, and the command that adds it."""

    what: str
    do: str


Items = Iterable[Evidence | Missing]  # what a check yields


def verdict_of(says: set[str], is_complete: bool) -> str:
    """Return the verdict: one opposing comparison refutes; support needs all comparisons, none missing."""
    if AGAINST in says:
        return REFUTED
    if not (is_complete and says):
        return NOT_RUN
    if says == {FOR}:
        return SUPPORTED
    return BOUNDED if says <= {FOR, BOUNDED} else INCONCLUSIVE


@dataclass(frozen=True)
class Finding:
    """A verdict, and the evidence and missing results that it rests on."""

    evidence: Sequence[Evidence]
    missing: Sequence[Missing] = ()

    @classmethod
    def of(cls, items: Items) -> Finding:
        """Return the finding that follows from the items of a check."""
        items = list(items)
        missing = dict.fromkeys(item for item in items if isinstance(item, Missing))
        return cls([item for item in items if isinstance(item, Evidence)], list(missing))

    @cached_property
    def level(self) -> float:
        """The level of each interval that may oppose, at which all of them together hold in 95 % of cases."""
        return joint_level([item.effect.decided or item.effect for item in self.evidence])

    @property
    def seeds(self) -> int:
        """The fewest seeds of a comparison. With one, a verdict is on these networks and not on the methods."""
        return min((len(item.effect.by_seed) for item in self.evidence), default=0)

    @property
    def verdict(self) -> str:
        """The verdict on the claim."""
        return verdict_of(
            {item.says(self.level) for item in self.evidence}, is_complete=not self.missing
        )

    @property
    def why(self) -> str:
        """The reason of the verdict: the decisive comparison, or the sample that would decide, and missing results."""
        missing = [MISSING.format(item.what, item.do) for item in self.missing]
        if self.verdict == NOT_RUN:
            return " ".join(missing)
        says = [item.says(self.level) for item in self.evidence]
        decisive, title = DECISIVE[self.verdict]
        candidates = [
            item for item, word in zip(self.evidence, says, strict=True) if word == decisive
        ]
        closest, counts = min(candidates, key=lambda item: item.slack), Counter(says)
        counted = ", ".join(
            f"{counts[word]} {word}"
            for word in (FOR, AGAINST, BOUNDED, INCONCLUSIVE)
            if counts[word]
        )
        needed = closest.needed(self.level) if self.verdict == INCONCLUSIVE else ""
        comparisons = WHY.format(len(says), counted, title, closest.text(self.level))
        return " ".join(filter(None, [comparisons, needed, *missing]))

    def as_json(self) -> dict[str, Any]:
        """Return the finding in the form of claims.json."""
        return {
            "verdict": self.verdict,
            "seeds": self.seeds,
            "level": self.level,
            "why": self.why,
            "evidence": [item.as_json(self.level) for item in self.evidence],
            "missing": [asdict(item) for item in self.missing],
        }
