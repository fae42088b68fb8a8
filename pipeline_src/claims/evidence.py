"""What a claim rests on: effects with intervals, each wanted in some range."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipeline_src.analysis.estimate import NORMAL, Estimate, or_none
from pipeline_src.analysis.intervals import FEW_GROUPS, LEVEL
from pipeline_src.metrics.metric import Metric, Quantity
from pipeline_src.metrics.registry import METRICS

AGREES, OPPOSES, UNDECIDED = "for it", "against it", "open"


@dataclass(frozen=True)
class Wanted:
    """The open range (low, high) in which a claim wants an effect."""

    low: float
    high: float

    def squared(self, reference: float) -> Wanted:
        """The range of a difference of squared errors that this range of the errors' difference means, where what is
        subtracted is the square of `reference`."""
        low, high = (
            bound if math.isinf(bound) or bound == 0 else (reference + bound) ** 2 - reference**2
            for bound in (self.low, self.high)
        )
        return Wanted(-math.inf if self.low < -reference else low, high)

    def outside(self, ends: tuple[float, float]) -> bool:
        """Whether the whole interval lies outside."""
        return ends[1] < self.low or ends[0] > self.high

    def text(self, quantity: Quantity) -> str:
        """The range in words."""
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
        what: the effect in words.
        sets: data set -> its number of images.
        effect: averaged over seeds, with its interval.
        wanted: where the claim wants it.
        quantity: how it is printed.
        mean_decides: whether the claim wants the mean alone, and not its interval, in the range.
    """

    what: str
    sets: Mapping[str, int]
    effect: Estimate
    wanted: Wanted
    quantity: Quantity
    mean_decides: bool = False

    def says(self, level: float = LEVEL) -> str:
        """AGREES where the whole 95 % interval lies in the wanted range, or the mean if that decides and has an
        interval; OPPOSES where the interval of `level` lies outside; else UNDECIDED. Where another metric decides, its
        interval and the effect's own have to say so. Intervals over too few units for a correction of many comparisons
        decide nothing."""
        enough = not 0 < self.effect.units < FEW_GROUPS
        if enough and all(wanted.outside(effect.interval(level)) for wanted, effect in self._ranges):
            return OPPOSES
        if self.mean_decides:
            agrees = not math.isnan(self.decisive[1].low) and self.wanted.low < self.effect.value < self.wanted.high
        else:
            agrees = enough and all(w.low < effect.low and effect.high < w.high for w, effect in self._ranges)
        return AGREES if agrees else UNDECIDED

    @property
    def _ranges(self) -> list[tuple[Wanted, Estimate]]:
        """All that has to agree, and where it is wanted."""
        return [self.decisive, *([(self.wanted, self.effect.own)] if self.effect.own else [])]

    @property
    def decisive(self) -> tuple[Wanted, Estimate]:
        """What decides, and where it is wanted."""
        decided = self.effect.decided
        if decided is None:
            return self.wanted, self.effect
        return self.wanted.squared(math.sqrt(max(decided.reference, 0))), decided

    @property
    def slack(self) -> float:
        """How far the intervals lie inside the wanted range, in half widths; negative where one reaches out of it."""
        return min(
            min(effect.low - wanted.low, wanted.high - effect.high) / ((effect.high - effect.low) / 2 or 1)
            for wanted, effect in self._ranges
        )

    @property
    def interval(self) -> str:
        """Effect and interval as they are printed."""
        if (decided := self.effect.decided) and (own := self.effect.own):
            return f"{_printed(own, self.quantity)}; squared {_printed(decided, self._printed_in)}"
        return _printed(self.effect, self.quantity)

    def text(self, level: float = LEVEL, number: int = 1) -> str:
        """The comparison in a line: why it is open where that is not seen, and the square where that leaves it open."""
        on = f" on {next(iter(self.sets))}" if len(self.sets) == 1 else ""
        own, because = self.effect.own or self.effect, self.open_because(level, number)
        printed, unit = _printed(own, self.quantity), self.quantity.unit
        clear = self.wanted.outside(own.interval()) or (self.wanted.low < own.low and own.high < self.wanted.high)
        if clear and self.says(level) == UNDECIDED and not because:
            printed, unit = self.interval, self._printed_in.unit
        return f"{self.what}{on}: {printed} {unit}".rstrip() + f", open: {because}" * bool(because)

    def open_because(self, level: float, number: int) -> str:
        """Why it is open where its 95 % interval may not show it: few units, or the level of all `number` together."""
        if self.says(level) != UNDECIDED:
            return ""
        if 0 < (units := self.effect.units) < FEW_GROUPS:
            return f"only {units} {'image' if units in self.sets.values() else 'group'}{'s' * (units > 1)}"
        if not all(wanted.outside(effect.interval()) for wanted, effect in self._ranges):
            return ""
        wide = []
        for wanted, effect in reversed(self._ranges):  # its own first
            if not wanted.outside(ends := effect.interval(level)):
                square = effect is self.effect.decided
                low, high = map((self._printed_in if square else self.quantity).signed, ends)
                wide.append(f"{'squared ' * square}[{low}, {high}]")
        return f"all {number} together: {'; '.join(wide)}"

    @property
    def power(self) -> str:
        """The effect that intervals of these widths would show in 80 % of cases; of a square, the error it means."""
        needed = _shown(self.effect.own or self.effect)
        if decided := self.effect.decided:
            square, of = _shown(decided), max(decided.reference, 0)
            lowered = math.isinf(self.wanted.low)
            if lowered and square > of:
                return "Not even an error of 0 would have shown itself as lower in 80 % of cases."
            root = math.sqrt(of) - math.sqrt(of - square) if lowered else math.sqrt(of + square) - math.sqrt(of)
            needed = max(needed, root)
        printed = f"{_size(needed, self.quantity)} {self.quantity.unit}".rstrip()
        return f"It would have shown an effect of {printed} in 80 % of cases."

    @property
    def _printed_in(self) -> Quantity:
        """What the interval is of: the metric that decides, where it is another."""
        if self.effect.decided and isinstance(self.quantity, Metric):
            return METRICS[self.quantity.decided_by]
        return self.quantity

    def as_json(self, level: float = LEVEL, number: int = 1) -> dict[str, Any]:
        """Numbers in full precision, as fractions, nats or shares; null where undefined. Arguments as in `says` and
        `open_because`."""
        seeds, decided, own = self.effect.by_seed, self.effect.decided, self.effect.own
        by_seed = [f"{seed}: {self.quantity.signed(effect)}" for seed, effect in seeds.items()]
        return {
            "what": self.what,
            "sets": dict(self.sets),
            **_estimate_json(own or self.effect),
            **({"squared": _estimate_json(decided) | {"reference": or_none(decided.reference)}} if decided else {}),
            "unit": f"{self.quantity.unit}{f'; squared: {self._printed_in.unit}' if decided else ''}",
            "printed": self.interval,
            "printed_seeds": ", ".join(by_seed) if len(seeds) > 1 else str(next(iter(seeds))),
            "wanted": self.wanted.text(self.quantity),
            "says": self.says(level),
            "open_because": self.open_because(level, number),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any], wanted: Wanted, metric: Metric) -> Evidence:
        """The inverse of `as_json`, without what is known of resamples."""
        effect = _estimate_of(content)
        if squared := content.get("squared"):
            decided = replace(_estimate_of(squared), reference=_number(squared["reference"]))
            effect = replace(effect, decided=decided, own=effect)
        return cls(content["what"], content["sets"], effect, wanted, metric)


