"""What a claim rests on: comparisons with confidence intervals, each wanted in a range."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipeline_src.analysis.estimate import Estimate, or_none
from pipeline_src.analysis.intervals import FEW_GROUPS, LEVEL, NORMAL, students_t
from pipeline_src.metrics.metric import Metric, Quantity

FOR, AGAINST, BOUNDED, INCONCLUSIVE = "for", "against", "bounded", "inconclusive"
MARGINS = {"ece": 0.005, "accuracy": 0.005, "brier": 0.002}  # of a bounded difference (docs/protocol.md, section 6)
MOST_SEEDS, MOST_IMAGES = 50, 100  # that are asked for; images as a multiple of those that were evaluated


@dataclass(frozen=True)
class Wanted:
    """The open range (low, high) in which a claim wants an effect."""

    low: float
    high: float

    def contains(self, interval: tuple[float, float]) -> bool:
        """Whether the whole interval lies inside."""
        return self.low < interval[0] and interval[1] < self.high

    def excludes(self, interval: tuple[float, float]) -> bool:
        """Whether the whole interval lies outside."""
        return interval[1] < self.low or interval[0] > self.high

    def squared(self, reference: float) -> Wanted:
        """The range of a difference of squared errors, where the error that is subtracted is `reference`."""
        low, high = (
            bound if math.isinf(bound) or bound == 0 else (reference + bound) ** 2 - reference**2
            for bound in (self.low, self.high)
        )
        return Wanted(-math.inf if self.low < -reference else low, high)

    def text(self, quantity: Quantity) -> str:
        """The range as it is printed."""
        if self.low == -self.high:
            return f"within ±{quantity.signed(self.high).lstrip('+')}"
        bound, side = (self.low, "above") if math.isinf(self.high) else (self.high, "below")
        return f"{side} {quantity.signed(bound)}" if bound else f"{side} 0"


BELOW_ZERO = Wanted(-math.inf, 0)
ABOVE_ZERO = Wanted(0, math.inf)


@dataclass(frozen=True)
class Evidence:
    """One comparison.

    Attributes:
        what: name of the effect.
        sets: data set -> its number of images.
        effect: mean over seeds, with its interval.
        wanted: where the claim wants it.
        quantity: how it is printed.
        margin: an interval within it of 0 bounds the effect; 0 where no margin was declared.
    """

    what: str
    sets: Mapping[str, int]
    effect: Estimate
    wanted: Wanted
    quantity: Quantity
    margin: float = 0.0

    def says(self, level: float = LEVEL) -> str:
        """FOR where the 95 % interval lies in the wanted range; AGAINST where the interval of `level` lies outside;
        BOUNDED where the 95 % interval lies within the margin; else INCONCLUSIVE, as always of fewer than `FEW_GROUPS`
        units."""
        if 0 < self.effect.units < FEW_GROUPS:
            return INCONCLUSIVE
        ranges, margins = self._ranges(self.wanted), self._ranges(Wanted(-self.margin, self.margin))
        if all(wanted.excludes(effect.interval(level)) for wanted, effect in ranges):
            return AGAINST
        if all(wanted.contains(effect.interval()) for wanted, effect in ranges):
            return FOR
        return BOUNDED if all(margin.contains(effect.interval()) for margin, effect in margins) else INCONCLUSIVE

    def _ranges(self, wanted: Wanted) -> list[tuple[Wanted, Estimate]]:
        """The intervals that have to agree, with the range of each: of few seeds also that of the squared error."""
        if not (square := self.effect.decided):
            return [(wanted, self.effect)]
        return [(wanted.squared(math.sqrt(max(square.reference, 0))), square), (wanted, self.own)]

    @property
    def decisive(self) -> Estimate:
        """The effect that decides: of few seeds that of the squared error."""
        return self.effect.decided or self.effect

    @property
    def own(self) -> Estimate:
        """The effect with its own interval, whether that decides or not."""
        return self.effect.own or self.effect

    @property
    def slack(self) -> float:
        """How far the intervals lie inside the wanted range, in half widths; negative where one reaches out of it."""
        return min(
            min(effect.low - wanted.low, wanted.high - effect.high) / ((effect.high - effect.low) / 2 or 1)
            for wanted, effect in self._ranges(self.wanted)
        )

    def printed(self, level: float = LEVEL) -> str:
        """Effect and interval as they are printed."""
        value, low, high = map(self.quantity.signed, (self.own.value, *self.own.interval(level)))
        return f"{value} [{low}, {high}]"

    @property
    def text(self) -> str:
        """The comparison in a line."""
        on = f" on {next(iter(self.sets))}" if len(self.sets) == 1 else ""
        return f"{self.what}{on}: {self.printed()} {self.quantity.unit}".rstrip()

    def needed(self, level: float) -> dict[str, int | None]:
        """The fewest seeds with these images, and the fewest images with these seeds, that would decide an effect of
        this size and spread; None where none do, or where nothing is known."""
        effect, seeds, images = self.own, len(self.own.by_seed), max(self.sets.values())
        inside = self.wanted.contains((effect.value, effect.value))
        ends = [abs(bound - effect.value) for bound in (self.wanted.low, self.wanted.high) if math.isfinite(bound)]
        tail = (1 + (LEVEL if inside else level)) / 2
        scale = NORMAL.inv_cdf(tail) / NORMAL.inv_cdf((1 + LEVEL) / 2)
        width = scale * max(effect.image_high - effect.value, effect.value - effect.image_low)

        def decided(number: int, factor: float) -> bool:
            training = students_t(number, tail) * effect.sd / math.sqrt(number) if number > 1 else 0.0
            return math.hypot(width / math.sqrt(factor), training) < min(ends)

        more_seeds = (number for number in range(seeds + 1, MOST_SEEDS + 1) if seeds > 1 and decided(number, 1))
        more_images = (step / 10 for step in range(11, 10 * MOST_IMAGES + 1) if decided(seeds, step / 10))
        factor = next(more_images, None)
        return {"seeds": next(more_seeds, None), "images": None if factor is None else math.ceil(factor * images)}

    def as_json(self, level: float = LEVEL) -> dict[str, Any]:
        """Numbers in full precision, as fractions, nats or shares; null where undefined."""
        seeds, square = self.effect.by_seed, self.effect.decided
        by_seed = [f"{seed}: {self.quantity.signed(effect)}" for seed, effect in seeds.items()]
        return {
            "what": self.what,
            "sets": dict(self.sets),
            **_estimate_json(self.own),
            **({"squared": _estimate_json(square) | {"reference": or_none(square.reference)}} if square else {}),
            "unit": self.quantity.unit,
            "printed": self.printed(),
            "printed_joint": self.printed(level).partition(" ")[2],
            "printed_seeds": ", ".join(by_seed) if len(seeds) > 1 else str(next(iter(seeds))),
            "wanted": self.wanted.text(self.quantity),
            "says": self.says(level),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any], wanted: Wanted, metric: Metric, margin: float = 0.0) -> Evidence:
        """The inverse of `as_json`, without the resamples."""
        effect = _estimate_of(content)
        if square := content.get("squared"):
            decided = replace(_estimate_of(square), reference=_number(square["reference"]))
            effect = replace(effect, decided=decided, own=effect)
        return cls(content["what"], content["sets"], effect, wanted, metric, margin)


def _estimate_json(effect: Estimate) -> dict[str, Any]:
    names = {"effect": "value"} | {name: name for name in ("low", "high", "image_low", "image_high", "units")}
    seeds = {seed: or_none(value) for seed, value in effect.by_seed.items()}
    return {"seeds": seeds, **{name: or_none(getattr(effect, attribute)) for name, attribute in names.items()}}


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _estimate_of(content: Mapping[str, Any]) -> Estimate:
    low, high = (_number(content[end]) for end in ("image_low", "image_high"))
    seeds = {int(seed): _number(value) for seed, value in content["seeds"].items()}
    return Estimate(seeds, low, high, units=content.get("units", 0))
