"""Comparisons with confidence intervals and target ranges, and the verdict on a claim that follows from them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from pipeline_src.analysis.estimate import MOST_IMAGES, MOST_SEEDS, Estimate, joint_level, needed_sample, or_none
from pipeline_src.analysis.intervals import FEW_GROUPS, LEVEL
from pipeline_src.metrics.metric import Metric, Quantity

FOR, AGAINST, BOUNDED, INCONCLUSIVE = "for", "against", "bounded", "inconclusive"
MARGINS = {"ece": 0.005, "accuracy": 0.005, "brier": 0.002}  # of a bounded difference (docs/protocol.md, section 6)

SUPPORTED, REFUTED, NOT_RUN = "supported", "refuted", "not run"  # BOUNDED and INCONCLUSIVE are verdicts, too
# Verdict -> the comparisons that decide it, and how the closest of them is introduced.
DECISIVE = {
    SUPPORTED: (FOR, "The closest"),
    REFUTED: (AGAINST, "The clearest against it"),
    BOUNDED: (BOUNDED, "The widest bounded"),
    INCONCLUSIVE: (INCONCLUSIVE, "The least conclusive"),
}
MISSING = "Missing: {} (to get it, {})."
COUNTED = "Of {} comparisons {}. {}: {}."
ONLY = "The only comparison is {}: {}."
NEEDED = "An effect of this size and spread would be decided by {}."
NOT_NEEDED = "Neither {} seeds nor {} times as many images would decide an effect of this size; both may."


@dataclass(frozen=True)
class Target:
    """The open range (low, high) in which a claim wants an effect."""

    low: float
    high: float

    def contains(self, interval: tuple[float, float]) -> bool:
        """Whether the whole interval lies inside."""
        return self.low < interval[0] and interval[1] < self.high

    def excludes(self, interval: tuple[float, float]) -> bool:
        """Whether the whole interval lies outside."""
        return interval[1] < self.low or interval[0] > self.high

    def squared(self, reference: float) -> Target:
        """The range of a difference of squared errors, where the error that is subtracted is `reference`."""
        low, high = (
            bound if math.isinf(bound) or bound == 0 else (reference + bound) ** 2 - reference**2
            for bound in (self.low, self.high)
        )
        return Target(-math.inf if self.low < -reference else low, high)

    def text(self, quantity: Quantity) -> str:
        """The range as it is printed."""
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
        sets: data set -> its number of images.
        effect: mean over seeds, with its interval.
        target: where the claim wants it.
        quantity: how it is printed.
        margin: an interval within it of 0 bounds the effect; 0 where no margin was declared.
    """

    what: str
    sets: Mapping[str, int]
    effect: Estimate
    target: Target
    quantity: Quantity
    margin: float = 0.0

    def says(self, level: float = LEVEL) -> str:
        """FOR where the 95 % interval lies in the target range; AGAINST where the interval of `level` lies outside;
        BOUNDED where the 95 % interval lies within the margin; else INCONCLUSIVE, as always of fewer than `FEW_GROUPS`
        units."""
        if 0 < self.effect.units < FEW_GROUPS:
            return INCONCLUSIVE
        ranges, margins = self._ranges(self.target), self._ranges(Target(-self.margin, self.margin))
        if all(target.excludes(effect.interval(level)) for target, effect in ranges):
            return AGAINST
        if all(target.contains(effect.interval()) for target, effect in ranges):
            return FOR
        return BOUNDED if all(margin.contains(effect.interval()) for margin, effect in margins) else INCONCLUSIVE

    def _ranges(self, target: Target) -> list[tuple[Target, Estimate]]:
        """The intervals that have to agree, with the range of each: of few seeds also that of the squared error."""
        if not (square := self.effect.decided):
            return [(target, self.effect)]
        return [(target.squared(math.sqrt(max(square.reference, 0))), square), (target, self.effect)]

    @property
    def slack(self) -> float:
        """How far the interval lies inside the target range, in half widths; negative where it reaches out of it."""
        low, high = self.effect.interval()
        return min(low - self.target.low, self.target.high - high) / ((high - low) / 2 or 1)

    def printed(self, level: float = LEVEL) -> str:
        """Effect and interval as they are printed."""
        value, low, high = map(self.quantity.signed, (self.effect.value, *self.effect.interval(level)))
        return f"{value} [{low}, {high}]"

    @property
    def text(self) -> str:
        """The comparison in a line."""
        on = f" on {next(iter(self.sets))}" if len(self.sets) == 1 else ""
        return f"{self.what}{on}: {self.printed()} {self.quantity.unit}".rstrip()

    def needed(self, level: float) -> dict[str, int | None]:
        """The fewest seeds with these images, and the fewest images with these seeds, that would decide the comparison;
        None where none do."""
        value = self.effect.value
        inside = self.target.contains((value, value))
        distance = min(abs(bound - value) for bound in (self.target.low, self.target.high) if math.isfinite(bound))
        seeds, factor = needed_sample(self.effect, distance, LEVEL if inside else level)
        return {"seeds": seeds, "images": None if factor is None else math.ceil(factor * max(self.sets.values()))}

    def as_json(self, level: float = LEVEL) -> dict[str, Any]:
        """Numbers in full precision, as fractions, nats or shares; null where undefined."""
        seeds, square = self.effect.by_seed, self.effect.decided
        by_seed = [f"{seed}: {self.quantity.signed(effect)}" for seed, effect in seeds.items()]
        return {
            "what": self.what,
            "sets": dict(self.sets),
            **_estimate_json(self.effect),
            **({"squared": _estimate_json(square) | {"reference": or_none(square.reference)}} if square else {}),
            "unit": self.quantity.unit,
            "printed": self.printed(),
            "printed_joint": self.printed(level).partition(" ")[2],
            "printed_seeds": ", ".join(by_seed) if len(seeds) > 1 else str(next(iter(seeds))),
            "wanted": self.target.text(self.quantity),
            "says": self.says(level),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any], target: Target, metric: Metric, margin: float = 0.0) -> Evidence:
        """The inverse of `as_json`, without the resamples."""
        effect = _estimate_of(content)
        if square := content.get("squared"):
            decided = replace(_estimate_of(square), reference=_number(square["reference"]))
            effect = replace(effect, decided=decided)
        return cls(content["what"], content["sets"], effect, target, metric, margin)