def _printed(effect: Estimate, quantity: Quantity) -> str:
    value, low, high = (quantity.signed(number) for number in (effect.value, effect.low, effect.high))
    return f"{value} [{low}, {high}]"


def _size(effect: float, quantity: Quantity) -> str:
    """An effect without its sign; what would be printed as 0 is less than the least number that can be."""
    text = quantity.signed(effect).lstrip("+")
    digits = len(text.partition(".")[2])
    return text if text.strip("0.") else f"less than {10.0**-digits:.{digits}f}"


def _shown(effect: Estimate) -> float:
    """The effect that an interval of this width would show in 80 % of cases."""
    return (effect.high - effect.low) / 2 * (1 + NORMAL.inv_cdf(0.8) / NORMAL.inv_cdf((1 + LEVEL) / 2))


def _estimate_json(effect: Estimate) -> dict[str, Any]:
    numbers = {"effect": effect.value, "low": effect.low, "high": effect.high}
    numbers |= {"image_low": effect.image_low, "image_high": effect.image_high}
    numbers["units"] = effect.units
    seeds = {seed: or_none(value) for seed, value in effect.by_seed.items()}
    return {"seeds": seeds, **{name: or_none(number) for name, number in numbers.items()}}


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _estimate_of(content: Mapping[str, Any]) -> Estimate:
    low, high = (_number(content[end]) for end in ("image_low", "image_high"))
    seeds = {int(seed): _number(value) for seed, value in content["seeds"].items()}
    return Estimate(seeds, low, high, units=content.get("units", 0))
