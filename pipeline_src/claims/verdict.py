"""Comparisons with intervals and target ranges, and the verdict on a claim that they give."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

from pipeline_src.analysis.estimate import (
    MOST_IMAGES,
    MOST_SEEDS,
    Estimate,
    joint_level,
    needed_sample,
    or_none,
)
from pipeline_src.analysis.intervals import LEVEL, Limits
from pipeline_src.files import Content
from pipeline_src.metrics.metric import Quantity

# What a comparison says about a claim (`Evidence.says`).
FOR = "for"
AGAINST = "against"
BOUNDED = "bounded"
INCONCLUSIVE = "inconclusive"
# Verdicts, besides BOUNDED and INCONCLUSIVE.
SUPPORTED = "supported"
REFUTED = "refuted"
NOT_RUN = "not run"
# Verdict -> the comparisons that decide it, and how the closest of them is introduced.
DECISIVE = {
    SUPPORTED: (FOR, "The closest"),
    REFUTED: (AGAINST, "The clearest against it"),
    BOUNDED: (BOUNDED, "The widest bounded"),
    INCONCLUSIVE: (INCONCLUSIVE, "The farthest from support"),
}
# What `Evidence.needed` returns where no reasonable sample would decide.
UNDECIDABLE = (
    f"Neither {MOST_SEEDS} seeds nor {MOST_IMAGES} times as many images would decide an effect of "
    "this size."
)


@dataclass(frozen=True)
class Target:
    """The open range (low, high) in which a claim wants an effect; a side may be infinite."""

    low: float
    high: float

    def contains(self, interval: Limits) -> bool:
        """Return whether the whole interval lies inside."""
        return self.low < interval[0] and interval[1] < self.high

    def excludes(self, interval: Limits) -> bool:
        """Return whether the whole interval lies outside."""
        return interval[1] < self.low or interval[0] > self.high

    def squared(self, reference: float) -> Target:
        """Return the range for a difference of squared errors that belongs to this range of a
        difference of errors.

        If e is an error and r = `reference` the one that is subtracted from it, e^2 - r^2 lies in
        the result if e - r lies in (low, high). There is no lower limit where r + low is negative,
        since no error e is so small.
        """
        low = (reference + self.low) ** 2 - reference**2
        high = (reference + self.high) ** 2 - reference**2
        if self.low < -reference:
            low = -math.inf
        return Target(low, high)

    def text(self, quantity: Quantity) -> str:
        """Return the range as it is printed: "within ±0.50", "above 0" or "below 0.50".

        All targets of claims are symmetric about 0, or infinite on one side.
        """
        if self.low == -self.high:
            return f"within ±{quantity.signed(self.high).lstrip('+')}"
        bound = min(self.low, self.high, key=abs)  # the other one is infinite
        side = "above" if bound == self.low else "below"
        if bound == 0:
            return f"{side} 0"
        return f"{side} {quantity.signed(bound)}"


BELOW_ZERO = Target(-math.inf, 0)
ABOVE_ZERO = Target(0, math.inf)


@dataclass(frozen=True)
class Evidence:
    """One comparison that a claim rests on: an effect, such as a difference of two methods, and the
    range in which the claim wants it.

    Attributes:
        what: name of the effect.
        sets: dataset -> its number of images.
        effect: mean over seeds, with its interval.
        target: the range in which the claim wants the effect.
        quantity: unit and printed form of the effect.
        margin: the effect is bounded, too small to matter, if its interval lies within this
            distance of 0; 0 where no margin was declared.
    """

    what: str
    sets: Mapping[str, int]
    effect: Estimate
    target: Target
    quantity: Quantity
    margin: float = 0.0

    def says(self, level: float = LEVEL) -> str:
        """Return FOR, AGAINST, BOUNDED or INCONCLUSIVE.

        AGAINST if the interval of `level` lies outside the target range; else FOR if the 95 %
        interval lies inside; else BOUNDED if the 95 % interval lies within the margin around 0;
        else INCONCLUSIVE. Fewer than ten independent units (images, or groups of them) are
        always INCONCLUSIVE.

        Args:
            level: of the interval that refutes. One comparison refutes a claim, so it is higher
                than 95 % for a claim of several comparisons (`Finding.level`).
        """
        if self.effect.undecided:
            return INCONCLUSIVE
        ranges = self._ranges(self.target)
        if all(target.excludes(effect.interval(level)) for target, effect in ranges):
            return AGAINST
        if self._lies_within(self.target):
            return FOR
        if self._lies_within(Target(-self.margin, self.margin)):
            return BOUNDED
        return INCONCLUSIVE

    def _lies_within(self, target: Target) -> bool:
        """Return whether the 95 % interval lies in a range, also that of the squared error where it
        has to agree (`_ranges`).
        """
        ranges = self._ranges(target)
        return all(inner.contains(effect.interval()) for inner, effect in ranges)

    def _ranges(self, target: Target) -> list[tuple[Target, Estimate]]:
        """Return the effects that have to agree, each with its range: this effect with `target`,
        and with few seeds also the effect on the squared error (`Estimate.decided`).

        The interval of an error near 0, such as ECE, is too narrow with few seeds.
        """
        ranges = [(target, self.effect)]
        square = self.effect.decided
        if square:
            reference = math.sqrt(max(square.reference, 0))
            ranges.append((target.squared(reference), square))
        return ranges

    @property
    def slack(self) -> float:
        """The distance of the 95 % interval from the nearer limit of the target range, in half
        widths of the interval; negative if the interval reaches outside.

        By it, comparisons of different quantities are ordered from clear opposition to clear
        support.
        """
        low, high = self.effect.interval()
        # An interval without width is measured in units of the quantity.
        return min(low - self.target.low, self.target.high - high) / ((high - low) / 2 or 1)

    def interval_text(self, level: float) -> str:
        """Return the interval of a level as it is printed."""
        low, high = self.effect.interval(level)
        return f"[{self.quantity.signed(low)}, {self.quantity.signed(high)}]"

    def printed(self, level: float = LEVEL) -> str:
        """Return the effect and its interval of a level as they are printed."""
        return f"{self.quantity.signed(self.effect.value)} {self.interval_text(level)}"

    def text(self, level: float = LEVEL) -> str:
        """Return the comparison in a line, with the interval on which `says` rests.

        That is the 95 % interval, or the one of `level` if the 95 % interval lies outside the
        target range. With few seeds, the interval of the squared error is shown where it may
        disagree.
        """
        place = self.what
        if len(self.sets) == 1:
            place += f" on {next(iter(self.sets))}"
        says = self.says(level)
        # The interval that could refute, the one of `level`, decides here.
        joint = says != BOUNDED and self.target.excludes(self.effect.interval())
        used = level if joint else LEVEL
        text = f"{place}: {self.printed(used)} {self.quantity.unit}".rstrip()
        if joint:
            text += ", joint interval"
        if self.effect.decided and says == INCONCLUSIVE:
            low, high = self.effect.decided.interval(used)
            text += f", squared error [{low:+.2g}, {high:+.2g}]"
        return text

    def needed(self, level: float) -> str:
        """Return the fewest seeds or images that would decide the comparison, as a sentence.

        Either number is enough: more seeds with today's images, or more images with today's
        seeds. The sentence is empty if the interval is unknown, or if there are too few units to
        decide anything.

        Args:
            level: of the interval that would refute.
        """
        if math.isnan(self.effect.interval()[0]) or self.effect.undecided:
            return ""
        ranges = self._ranges(self.target)
        inside = [target.contains((effect.value, effect.value)) for target, effect in ranges]
        if len(set(inside)) > 1:  # a larger sample would not make them agree
            return UNDECIDABLE
        if inside[0]:  # it would support; the 95 % interval decides that
            level = LEVEL
        needed = []
        for target, effect in ranges:
            distance = min(abs(target.low - effect.value), abs(target.high - effect.value))
            needed.append(needed_sample(effect, distance, level))
        seeds = [number for number, _ in needed if number]
        factors = [factor for _, factor in needed if factor]
        samples = []
        if len(seeds) == len(ranges):
            samples.append(f"{max(seeds)} seeds")
        if len(factors) == len(ranges):
            samples.append(f"{math.ceil(max(factors) * max(self.sets.values())):,} images")
        if not samples:
            return UNDECIDABLE
        return f"An effect of this size and spread would be decided by {' or by '.join(samples)}."

    def as_json(self, level: float = LEVEL) -> Content:
        """Return the comparison in the form of claims.json: numbers in full precision, null where
        undefined, and the printed texts.

        Numbers are fractions, nats or shares, not the percentages of the texts.

        Args:
            level: of the interval that refutes (`says`).
        """
        content = {"what": self.what, "sets": dict(self.sets), **_estimate_json(self.effect)}
        square = self.effect.decided
        if square:
            reference = or_none(square.reference)
            content["squared"] = {**_estimate_json(square), "reference": reference}
        return content | {
            "unit": self.quantity.unit,
            "printed": self.printed(),
            "printed_joint": self.interval_text(level),
            "wanted": self.target.text(self.quantity),
            "says": self.says(level),
        }


def _estimate_json(effect: Estimate) -> Content:
    """Return an estimate for JSON, with null where a value is undefined.

    `low` and `high` are over images and seeds, `image_low` and `image_high` over images only;
    `units` is the number of resampled images or groups of images.
    """
    low, high = effect.interval()
    return {
        "seeds": {seed: or_none(value) for seed, value in effect.by_seed.items()},
        "effect": or_none(effect.value),
        "low": or_none(low),
        "high": or_none(high),
        "image_low": or_none(effect.image_low),
        "image_high": or_none(effect.image_high),
        "units": effect.units,
    }


@dataclass(frozen=True)
class Missing:
    """A result that a claim needs and an experiment lacks.

    Attributes:
        what: the result, as text.
        do: the command that adds it, and what to change before.
    """

    what: str
    do: str


Item = Evidence | Missing
Items = Iterable[Item]  # what a check yields


def verdict_of(says: set[str], is_complete: bool) -> str:
    """Return the verdict on a claim.

    One opposing comparison refutes it, even if results are missing. Every other verdict needs all
    results, and support needs that all comparisons support it.

    Args:
        says: what the comparisons say (`Evidence.says`), each result once.
        is_complete: whether no result that the claim needs is missing.
    """
    if AGAINST in says:
        return REFUTED
    if not (is_complete and says):
        return NOT_RUN
    if says == {FOR}:
        return SUPPORTED
    if says <= {FOR, BOUNDED}:
        return BOUNDED
    return INCONCLUSIVE


@dataclass(frozen=True)
class Finding:
    """A verdict, and the evidence and missing results that it rests on.

    Attributes:
        findings: number of findings, this one among them, that decide a claim together.
    """

    evidence: Sequence[Evidence]
    missing: Sequence[Missing] = ()
    findings: int = 1

    @classmethod
    def of(cls, items: Items, findings: int = 1) -> Finding:
        """Return the finding that follows from the items of a check; equal missing results count
        once.
        """
        evidence = []
        missing = []
        for item in items:
            if isinstance(item, Evidence):
                evidence.append(item)
            elif item not in missing:
                missing.append(item)
        return cls(evidence, missing, findings)

    @cached_property
    def level(self) -> float:
        """The confidence level of each interval at which the intervals of all comparisons together
        cover their true values in 95 % of cases, with those of as large other findings.

        Where the squared error also decides a comparison, its interval counts instead.
        """
        effects = [item.effect.decided or item.effect for item in self.evidence]
        return joint_level(effects, LEVEL ** (1 / self.findings))

    @property
    def seeds(self) -> int:
        """The number of seeds of the comparison that has the fewest; 0 without comparisons. With
        one seed, a verdict is on these networks only, not on the methods.
        """
        return min((len(item.effect.by_seed) for item in self.evidence), default=0)

    @property
    def verdict(self) -> str:
        """The verdict on the claim."""
        says = {item.says(self.level) for item in self.evidence}
        return verdict_of(says, is_complete=not self.missing)

    @property
    def why(self) -> str:
        """The verdict's reason: the decisive comparison, what would decide, what is missing."""
        missing = [f"Missing: {item.what} (to get it, {item.do})." for item in self.missing]
        if self.verdict == NOT_RUN:
            return " ".join(missing)
        decisive, title = DECISIVE[self.verdict]
        says = [item.says(self.level) for item in self.evidence]
        counts = [f"{says.count(word)} {word}" for word, _ in DECISIVE.values() if word in says]
        deciding = [item for item in self.evidence if item.says(self.level) == decisive]
        closest = min(deciding, key=lambda item: item.slack)
        sentences = [
            f"Of {len(self.evidence)} comparisons {', '.join(counts)}.",
            f"{title}: {closest.text(self.level)}.",
        ]
        if self.verdict == INCONCLUSIVE:
            sentences.append(closest.needed(self.level))
        return " ".join(filter(None, sentences + missing))

    def as_json(self) -> Content:
        """Return the finding in the form of claims.json: verdict, reason and all comparisons."""
        return {
            "verdict": self.verdict,
            "seeds": self.seeds,
            "level": self.level,
            "why": self.why,
            "evidence": [item.as_json(self.level) for item in self.evidence],
            "missing": [asdict(item) for item in self.missing],
        }
