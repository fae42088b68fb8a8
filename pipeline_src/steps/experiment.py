"""An experiment as a graph: its jobs, its runs and parts, and where its results lie."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline_src.analysis.roles import Role
from pipeline_src.data import catalog
from pipeline_src.data.entry import Entry
from pipeline_src.engine.job import Job
from pipeline_src.errors import UserError
from pipeline_src.labels import NO_CLASS
from pipeline_src.params.schema import Experiment, Part
from pipeline_src.training.posthoc import PostHoc
from pipeline_src.training.registry import Chosen


@dataclass(frozen=True)
class Graph:
    """All jobs of one experiment, by name, inputs before those that need them."""

    name: str
    experiment: Experiment
    entries: dict[str, Entry]
    data_root: Path
    methods: dict[str, Chosen]
    jobs: dict[str, Job] = field(default_factory=dict)

    # Where things lie

    @property
    def results(self) -> Path:
        return Path("results") / self.name

    def manifest(self, set_name: str) -> Path:
        return Path("data") / self.name / "manifests" / set_name

    def store(self, part: str) -> Path:
        return Path("data") / self.name / "stores" / part

    def run(self, method: str, seed: int) -> Path:
        return self.results / "runs" / method / f"seed{seed}"

    def statistic(self, method: str, seed: int, part: str) -> Path:
        return self.results / "statistics" / method / f"seed{seed}" / f"{part}.npz"

    def examples(self, method: str, seed: int, part: str) -> Path:
        """Probability maps of a few images (`prediction.examples`)."""
        return self.statistic(method, seed, part).with_name(f"{part}.examples.npz")

    # What there is

    @property
    def parts(self) -> dict[str, tuple[Part, str]]:
        """Every part that is used, with its role: train, val, id, shifted or ood."""
        data = self.experiment.data
        named = {"train": (data.train, "train"), "val": (data.val, "val")}
        tests = {"id": data.id, "shifted": data.shifted, "ood": data.ood}
        return named | {name: (part, role) for role, parts in tests.items() for name, part in parts.items()}

    @property
    def tested(self) -> dict[str, str]:
        """Parts that are evaluated, with their roles: val, id, shifted or ood."""
        return {name: role for name, (_, role) in self.parts.items() if role != "train"}

    @property
    def runs(self) -> list[tuple[str, int]]:
        """(method, seed) of all that is evaluated. What is made of all seeds at once is filed under the first."""
        seeds, once = self.experiment.seeds, self.of_all_seeds
        return [(m, seed) for m in self.experiment.methods for seed in (seeds[:1] if m in once else seeds)]

    @property
    def of_all_seeds(self) -> list[str]:
        """Methods whose one run is made of the networks of all seeds."""
        return [m for m in self.experiment.methods if (posthoc := self.posthoc(m)) and posthoc.every_seed]

    def posthoc(self, method: str) -> PostHoc | None:
        """The method if it is post-hoc, None if it trains."""
        found = self.methods[method].method
        return found if isinstance(found, PostHoc) else None

    def networks(self, method: str, seed: int) -> list[tuple[str, int]]:
        """The training runs whose networks predict for a run: itself, or those that a post-hoc method refers to."""
        posthoc = self.posthoc(method)
        if not posthoc:
            return [(method, seed)]
        seeds = sorted(self.experiment.seeds) if posthoc.every_seed else [seed]
        return [(needed, s) for needed in posthoc.references() for s in seeds]

    @property
    def learned(self) -> list[str]:
        """Methods that learn alphas."""
        return [name for name in self.experiment.methods if self.methods[name].method.learns]

    @property
    def blocks(self) -> dict[str, dict[str, Any]]:
        """The parameters of each method, and `code`, the name of its file; empty for a user's own."""
        codes = {name: (self.methods[name].module or "").rpartition(".")[2] for name in self.experiment.methods}
        return {name: {"code": code, **self.methods[name].method.model_dump()} for name, code in codes.items()}

    @property
    def roles(self) -> dict[str, Role]:
        """What each method is to the claims."""
        return {name: Role.from_block(block["code"], block) for name, block in self.blocks.items()}

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of several classes; none for one object class."""
        return catalog.find(self.entries, self.experiment.data.train.set).classes

    def nothing(self, part: str) -> int:
        """The label of a part's images without a mask: background, or that no class is right."""
        trained = self.entries[self.experiment.data.train.set]
        return NO_CLASS if trained.without_background and self.parts[part][1] == "ood" else 0

    @property
    def classes(self) -> int:
        """2 for one object class, else the K of its sets."""
        return len(self.class_names) or 2

    @property
    def synthetic(self) -> bool:
        """Whether all images are drawn by this program."""
        sets = [catalog.find(self.entries, part.set) for part, _ in self.parts.values()]
        return all(entry.generated for entry in sets)

    def of_kinds(self, *kinds: str) -> list[Job]:
        return [job for job in self.jobs.values() if job.kind in kinds]

    def job(self, name: str) -> Job:
        if name not in self.jobs:
            kind = name.partition("/")[0]
            raise UserError(
                f"experiment {self.name} has no job {name}",
                expected=", ".join(job.name for job in self.of_kinds(kind)) or ", ".join(self.jobs),
            )
        return self.jobs[name]
