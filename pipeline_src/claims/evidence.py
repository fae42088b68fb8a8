"""What a claim rests on: effects with intervals, each wanted in some range, and the verdict that follows from them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

HOLDS, FAILS, OPEN, NOT_RUN = "holds", "does not hold", "not decided", "not run"
AGREES, OPPOSES, UNDECIDED = "for it", "against it", "open"


@dataclass(frozen=True)
class Unit:
    """How an effect is printed: factor, digits and what they count."""

    name: str
    factor: float
    digits: int

    def text(self, value: float) -> str:
        if math.isnan(value):
            return "–"
        text = f"{self.factor * value:+.{self.digits}f}".replace("-", "−")
        return text if text.strip("+−0.") else text[1:]  # no sign before a zero


POINTS = Unit("percentage points", 100, 2)
NATS = Unit("nats", 1, 4)
OF_MEAN = Unit("% of the mean alpha", 100, 1)


@dataclass(frozen=True)
class Wanted:
    """The open range (low, high) in which a claim wants an effect."""

    low: float
    high: float

    def text(self, unit: Unit) -> str:
        if self.low == -self.high:
            return f"within ±{unit.text(self.high).lstrip('+')}"
        bound, side = (self.low, "above") if math.isinf(self.high) else (self.high, "below")
        return f"{side} {unit.text(bound)}" if bound else f"{side} 0"


BELOW_ZERO = Wanted(-math.inf, 0)
ABOVE_ZERO = Wanted(0, math.inf)


@dataclass(frozen=True)
class Evidence:
    """One comparison.

    Attributes:
        what: the effect in words.
        sets: images by name of each data set it is measured on.
        seeds: seed -> effect. What is judged is their mean.
        low, high: ends of the mean's 95 % interval; NaN where undefined.
        wanted: where the claim wants the effect.
    """

    what: str
    sets: Mapping[str, int]
    seeds: Mapping[int, float]
    low: float
    high: float
    wanted: Wanted
    unit: Unit = POINTS

    @property
    def effect(self) -> float:
        return sum(self.seeds.values()) / len(self.seeds)

    @property
    def says(self) -> str:
        """AGREES where the whole interval lies in the wanted range, OPPOSES where it lies outside, else UNDECIDED."""
        if self.wanted.low < self.low and self.high < self.wanted.high:
            return AGREES
        return OPPOSES if self.high < self.wanted.low or self.low > self.wanted.high else UNDECIDED

    @property
    def slack(self) -> float:
        """How far the interval lies inside the wanted range; negative where it reaches out of it."""
        return min(self.low - self.wanted.low, self.wanted.high - self.high)

    @property
    def interval(self) -> str:
        """Effect and interval as they are printed."""
        effect, low, high = (self.unit.text(value) for value in (self.effect, self.low, self.high))
        return f"{effect} [{low}, {high}]"

    @property
    def text(self) -> str:
        where = " and ".join(self.sets)
        return f"{self.what}{f' on {where}' if len(self.sets) == 1 else ''}: {self.interval} {self.unit.name}"

    @property
    def _by_seed(self) -> str:
        if len(self.seeds) == 1:
            return str(next(iter(self.seeds)))
        return ", ".join(f"{seed}: {self.unit.text(effect)}" for seed, effect in self.seeds.items())

    def facts(self) -> dict[str, Any]:
        """For JSON: numbers in full precision, as fractions, nats or shares."""
        numbers = {"effect": self.effect, "low": self.low, "high": self.high}
        return {
            "what": self.what,
            "sets": dict(self.sets),
            "seeds": dict(self.seeds),
            **{name: None if math.isnan(value) else value for name, value in numbers.items()},
            "unit": self.unit.name,
            "printed": self.interval,
            "printed_seeds": self._by_seed,
            "wanted": self.wanted.text(self.unit),
            "says": self.says,
        }

    @classmethod
    def read(cls, facts: Mapping[str, Any], where: str, wanted: Wanted) -> Evidence:
        """What `facts` wrote, in percentage points; `where` is put before what it says."""
        low, high = (math.nan if facts[end] is None else facts[end] for end in ("low", "high"))
        seeds = {int(seed): effect for seed, effect in facts["seeds"].items()}
        return cls(where + facts["what"], facts["sets"], seeds, low, high, wanted)


@dataclass(frozen=True)
class Missing:
    """What a claim cannot do without and an experiment does not have, and what to do about it."""

    what: str
    do: str


@dataclass(frozen=True)
class Finding:
    """A verdict and all that it rests on."""

    evidence: Sequence[Evidence]
    missing: Sequence[Missing] = ()

    @classmethod
    def of(cls, found: Iterable[Evidence | Missing]) -> Finding:
        found = list(found)
        missing = dict.fromkeys(item for item in found if isinstance(item, Missing))
        return cls([item for item in found if isinstance(item, Evidence)], list(missing))

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
        sentences = [f"Missing: {', '.join(whats)} (to have that, {do})." for do, whats in by_do.items()]
        if self.verdict == NOT_RUN:
            return " ".join(sentences)
        counts = Counter(item.says for item in self.evidence)
        counted = ", ".join(f"{counts[word]} {word}" for word in (AGREES, UNDECIDED, OPPOSES) if counts[word])
        deciding, place = _DECIDES[self.verdict]
        strictest = min((item for item in self.evidence if item.says == deciding), key=lambda item: item.slack)
        number = f"{len(self.evidence)} comparison{'s' * (len(self.evidence) > 1)}"
        return " ".join([f"Of {number} {counted}. {place}: {strictest.text}.", *sentences])

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "verdict": self.verdict,
            "why": self.why,
            "evidence": [item.facts() for item in self.evidence],
            "missing": [{"what": item.what, "do": item.do} for item in self.missing],
        }


_DECIDES = {
    HOLDS: (AGREES, "The closest"),
    OPEN: (UNDECIDED, "The most open"),
    FAILS: (OPPOSES, "The clearest against it"),
}
