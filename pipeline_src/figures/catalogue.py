"""Which figures an experiment has: their files, titles and captions. How each is made is in `main.py`.

It follows from plain facts, so that file names, the report's gallery and Snakemake's report are always in step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from pipeline_src.analysis.roles import Role
from pipeline_src.counting.statistic import PROTOCOLS
from pipeline_src.figures.kinds import KINDS

# Snakemake asks for the names whenever it starts: nothing slow is imported here.

SUFFIXES = (".csv", ".pdf", ".png", ".svg")


# Columns of history.csv by name of the figure: axis label, and factor.
HISTORY = {
    "loss": ("loss", "Loss", 1),
    "accuracy": ("val_accuracy", "Accuracy, %", 100),
    "ece": ("val_ece", "ECE, %", 100),
}
CLASS_METRICS = {"ece": "ECE", "iou": "IoU"}  # of a single class
FEWEST = 3  # strengths that make a sweep


@dataclass(frozen=True)
class Facts:
    """What decides which figures there are.

    Args:
        methods: all methods, in the order in which they are shown.
        parts: evaluated part -> role (val, id, shifted or ood).
        seeds: of the training runs.
        bins: equal-width bins of ECE.
        learned: methods that learn alphas.
        trained: methods that train networks of their own and leave a history.
        pictured: whether example maps and stores lie ready.
        blocks: method -> `code`, the name of its file, and its parameters.
        labels: method -> printed name, where it differs from the method's own.
        protocols: in which there are statistics.
        of_all_seeds: methods whose one run is made of the networks of all seeds.
        classes: names of several classes; none for one object class.
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
    pictured: bool = False
    classes: Sequence[str] = ()

    def label(self, method: str) -> str:
        return self.labels.get(method, method)

    @property
    def labels_apart(self) -> dict[str, str]:
        """Method -> printed name; its own name where two would be printed alike."""
        printed = [self.label(method) for method in self.methods]
        return {m: m if printed.count(name) > 1 else name for m, name in zip(self.methods, printed, strict=True)}

    @property
    def tests(self) -> dict[str, str]:
        """Parts that are reported as unseen, with their roles."""
        return {part: role for part, role in self.parts.items() if role != "val"}

    @property
    def roles(self) -> dict[str, Role]:
        """What each method is to the claims; where blocks are not known, methods bear the names of their codes."""
        blocks = {m: self.blocks.get(m, {}) for m in self.methods}
        return {m: Role.from_block(b["code"], b) if b else Role(m) for m, b in blocks.items()}

    @property
    def baseline(self) -> str | None:
        return next((method for method, role in self.roles.items() if role.code == "baseline"), None)

    @property
    def static(self) -> list[str]:
        """Methods of static perturbation."""
        return [method for method, role in self.roles.items() if role.s is not None]

    @property
    def shown(self) -> list[str]:
        """The methods of the examples: the baseline or else the first, and ASLP_MC or else the last."""
        mc = [method for method in self.learned if self.roles[method].code == "aslp_mc"]
        return list(dict.fromkeys([self.baseline or self.methods[0], (mc or [self.methods[-1]])[0]]))

    def family(self, method: str) -> str:
        """Key of `style.FAMILIES`."""
        if method == self.baseline:
            return "baseline"
        if method in self.static:
            return "static perturbation"
        if method in self.learned:
            return "adaptive perturbation"
        return "other training" if method in self.trained else "post-hoc"

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
        protocol, part, method, metric: what it is about; empty where it is about several.
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
    metric: str = ""
    wide: bool = False
    also: Sequence[str] = ()

    @property
    def files(self) -> list[str]:
        return [*(self.name + suffix for suffix in SUFFIXES), *(f"{self.name}-{more}.csv" for more in self.also)]


def pictures(facts: Facts) -> list[Picture]:
    """All figures of an experiment, by kind in the order of `KINDS`, then by part, protocol and method."""
    if hasattr(facts, "experiment"):
        facts = _own(facts)
    kinds = list(KINDS)
    return sorted(_pictures(facts), key=lambda picture: kinds.index(picture.kind))


def _own(facts: Any) -> Facts:
    """The facts of figures from those of the experiment."""
    methods = facts.methods
    return Facts(
        methods=list(methods),
        parts=facts.parts,
        seeds=facts.seeds,
        bins=facts.bins,
        learned=facts.learned,
        trained=facts.trained,
        blocks={name: {"code": of.code, **of.parameters} for name, of in methods.items()},
        of_all_seeds=[name for name, of in methods.items() if of.of_all_seeds],
        protocols=facts.protocols,
        pictured=True,
        classes=facts.class_names,
    )


