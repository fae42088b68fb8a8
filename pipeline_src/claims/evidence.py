"""What a claim rests on: effects with intervals, each wanted in some range, and the verdict that follows from them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipeline_src.analysis.estimate import Estimate
from pipeline_src.metrics.registry import Quantity
from pipeline_src.text_tables import UNDEFINED

HOLDS, FAILS, OPEN, NOT_RUN = "holds", "does not hold", "not decided", "not run"
AGREES, OPPOSES, UNDECIDED = "for it", "against it", "open"


def signed(value: float, quantity: Quantity) -> str:
    """A difference of two values as it is printed: with its sign, and with a digit more than values have unless it is
    in percentage points."""
    if math.isnan(value):
        return UNDEFINED
    digits = quantity.digits + (quantity.factor == 1)
    text = f"{quantity.factor * value:+.{digits}f}".replace("-", "−")
    return text if text.strip("+−0.") else text[1:]  # no sign before a zero


@dataclass(frozen=True)
class Wanted:
    """The open range (low, high) in which a claim wants an effect."""

    low: float
    high: float

    def text(self, quantity: Quantity) -> str:
        """The range in words."""
        if self.low == -self.high:
            return f"within ±{signed(self.high, quantity).lstrip('+')}"
        bound, side = (self.low, "above") if math.isinf(self.high) else (self.high, "below")
        return f"{side} {signed(bound, quantity)}" if bound else f"{side} 0"


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
    """

    what: str
    sets: Mapping[str, int]
    effect: Estimate
    wanted: Wanted
    quantity: Quantity

    @property
    def says(self) -> str:
        """AGREES where the whole interval lies in the wanted range, OPPOSES where it lies outside, else UNDECIDED."""
        if self.wanted.low < self.effect.low and self.effect.high < self.wanted.high:
            return AGREES
        outside = self.effect.high < self.wanted.low or self.effect.low > self.wanted.high
        return OPPOSES if outside else UNDECIDED

    @property
    def slack(self) -> float:
        """How far the interval lies inside the wanted range; negative where it reaches out of it."""
        return min(self.effect.low - self.wanted.low, self.wanted.high - self.effect.high)

    @property
    def interval(self) -> str:
        """Effect and interval as they are printed."""
        numbers = (self.effect.value, self.effect.low, self.effect.high)
        effect, low, high = (signed(number, self.quantity) for number in numbers)
        return f"{effect} [{low}, {high}]"

    @property
    def text(self) -> str:
        """The comparison in a line."""
        on = f" on {next(iter(self.sets))}" if len(self.sets) == 1 else ""
        return f"{self.what}{on}: {self.interval} {self.quantity.unit}".rstrip()

    def as_json(self) -> dict[str, Any]:
        """Numbers in full precision, as fractions, nats or shares; null where undefined."""
        seeds = self.effect.by_seed
        by_seed = [f"{seed}: {signed(effect, self.quantity)}" for seed, effect in seeds.items()]
        numbers = {"effect": self.effect.value, "low": self.effect.low, "high": self.effect.high}
        return {
            "what": self.what,
            "sets": dict(self.sets),
            "seeds": dict(seeds),
            **{name: None if math.isnan(number) else number for name, number in numbers.items()},
            "unit": self.quantity.unit,
            "printed": self.interval,
            "printed_seeds": ", ".join(by_seed) if len(seeds) > 1 else str(next(iter(seeds))),
            "wanted": self.wanted.text(self.quantity),
            "says": self.says,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any], wanted: Wanted, quantity: Quantity) -> Evidence:
        """The inverse of `as_json`."""
        low, high = (math.nan if content[end] is None else content[end] for end in ("low", "high"))
        effect = Estimate({int(seed): value for seed, value in content["seeds"].items()}, low, high)
        return cls(content["what"], content["sets"], effect, wanted, quantity)


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
        """From what a check yields."""
        items = list(items)
        missing = dict.fromkeys(item for item in items if isinstance(item, Missing))
        return cls([item for item in items if isinstance(item, Evidence)], list(missing))

    @property
    def verdict(self) -> str:
        """One opposing comparison is enough against a claim; all are needed for it, none of them missing."""
        says = {item.says for item in self.evidence}
        if OPPOSES in says:
            return FAILS
        if self.missing or not says:
            return NOT_RUN
        return HOLDS if says == {AGREES} else OPEN

    @property
    def why(self) -> str:
        """The verdict's reason in a sentence or two: the comparison that decides, and what is missing."""
        by_do: dict[str, list[str]] = {}
        for item in self.missing:
            by_do.setdefault(item.do, []).append(item.what)
        sentences = [f"Missing: {', '.join(whats)} (to get it, {do})." for do, whats in by_do.items()]
        if self.verdict == NOT_RUN:
            return " ".join(sentences)
        counts = Counter(item.says for item in self.evidence)
        counted = ", ".join(f"{counts[word]} {word}" for word in (AGREES, UNDECIDED, OPPOSES) if counts[word])
        deciding, which = _DECIDES[self.verdict]
        strictest = min((item for item in self.evidence if item.says == deciding), key=lambda item: item.slack)
        number = f"{len(self.evidence)} comparison{'s' * (len(self.evidence) > 1)}"
        return " ".join([f"Of {number} {counted}. {which}: {strictest.text}.", *sentences])

    def as_json(self) -> dict[str, Any]:
        """As claims.json has it."""
        return {
            "verdict": self.verdict,
            "why": self.why,
            "evidence": [item.as_json() for item in self.evidence],
            "missing": [asdict(item) for item in self.missing],
        }


_DECIDES = {
    HOLDS: (AGREES, "The closest"),
    OPEN: (UNDECIDED, "The most open"),
    FAILS: (OPPOSES, "The clearest against it"),
}