def _estimate_json(effect: Estimate) -> dict[str, Any]:
    low, high = effect.interval()
    numbers = {"effect": effect.value, "low": low, "high": high}
    numbers |= {"image_low": effect.image_low, "image_high": effect.image_high, "units": effect.units}
    seeds = {seed: or_none(value) for seed, value in effect.by_seed.items()}
    return {"seeds": seeds, **{name: or_none(number) for name, number in numbers.items()}}


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _estimate_of(content: Mapping[str, Any]) -> Estimate:
    low, high = (_number(content[end]) for end in ("image_low", "image_high"))
    seeds = {int(seed): _number(value) for seed, value in content["seeds"].items()}
    return Estimate(seeds, low, high, units=content.get("units", 0))


@dataclass(frozen=True)
class Missing:
    """What a claim needs and an experiment lacks, and what to do about it."""

    what: str
    do: str


@dataclass(frozen=True)
class Finding:
    """A verdict and all that it rests on."""

    evidence: Sequence[Evidence]
    missing: Sequence[Missing] = ()

    @classmethod
    def of(cls, items: Iterable[Evidence | Missing]) -> Finding:
        """The finding of what a check yields."""
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
        """The verdict on the claim: one opposing comparison refutes it; support needs all comparisons, none missing."""
        says = {item.says(self.level) for item in self.evidence}
        if AGAINST in says:
            return REFUTED
        if self.missing or not says:
            return NOT_RUN
        if says == {FOR}:
            return SUPPORTED
        return BOUNDED if says <= {FOR, BOUNDED} else INCONCLUSIVE

    @property
    def why(self) -> str:
        """The verdict's reason: the comparison that decides; if none does, what would decide it; what is missing."""
        missing = [MISSING.format(item.what, item.do) for item in self.missing]
        if self.verdict == NOT_RUN:
            return " ".join(missing)
        says = [item.says(self.level) for item in self.evidence]
        decisive, title = DECISIVE[self.verdict]
        candidates = [item for item, word in zip(self.evidence, says, strict=True) if word == decisive]
        closest = min(candidates, key=lambda item: item.slack)
        text, counts = closest.text, Counter(says)
        counted = ", ".join(f"{counts[word]} {word}" for word in (FOR, AGAINST, BOUNDED, INCONCLUSIVE) if counts[word])
        reason = COUNTED.format(len(says), counted, title, text) if len(says) > 1 else ONLY.format(says[0], text)
        known = not math.isnan(closest.effect.interval()[0]) and not 0 < closest.effect.units < FEW_GROUPS
        needed = [needed_text(closest.needed(self.level))] if self.verdict == INCONCLUSIVE and known else []
        return " ".join([reason, *needed, *missing])

    def as_json(self) -> dict[str, Any]:
        """The finding as claims.json has it."""
        return {
            "verdict": self.verdict,
            "seeds": self.seeds,
            "level": self.level,
            "why": self.why,
            "evidence": [item.as_json(self.level) for item in self.evidence],
            "missing": [asdict(item) for item in self.missing],
        }


def needed_text(needed: dict[str, int | None]) -> str:
    """The numbers of seeds and of images that would decide a comparison, in a sentence."""
    known = [f"{number:,} {name}" for name, number in needed.items() if number]
    return NEEDED.format(" or by ".join(known)) if known else NOT_NEEDED.format(MOST_SEEDS, MOST_IMAGES)