def figure_files(facts: Facts) -> list[str]:
    """Names of all files that `main.write_figures` writes."""
    return sorted(file for picture in pictures(facts) for file in picture.files)


def _pictures(facts: Facts) -> Iterator[Picture]:
    for part in facts.parts:
        for protocol in facts.protocols:
            yield from _of_part(facts, part, protocol)
    for part in facts.tests if facts.pictured else ():
        labels = " and ".join(facts.labels_apart[method] for method in facts.shown)
        caption = f"Images of {part}, their masks, and the confidence and the wrong pixels of {labels}, raw protocol."
        yield Picture(_name("examples", part), "examples", f"Images of {part}", caption, "raw", part, wide=True)
    for protocol in facts.protocols:
        yield from _of_tests(facts, protocol)
    for method in facts.learned:
        label, about = facts.label(method), {"method": method}
        caption = f"{label}: α of the training images over epochs and after the last; {facts.whose(method)}."
        yield Picture(_name("alpha", method), "alpha", label, caption, **about, also=("last",))
        if facts.pictured:
            caption = f"{label}: the training images of lowest and highest α; {facts.whose(method)}."
            yield Picture(_name("extremes", method), "extremes", label, caption, **about, wide=True)
    for name, (_, label, _) in HISTORY.items() if facts.trained else ():
        what = label.removesuffix(", %")
        title = f"{what} of the {'training' if name == 'loss' else 'validation'} images"
        caption = f"{title} over epochs, all methods that train."
        yield Picture(_name("training", name), "training", title, caption, wide=len(facts.trained) > 2)


def _of_tests(facts: Facts, protocol: str) -> Iterator[Picture]:
    """Figures of all test sets together."""
    how, roles = f"{protocol} protocol, {facts.bins} bins; {facts.whose()}", set(facts.tests.values())
    if facts.tests:
        title = "Where the ECE comes from"
        caption = f"What each bin of confidence adds to the ECE of each method on each test set, {how}."
        yield Picture(_name("overview", protocol), "overview", title, caption, protocol, wide=True)
    if len(roles) > 1:
        title = "OE in and out of distribution"
        caption = f"OE of each method on the test sets in and out of distribution, {how}."
        yield Picture(_name("overconfidence", protocol), "overconfidence", title, caption, protocol)
    if roles >= {"id", "ood"}:
        title = "Entropy in and out of distribution"
        caption = f"Mean predictive entropy of the images in and out of distribution, {protocol} protocol."
        yield Picture(_name("entropy", protocol), "entropy", title, caption, protocol)
    if facts.tests and len({round(facts.roles[method].s, 9) for method in facts.static}) >= FEWEST:
        title = "Static perturbation by strength"
        caption = f"Static label perturbation over s = 2αβ, a line per β, {how}."
        yield Picture(_name("sweep", protocol), "sweep", title, caption, protocol, wide=True)


def _of_part(facts: Facts, part: str, protocol: str) -> Iterator[Picture]:
    how, about = f"{protocol} protocol, {facts.bins} bins", {"protocol": protocol, "part": part}
    wide = {"wide": len(facts.methods) > 2}
    for method in facts.methods:
        title = f"{facts.label(method)} on {part}"
        caption = f"{title}, {how}; {facts.whose(method)}."
        yield Picture(
            _name("reliability", protocol, method, part), "reliability", title, caption, **about, method=method
        )
    title = f"All methods on {part}"
    yield Picture(
        *(_name("comparison", protocol, part), "comparison", title, f"{title}, {how}; {facts.whose()}."),
        **(about | wide),
    )
    if part not in facts.tests:
        return
    for metric, label in CLASS_METRICS.items() if facts.classes and facts.parts[part] != "ood" else ():
        title = f"{label} class by class on {part}"
        caption = f"{title}, a panel per method, {how}; {facts.whose()}; intervals over images."
        yield Picture(_name("classes", metric, part), "classes", title, caption, metric=metric, **(about | wide))
    caption = f"ECE against accuracy of all methods on {part}, {how}; intervals over images."
    yield Picture(_name("tradeoff", protocol, part), "tradeoff", f"ECE and accuracy on {part}", caption, **about)
    title = f"Confidence and accuracy of the images of {part}"
    caption = f"{title}: their joint density, a panel per method, {protocol} protocol; {facts.whose()}."
    yield Picture(_name("joint", protocol, part), "joint", title, caption, **(about | wide))
    caption = (
        f"Error among the most confident pixels of {part}, a panel per method, {protocol} protocol; {facts.whose()}."
    )
    title = f"Error by pixels kept on {part}"
    yield Picture(_name("risk", protocol, part), "risk", title, caption, **(about | wide))


def _name(kind: str, *of: str) -> str:
    return "-".join([kind, *(quote(word, safe="") for word in of)])
