"""The facts of an experiment in plain values: its methods, datasets, seeds and their roles.

Tables, figures, claims and the report ask here. Nothing slow is imported: Snakemake asks whenever
it starts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline_src.counting import levels
from pipeline_src.files import reading

# Role of a dataset -> its name in text.
ROLES = {
    "val": "validation",
    "id": "in distribution",
    "shifted": "under shift",
    "ood": "out of distribution",
}
LIKE_ID = ("id", "shifted")  # objects of the training task: the same metrics for both
# Key of a protocol -> its name in text. Both are measured on the same pixels and never mixed
# (docs/protocol.md).
PROTOCOL_NAMES = {"raw": "unnormalized", "stretched": "min-max normalized"}
# Codes of the methods that claims on all methods compare: the paper's methods (SLP, ASLP with
# maximum entropy inference or model calibration) and our comparison methods (als is adaptive label
# smoothing; docs/protocol.md, section 5).
COMPARED = (
    "baseline",
    "slp",
    "label_smoothing",
    "als",
    "aslp_mei",
    "aslp_mc",
    "temperature",
    "brier",
    "mmce",
    "mixup",
    "focal",
    "adafocal",
)
Run = tuple[str, int]  # method and seed of a run
MAIN_TASK = "sod"  # salient object detection, as a key of the catalog's tasks


@dataclass(frozen=True)
class MethodFacts:
    """An entry of `methods:` in params.yaml: a method with its parameters.

    Attributes:
        code: name of the method's file, such as `slp`.
        parameters: the method's parameters by name.
        learns: whether it learns a perturbation level per image (alpha.csv).
        trains: whether it trains networks and leaves a history; a post-hoc method does not.
        of_all_seeds: whether its single run uses the networks of all seeds.
    """

    code: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    learns: bool = False
    trains: bool = True
    of_all_seeds: bool = False

    @property
    def uses(self) -> str | None:
        """The method entry whose networks a post-hoc method uses; None of a trained method."""
        return None if self.trains else self.parameters.get("of")

    def strength(self, classes: int) -> float | None:
        """Return the perturbation strength of a static method; None for other methods.

        The strength is twice the share that the expected label loses: it is eps for label smoothing
        with two classes. The share is eps (K - 1) / K with K classes, and alpha beta for SLP.
        """
        if self.code == "label_smoothing":
            return float(2 * self.parameters["eps"] * (classes - 1) / classes)
        if self.code == "slp":
            return float(2 * self.parameters["alpha"] * self.parameters["beta"])
        return None


@dataclass(frozen=True)
class Facts:
    """An experiment: what its tables, figures and claims have to know besides numbers.

    Attributes:
        experiment: its name.
        methods: the entries of `methods:` by name, in the order in which they are shown.
        splits: evaluated dataset -> role (a key of `ROLES`), in the order in which they are shown.
        seeds: the seeds of the training runs.
        bins: equal-width bins of ECE and OE on [0, 1].
        epochs: number of epochs of each training.
        synthetic: whether all images are generated: the numbers say nothing about real images.
        class_names: the names of the classes; empty for one object class.
        in_paper: datasets on which the paper reports numbers.
        captions: dataset -> the catalog's note for readers of its numbers.
        claims: names of the claims to judge; None for all.
    """

    experiment: str
    methods: Mapping[str, MethodFacts]
    splits: Mapping[str, str]
    seeds: Sequence[int] = (0,)
    bins: int = 10
    epochs: int = 1
    synthetic: bool = False
    class_names: Sequence[str] = ()
    in_paper: Sequence[str] = ()
    captions: Mapping[str, str] = field(default_factory=dict)
    claims: Sequence[str] | None = None

    @property
    def classes(self) -> int:
        """The number of classes: 2 for one object class, else K."""
        return len(self.class_names) or 2

    @property
    def protocols(self) -> tuple[str, ...]:
        """The protocols of the experiment; only maps of one object are min-max normalized."""
        return levels.PROTOCOLS if self.classes == 2 else levels.PROTOCOLS[:1]

    @property
    def tests(self) -> dict[str, str]:
        """The datasets that are reported as unseen, with their roles."""
        return {split: role for split, role in self.splits.items() if role != "val"}

    def splits_of(self, roles: Collection[str]) -> list[str]:
        """Return the datasets of some roles."""
        return [split for split, role in self.splits.items() if role in roles]

    @property
    def textures(self) -> list[str]:
        """The out-of-distribution datasets that decide claims: the paper's, which show textures, or
        else all.
        """
        ood = self.splits_of(["ood"])
        return [split for split in ood if split in self.in_paper] or ood

    @property
    def runs(self) -> list[Run]:
        """(method, seed) of all evaluated runs.

        A method that joins the networks of all seeds, as an ensemble does, has one run, with the
        first seed.
        """
        return [(name, seed) for name in self.methods for seed in self.seeds_of(name)]

    def seeds_of(self, method: str) -> list[int]:
        """Return the seeds of a method's runs: the first one for a single run of all seeds."""
        if self.methods[method].of_all_seeds:
            return list(self.seeds[:1])
        return list(self.seeds)

    @property
    def learned(self) -> list[str]:
        """The methods that learn perturbation levels."""
        return [name for name, method in self.methods.items() if method.learns]

    @property
    def trained(self) -> list[str]:
        """The methods that train networks of their own."""
        return [name for name, method in self.methods.items() if method.trains]

    @property
    def static(self) -> dict[str, float]:
        """Method of static perturbation -> its strength (`MethodFacts.strength`)."""
        strengths = {}
        for name, method in self.methods.items():
            strength = method.strength(self.classes)
            if strength is not None:
                strengths[name] = strength
        return strengths

    @property
    def static_grid(self) -> dict[str, tuple[float, float]]:
        """Entry of SLP (static label perturbation) without noise -> (alpha, beta), ascending: the
        grid that table T3 shows. It is empty if there is only one entry.
        """
        grid = {}
        for name in self.entries("slp"):
            parameters = self.methods[name].parameters
            if not parameters.get("noise"):
                grid[name] = (parameters["alpha"], parameters["beta"])
        if len(grid) < 2:
            return {}
        return dict(sorted(grid.items(), key=lambda entry: entry[1]))

    def entries(self, code: str) -> list[str]:
        """Return the entries that use the method `code`, the principal one first.

        The principal entry is the one that has the method's name, or else the first one.
        """
        names = [name for name, method in self.methods.items() if method.code == code]
        return sorted(names, key=lambda name: name != code)

    def principal(self, code: str) -> str | None:
        """Return the entry that decides claims on a method of the paper; None if there is none."""
        return next(iter(self.entries(code)), None)

    @property
    def baseline(self) -> str | None:
        """The entry with which other entries are compared."""
        return self.principal("baseline")

    @property
    def compared(self) -> list[str]:
        """The entries whose method is in `COMPARED`, such as `baseline`, `slp` and `temperature`.

        A post-hoc method is among them only where it uses the networks of the baseline: applied to
        another method's networks, it would be a mixture of two compared methods.
        """
        baselines = self.entries("baseline")
        found = []
        for name, method in self.methods.items():
            own_networks = method.uses is None
            if method.code in COMPARED and (own_networks or method.uses in baselines):
                found.append(name)
        return found

    def networks_text(self, several: str = "seeds {} pooled") -> str:
        """Return the text that names the seeds of the networks, such as "seeds 0, 1 pooled" for
        figures of the pixels of several seeds together.

        Args:
            several: the text for several seeds, with a field for them.
        """
        text = several if len(self.seeds) > 1 else "seed {}"
        return text.format(", ".join(map(str, self.seeds)))


@dataclass(frozen=True)
class ExperimentSummary:
    """An experiment of params.yaml, run or not, for tables and claims on several experiments.

    Attributes:
        name: the name of the experiment.
        task: what its training set shows, a key of the catalog's tasks.
        network: name of the network's config.
        data: a value that is equal for experiments on the same data.
        folder: the folder of its results, with tables/ and claims.json.
        captions: test set -> the note for readers of its numbers.
    """

    name: str
    task: str
    network: str
    data: Any
    folder: Path
    captions: Mapping[str, str] = field(default_factory=dict)

    def reading(self, file: Path, expected: str) -> AbstractContextManager[None]:
        """Return a context in which a damaged file of the results raises a UserError.

        Args:
            file: the file that is read.
            expected: what the file should be, for the error.
        """
        fix = (
            f"remove it and run: {run_command(self.name)}; "
            f"of a published experiment: git checkout -- {file}"
        )
        return reading(f"{file} is damaged", expected=expected, fix=fix)


def run_command(experiment: str) -> str:
    """Return the command that computes the results of an experiment."""
    return f"snakemake --cores all --config experiment={experiment}"
