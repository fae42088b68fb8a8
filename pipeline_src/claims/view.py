"""An experiment as the claims see it, in one protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline_src.analysis import roles
from pipeline_src.analysis.bootstrap import percentiles
from pipeline_src.analysis.results import LIKE_ID, ROLES, Results
from pipeline_src.analysis.roles import Roles
from pipeline_src.analysis.samples import Samples, combined, shared
from pipeline_src.claims.evidence import NATS, POINTS, Evidence, Missing, Wanted

NAMES = {"ece": "ECE", "oe": "OE", "gap": "confidence − accuracy", "accuracy": "accuracy", "entropy": "entropy"}
NAMES |= {"s_measure": "S-measure", "e_measure": "E-measure", "mean_iou": "mIoU"}


@dataclass(frozen=True)
class View:
    """What a check may ask.

    Args:
        results: the experiment's files and names.
        roles: what each block of `methods:` is.
        samples: its metrics on resamples.
        protocol: raw or stretched.
        alphas: (method, seed) -> `alpha.csv` of the methods that learn alphas.
    """

    results: Results
    roles: Roles
    samples: Samples
    protocol: str = "raw"
    alphas: Mapping[tuple[str, int], Path] = field(default_factory=dict)

    def blocks(self, code: str) -> list[str]:
        """Blocks of a method's code, its principal first."""
        return roles.blocks(self.roles, code)

    def compared(self) -> list[str]:
        """Blocks that belong to the paper's comparison."""
        return roles.compared(self.roles)

    def parts(self, role: str) -> list[str]:
        """Test sets of a role: id, those under shift included, or ood."""
        roles = LIKE_ID if role == "id" else (role,)
        return [part for part, its_role in self.results.parts.items() if its_role in roles]

    def without(self, *codes: str) -> Iterator[Missing]:
        """A `Missing` for each code that no block has."""
        for code in codes:
            if not self.blocks(code):
                yield self.missing(f"a block of {code}", "add it to “methods:”")

    def no_sets(self, role: str) -> Missing:
        return self.missing(f"a test set {ROLES[role]}", f"add one to “data: {role}:”")

    def missing(self, what: str, do: str = "") -> Missing:
        """With the command that makes it, once the change `do` to the experiment in params.yaml is made, if any."""
        name = self.results.experiment
        change = f"{do} of the experiment {name} in params.yaml and " if do else ""
        return Missing(what, f"{change}run: snakemake --cores all --config experiment={name}")

    def value(self, metric: str, wanted: Wanted, method: str, part: str) -> Evidence | Missing:
        """A metric of a method on a set."""
        return self._evidence(metric, wanted, f"{NAMES[metric]} of {self.label(method)}", [(method, part, 1.0)])

    def difference(self, metric: str, wanted: Wanted, method: str, other: str, part: str) -> Evidence | Missing:
        """A metric of a method less that of another on the same images, paired by image and seed."""
        what = f"{NAMES[metric]} of {self.label(method)} − {self.label(other)}"
        return self._evidence(metric, wanted, what, [(method, part, 1.0), (other, part, -1.0)])

    def excess(
        self, metric: str, wanted: Wanted, method: str, part: str, other: str, factor: float
    ) -> Evidence | Missing:
        """A metric of a method on one set less `factor` times that on another, whose images are drawn independently."""
        what = f"{NAMES[metric]} of {self.label(method)} on {part} − {factor:g} × on {other}"
        return self._evidence(metric, wanted, what, [(method, part, 1.0), (method, other, -factor)])

    def measured(self, metric: str) -> bool:
        """Whether all samples in distribution have a metric: several classes lack some."""
        parts = self.parts("id")
        return all(metric in s.points for (_, _, part), s in self.samples.items() if part in parts)

    def label(self, method: str) -> str:
        return self.results.label(method)

    def _evidence(
        self, metric: str, wanted: Wanted, what: str, terms: list[tuple[str, str, float]]
    ) -> Evidence | Missing:
        """Sum of (method, set, weight) terms, averaged over the seeds that all of them have."""
        for method, part, _ in terms:
            if (self.protocol, method, part) not in self.samples:
                return self.missing(f"{self.label(method)} on {part}")
        found = [self.samples[self.protocol, method, part] for method, part, _ in terms]
        if not shared(found):
            return self.missing(f"a seed that {' and '.join(self.label(m) for m, _, _ in terms)} share")
        weighted = [(s, weight) for s, (_, _, weight) in zip(found, terms, strict=True)]
        seeds, effects, values = combined(metric, weighted)
        by_seed = dict(zip(seeds, effects.tolist(), strict=True))
        low, high = percentiles(values.mean(axis=0)) or (np.nan, np.nan)
        sets = {part: s.images for (_, part, _), s in zip(terms, found, strict=True)}
        return Evidence(what, sets, by_seed, low, high, wanted, NATS if metric == "entropy" else POINTS)
