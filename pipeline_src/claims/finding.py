"""The verdict on a claim, which follows from its evidence, and what is missing for one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from pipeline_src.analysis.intervals import FEW_GROUPS
from pipeline_src.analysis.joint import joint_level
from pipeline_src.claims.evidence import AGAINST, BOUNDED, FOR, INCONCLUSIVE, MOST_IMAGES, MOST_SEEDS, Evidence

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
NOT_NEEDED = "Neither {} seeds nor {} times as many images would decide an effect of this size and spread."


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
        return joint_level([item.decisive for item in self.evidence])

    @property
    def seeds(self) -> int:
        """The fewest seeds of a comparison. With one, a verdict is on these networks and not on the methods."""
        return min((len(item.effect.by_seed) for item in self.evidence), default=0)

    @property
    def verdict(self) -> str:
        """One opposing comparison refutes a claim; all have to be for it to support it, and none may be missing."""
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
        by_fix: dict[str, list[str]] = {}
        for item in self.missing:
            by_fix.setdefault(item.do, []).append(item.what)
        missing = [MISSING.format(", ".join(names), fix) for fix, names in by_fix.items()]
        if self.verdict == NOT_RUN:
            return " ".join(missing)
        says = [item.says(self.level) for item in self.evidence]
        decisive, title = DECISIVE[self.verdict]
        candidates = [item for item, word in zip(self.evidence, says, strict=True) if word == decisive]
        closest = min(candidates, key=lambda item: item.slack)
        text, counts = closest.text, Counter(says)
        counted = ", ".join(f"{counts[word]} {word}" for word in (FOR, AGAINST, BOUNDED, INCONCLUSIVE) if counts[word])
        reason = COUNTED.format(len(says), counted, title, text) if len(says) > 1 else ONLY.format(says[0], text)
        return " ".join([reason, *self._needed(closest), *missing])

    def _needed(self, closest: Evidence) -> list[str]:
        """What would decide an inconclusive claim; nothing where its interval is undefined or of too few units."""
        if self.verdict != INCONCLUSIVE or math.isnan(closest.own.low) or 0 < closest.effect.units < FEW_GROUPS:
            return []
        return [needed_text(closest.needed(self.level))]

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
