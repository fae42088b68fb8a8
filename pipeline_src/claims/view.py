"""The experiment that claims are checked on, in one protocol: its comparisons, and what is missing for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline_src.analysis.estimate import common_seeds, estimate
from pipeline_src.analysis.facts import ROLES, Facts, run_command
from pipeline_src.analysis.results import Results
from pipeline_src.claims.evidence import MARGINS, Evidence, Wanted
from pipeline_src.claims.finding import Missing
from pipeline_src.metrics.registry import METRICS

if TYPE_CHECKING:
    import pandas as pd

Items = Iterator[Evidence | Missing]


@dataclass(frozen=True)
class View:
    """What a check may ask; what an experiment lacks comes as `Missing` in the place of evidence.

    Args:
        results: the measurements of the experiment.
        protocol: raw or stretched.
        alphas: (method, seed) -> the alphas of the methods that learn some, by image (rows) and epoch.
        instead: the sets of a role in the place of those that decide claims.
    """

    results: Results
    protocol: str = "raw"
    alphas: Mapping[tuple[str, int], pd.DataFrame] = field(default_factory=dict)
    instead: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def facts(self) -> Facts:
        """What the experiment consists of."""
        return self.results.facts

    def sets(self, role: str) -> list[str]:
        """The test sets of a role, id or ood, that decide claims."""
        decisive = self.facts.textures if role == "ood" else self.facts.parts_of((role,))
        return list(self.instead.get(role, decisive))

    def on_sets(self, role: str, compare: Callable[[str], Iterable[Evidence | Missing]]) -> Items:
        """What `compare` yields for each set of a role."""
        if not (parts := self.sets(role)):
            yield self.missing(f"a test set {ROLES[role]}", f"add one to “data: {role}:”")
        for part in parts:
            yield from compare(part)

    def without(self, code: str) -> Items:
        """A `Missing` if no block is of this code."""
        if not self.facts.blocks(code):
            yield self.missing(f"a block of {code}", "add it to “methods:”")

    def missing(self, what: str, change: str = "") -> Missing:
        """With the command that makes it, after a `change` to the experiment in params.yaml if it needs one."""
        name = self.facts.experiment
        change = f"{change} of the experiment {name} in params.yaml and " if change else ""
        return Missing(what, f"{change}run: {run_command(name)}")

    def difference(self, metric: str, wanted: Wanted, method: str, other: str, part: str) -> Evidence | Missing:
        """A metric of a method minus that of another on the same images, paired by image and seed."""
        terms = [(method, part, 1.0), (other, part, -1.0)]
        return self.weighted_sum(metric, wanted, f"{method} − {other}", terms, MARGINS.get(metric, 0.0))

    def differences(self, metric: str, wanted: Wanted, method: str, others: Iterable[str], role: str) -> Items:
        """The `difference` to each of some methods, on each set of a role."""
        others = list(others)
        return self.on_sets(role, lambda part: (self.difference(metric, wanted, method, o, part) for o in others))

    def weighted_sum(
        self, metric: str, wanted: Wanted, subject: str, terms: Sequence[tuple[str, str, float]], margin: float = 0.0
    ) -> Evidence | Missing:
        """A metric summed over (method, set, weight) terms and averaged over the seeds that all of them have."""
        measured, sets = [], {}
        for method, part, weight in terms:
            if (measurement := self.results.measurement(self.protocol, method, part)) is None:
                return self.missing(f"{method} on {part}")
            measured.append((measurement, weight))
            sets[part] = measurement.images
        if not common_seeds([measurement for measurement, _ in measured]):
            return self.missing(f"a seed that {' and '.join(method for method, _, _ in terms)} share")
        what = f"{METRICS[metric].title} of {subject}"
        if (effect := estimate(metric, *measured)) is None:
            return self.missing(f"{what}, which is undefined on {' or '.join(sets)}")
        return Evidence(what, sets, effect, wanted, METRICS[metric], margin)
