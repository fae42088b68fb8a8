"""The verdict on a claim, that follows from its evidence, and what is missing for one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from pipeline_src.analysis.estimate import level_of_each
from pipeline_src.analysis.intervals import FEW_GROUPS
from pipeline_src.claims.evidence import AGREES, OPPOSES, UNDECIDED, Evidence

HOLDS, FAILS, NOT_DECIDED, NOT_RUN = "holds", "does not hold", "not decided", "not run"


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

    @cached_property
    def level(self) -> float:
        """Of each interval that may oppose, so that all of them together hold in 95 % of cases."""
        return level_of_each([item.decisive[1] for item in self.evidence])

    @property
    def seeds(self) -> int:
        """The fewest seeds of a comparison. With one, a verdict is on these networks and not on the methods."""
        return min((len(item.effect.by_seed) for item in self.evidence), default=0)

    @property
    def verdict(self) -> str:
        """One opposing comparison is enough against a claim; all are needed for it, none of them missing."""
        says = {item.says(self.level) for item in self.evidence}
        if OPPOSES in says:
            return FAILS
        if self.missing or not says:
            return NOT_RUN
        return HOLDS if says == {AGREES} else NOT_DECIDED

    @property
    def why(self) -> str:
        """The verdict's reason in a few sentences: the comparison that decides, where it is open how large an effect it
        would have shown, and what is missing."""
        by_do: dict[str, list[str]] = {}
        for item in self.missing:
            by_do.setdefault(item.do, []).append(item.what)
        sentences = [f"Missing: {', '.join(whats)} (to get it, {do})." for do, whats in by_do.items()]
        if self.verdict == NOT_RUN:
            return " ".join(sentences)
        says = [item.says(self.level) for item in self.evidence]
        counts = Counter(says)
        counted = ", ".join(f"{counts[word]} {word}" for word in (AGREES, UNDECIDED, OPPOSES) if counts[word])
        deciding, which = _DECIDES[self.verdict]
        deciders = [item for item, word in zip(self.evidence, says, strict=True) if word == deciding]
        strictest = min(deciders, key=lambda item: item.slack)
        of = f"Of {len(says)} comparisons {counted}. {which}" if len(says) > 1 else f"The only comparison is {says[0]}"
        of += f": {strictest.text(self.level, len(says))}."
        units, undefined = strictest.effect.units, math.isnan(strictest.decisive[1].low)
        few = 0 < units < FEW_GROUPS  # which show nothing, however large it is
        if self.verdict == NOT_DECIDED and not (undefined or few):
            sentences = [strictest.power, *sentences]
        return " ".join([of, *sentences])

    def as_json(self) -> dict[str, Any]:
        """As claims.json has it."""
        return {
            "verdict": self.verdict,
            "seeds": self.seeds,
            "level": self.level,
            "why": self.why,
            "evidence": [item.as_json(self.level, len(self.evidence)) for item in self.evidence],
            "missing": [asdict(item) for item in self.missing],
        }


_DECIDES = {
    HOLDS: (AGREES, "The closest"),
    NOT_DECIDED: (UNDECIDED, "The most open"),
    FAILS: (OPPOSES, "The clearest against it"),
}
