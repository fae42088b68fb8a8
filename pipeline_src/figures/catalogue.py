"""Which figures an experiment has: their files, titles and captions. How each is made is in `main.py`.

It follows from plain facts, so that file names, the report's gallery and Snakemake's report are always in step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from pipeline_src.statistics.statistic import PROTOCOLS

# Snakemake asks for the names whenever it starts: nothing slow is imported here.

SUFFIXES = (".csv", ".pdf", ".png", ".svg")


@dataclass(frozen=True)
class Kind:
    """A sort of figure: the heading of its gallery, and how it is read."""

    heading: str
    reading: str


# In the order of the gallery.
KINDS = {
    "comparison": Kind(
        "Methods compared",
        "The accuracy of every method in each bin of confidence. The panel below has the share of pixels per bin, on a "
        "logarithmic scale.",
    ),
    "reliability": Kind(
        "Reliability",
        "Accuracy of the top label against its confidence, in bins of confidence. A bar ends at the bin's accuracy; "
        "the hatched part is the gap to the bin's mean confidence. The circle marks the means over all pixels. The "
        "panel below has the share of pixels per bin: where it is small, the gap above weighs little in the ECE.",
    ),
    "alpha": Kind(
        "Learned perturbation probabilities",
        "The probability α with which each training image's label is perturbed: the median over images and the bands "
        "that hold 50 % and 90 % of them, epoch by epoch, and all of them after the last epoch.",
    ),
}


@dataclass(frozen=True)
class Facts:
    """What decides which figures there are.

    Args:
        methods: all methods, in the order in which they are shown.
        parts: evaluated part -> role (val, id or ood).
        seeds: of the training runs.
        bins: equal-width bins of ECE.
        learned: methods that learn alphas.
        trained: methods that train networks of their own.
        blocks: method -> `code`, the name of its file, and its parameters.
        labels: method -> printed name, where it differs from the method's own.
        protocols: in which there are statistics.
        of_all_seeds: methods whose one run is made of the networks of all seeds.
    """

    methods: Sequence[str]
    parts: Mapping[str, str]
    seeds: Sequence[int] = (0,)
    bins: int = 10
    learned: Sequence[str] = ()
    trained: Sequence[str] = ()
    blocks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    protocols: Sequence[str] = PROTOCOLS
    of_all_seeds: Sequence[str] = ()

    def label(self, method: str) -> str:
        return self.labels.get(method, method)

    def whose(self, method: str = "") -> str:
        """Which networks stand behind a figure of one method, or of all."""
        if method in self.of_all_seeds:
            return "networks of all seeds"
        first, *more = map(str, self.seeds)
        return f"seeds {', '.join([first, *more])} pooled" if more else f"seed {first}"


@dataclass(frozen=True)
class Picture:
    """A figure.

    Attributes:
        name: of its files, without suffix; safe in paths and addresses.
        kind: key of `KINDS`.
        title: short, tells it apart from the others of its kind.
        caption: says what is shown, and from what.
        protocol, part, method: what it is about; empty where it is about several.
        wide: two columns wide (7 in), not one (3.5 in).
        also: endings of further csv files.
    """

    name: str
    kind: str
    title: str
    caption: str
    protocol: str = ""
    part: str = ""
    method: str = ""
    wide: bool = False
    also: Sequence[str] = ()

    @property
    def files(self) -> list[str]:
        return [*(self.name + suffix for suffix in SUFFIXES), *(f"{self.name}-{more}.csv" for more in self.also)]


def pictures(facts: Facts) -> list[Picture]:
    """All figures of an experiment, by kind in the order of `KINDS`, then by part, protocol and method."""
    kinds = list(KINDS)
    return sorted(_pictures(facts), key=lambda picture: kinds.index(picture.kind))


def figure_files(facts: Facts) -> list[str]:
    """Names of all files that `main.write_figures` writes."""
    return sorted(file for picture in pictures(facts) for file in picture.files)


def _pictures(facts: Facts) -> Iterator[Picture]:
    for part in facts.parts:
        for protocol in facts.protocols:
            yield from _of_part(facts, part, protocol)
    for method in facts.learned:
        label = facts.label(method)
        yield Picture(
            _name("alpha", method),
            "alpha",
            label,
            f"{label}: α of the training images over epochs and after the last; {facts.whose(method)}.",
            method=method,
            also=("last",),
        )


def _of_part(facts: Facts, part: str, protocol: str) -> Iterator[Picture]:
    how = f"{protocol} protocol, {facts.bins} bins"
    where = {"protocol": protocol, "part": part}
    yield Picture(
        _name("comparison", protocol, part),
        "comparison",
        f"All methods on {part}",
        f"All methods on {part}, {how}; {facts.whose()}.",
        **where,
    )
    for method in facts.methods:
        label = facts.label(method)
        yield Picture(
            _name("reliability", protocol, method, part),
            "reliability",
            f"{label} on {part}",
            f"{label} on {part}, {how}; {facts.whose(method)}.",
            **where,
            method=method,
        )


def _name(kind: str, *of: str) -> str:
    return "-".join([kind, *(quote(word, safe="") for word in of)])
