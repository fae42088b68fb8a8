"""An experiment as a graph: its settings, runs and parts, and where its results lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pipeline_src.analysis.facts import Corruption, Facts, MethodFacts, run_command
from pipeline_src.claims import check_names
from pipeline_src.data import catalog
from pipeline_src.data.entry import Entry
from pipeline_src.errors import UserError, listed
from pipeline_src.labels import NO_CLASS
from pipeline_src.params import changes
from pipeline_src.params.parts import Corrupted, Part
from pipeline_src.params.schema import LIMITS, Experiment, Limits
from pipeline_src.pipeline import job_names
from pipeline_src.pipeline.job import Graph, Job
from pipeline_src.training.posthoc import PostHoc
from pipeline_src.training.registry import Chosen


@dataclass
class ExperimentGraph(Graph):
    """All jobs of one experiment.

    Attributes:
        settings: the experiment's block of params.yaml, laid over the defaults.
        entries: all data sets that are known, by name.
        data_root: folder of downloads.
        methods: the methods of the experiment by block, in the order in which they are shown.
        judged: folder of what was judged from saved maps.
        limits: sizes above which input is refused.
    """

    settings: Experiment
    entries: Mapping[str, Entry]
    data_root: Path
    methods: Mapping[str, Chosen]
    judged: Path
    limits: Limits = LIMITS

    # Where things lie

    @property
    def results(self) -> Path:
        return Path("results") / self.name

    @property
    def command(self) -> str:
        """The command that runs the whole experiment, with the changes of the command line."""
        return " ".join([run_command(self.name), *changes.options()])

    # What there is

    @property
    def parts_as_written(self) -> dict[str, tuple[Part, str]]:
        """Every part as it stands in params.yaml, with its role: train, val, id, shifted or ood."""
        data = self.settings.data
        named = {"train": (data.train, "train"), "val": (data.val, "val")}
        tests = {"id": data.id, "shifted": data.shifted, "ood": data.ood}
        return named | {name: (part, role) for role, parts in tests.items() for name, part in parts.items()}

    @cached_property
    def used_parts(self) -> dict[str, tuple[Part, str]]:
        """Every part that is used, with its role; a corrupted set is a part under shift for each of its corruptions and
        severities."""
        used: dict[str, tuple[Part, str]] = {}
        for name, (part, role) in self.parts_as_written.items():
            if isinstance(part, Corrupted):
                used |= dict.fromkeys(part.parts(name), (part.clean, "shifted"))
            else:
                used[name] = part, role
        return used

    @cached_property
    def corruptions(self) -> dict[str, Corruption]:
        """Corrupted part -> what is done to its images."""
        return {
            each: Corruption(name, corruption, severity, self._clean_twin(part.clean, role == "ood"))
            for name, (part, role) in self.parts_as_written.items()
            if isinstance(part, Corrupted)
            for each, (corruption, severity) in part.parts(name).items()
        }

    @cached_property
    def stored_parts(self) -> dict[str, tuple[Part, str]]:
        """The parts whose images are kept as they are, with their roles: all parts that are not corrupted, and the
        clean images of corrupted sets where these are no test set themselves."""
        lines = {corruption.line for corruption in self.corruptions.values() if not corruption.clean}
        alone = {
            name: (part.clean, role)
            for name, (part, role) in self.parts_as_written.items()
            if isinstance(part, Corrupted) and name in lines
        }
        return {name: part for name, part in self.used_parts.items() if name not in self.corruptions} | alone

    def stored_name(self, part: str) -> str:
        """The name of the stored part that has a part's images as they are."""
        corruption = self.corruptions.get(part)
        return (corruption.clean or corruption.line) if corruption else part

    def _clean_twin(self, wanted: Part, ood: bool) -> str:
        """A test set of these images, with the same labels."""
        tests = {name: of for name, of in self.parts_as_written.items() if name not in ("train", "val")}
        return next((name for name, (part, role) in tests.items() if part == wanted and (role == "ood") == ood), "")

    def entry(self, part: str) -> Entry:
        """The data set of a part."""
        return catalog.find(self.entries, (self.stored_parts | self.used_parts)[part][0].set)

    @cached_property
    def facts(self) -> Facts:
        """The facts of the experiment that tables, figures, claims and the report use."""
        tested = {name: role for name, (_, role) in self.used_parts.items() if role != "train"}
        return Facts(
            experiment=self.name,
            methods={name: _facts(chosen) for name, chosen in self.methods.items()},
            parts=tested,
            seeds=tuple(self.settings.seeds),
            bins=self.settings.evaluation.bins,
            epochs=self.settings.training.epochs,
            synthetic=all(self.entry(part).generated for part in self.used_parts),
            class_names=self.entry("train").classes,
            in_paper=tuple(part for part in tested if self.entry(part).in_paper and part not in self.corruptions),
            captions={part: caption for part in tested if (caption := self.entry(part).caption)},
            claims=None if self.settings.claims is True else tuple(self.settings.claims or ()),
            corrupted=self.corruptions,
        )

    @property
    def runs(self) -> list[tuple[str, int]]:
        """(method, seed) of all that is evaluated, those that others need first: what trains, what trains after others,
        what is post-hoc."""
        return sorted(self.facts.runs, key=lambda run: (bool(self.posthoc(run[0])), bool(self.references(run[0]))))

    def evaluations(self, method: str, seed: int) -> list[Job]:
        """The evaluations of a run, on all parts."""
        return [self.job(job_names.evaluation(method, seed, part)) for part in self.facts.parts]

    def finished(self, *kinds: str, otherwise: str, expected: str | None = None) -> list[Job]:
        """All jobs of some kinds; UserError, which begins with the name and `otherwise`, where results of these are not
        there, or damaged."""
        jobs = self.of_kinds(*kinds)
        missing = [job.name for job in jobs if not job.is_made]
        damaged = [fault for job in jobs if job.is_made for fault in job.faults()]
        if missing or damaged:
            raise UserError(
                f"{self.name} {otherwise}: {len(missing)} of its {len(jobs)} results are not current{listed(missing)}"
                f"{listed(damaged)}",
                expected=expected,
                fix=f"run it first: {self.command}" if missing else f"rm -r {damaged[0].file.parent} && {self.command}",
            )
        return jobs

    @cached_property
    def batches(self) -> dict[str, Job]:
        """Evaluation -> the job of Snakemake that makes all evaluations of its run: an evaluation takes seconds, and so
        does importing torch."""
        return {name: batch for batch in self.of_kinds("evaluations") for name in batch.inputs}

    def target(self, job: Job) -> Job:
        """The job of Snakemake that makes the result of a job."""
        return self.batches.get(job.name, job)

    def needed(self, job: Job) -> list[Job]:
        """The jobs of Snakemake that come before one: a batch makes its own inputs, and needs theirs."""
        inputs = job.inputs.values()
        if job.kind == "evaluations":
            inputs = [needed for evaluation in inputs for needed in evaluation.inputs.values()]
        return list({target.name: target for target in map(self.target, inputs)}.values())

    def references(self, method: str) -> list[str]:
        """The methods whose runs a method needs."""
        return self.methods[method].method.references()

    def posthoc(self, method: str) -> PostHoc | None:
        """The method if it is post-hoc, None if it trains."""
        block = self.methods[method].method
        return block if isinstance(block, PostHoc) else None

    def networks(self, method: str, seed: int) -> list[tuple[str, int]]:
        """The training runs whose networks predict for a run: itself, or those that a post-hoc method refers to."""
        posthoc = self.posthoc(method)
        if not posthoc:
            return [(method, seed)]
        seeds = sorted(self.settings.seeds) if posthoc.every_seed else [seed]
        return [(needed, s) for needed in posthoc.references() for s in seeds]

    @cached_property
    def network_sources(self) -> tuple[tuple[Path, ...], tuple[str, ...]]:
        """Files and modules that the networks consist of, all jobs' alike."""
        from pipeline_src.training.models.source import network_sources

        return network_sources(self.settings.model.network)

    @cached_property
    def own_weights(self) -> tuple[Path, ...]:
        """The user's files of weights that the networks start from."""
        from pipeline_src.training.models.source import own_weights

        model = self.settings.model
        return own_weights(model.network) if model.pretrained else ()

    def label(self, part: str) -> int | None:
        """The label of every pixel of a part out of distribution, whatever its set's masks show: background, or that no
        class is right. None for all other parts, whose masks count."""
        if self.stored_parts[part][1] != "ood":
            return None
        return NO_CLASS if self.entry("train").without_background else 0

    def check(self) -> None:
        """UserError where methods lack what they refer to, and where a claim does not exist."""
        if self.facts.claims:
            check_names(self.facts.claims, f"experiments.{self.name}.claims")
        for name in self.methods:
            for needed in self.references(name):
                if needed not in self.methods:
                    raise UserError(
                        f"methods.{name} needs the run of {needed!r}",
                        fix=f"add {needed} to the experiment's `methods:`",
                    )
                if self.posthoc(needed):
                    raise UserError(
                        f"methods.{name} needs a method that trains, and {needed!r} is post-hoc itself",
                        expected=", ".join(m for m in self.methods if not self.posthoc(m)) or "baseline",
                    )
            if self.facts.classes > 2 and getattr(self.methods[name].method, "validates_null", False):
                raise UserError(
                    f"methods.{name} makes null images, which are background alone",
                    found=f"{self.facts.classes} classes",
                    expected="masks of one object class",
                    fix="take the method out of the experiment's `methods:`",
                )
        of_all_seeds = [name for name, method in self.facts.methods.items() if method.of_all_seeds]
        if of_all_seeds and len(self.settings.seeds) < 2:
            raise UserError(
                f"methods.{of_all_seeds[0]} is made of the networks of several seeds",
                found=f"seeds: {self.settings.seeds}",
                fix="give the experiment two seeds or more, or take the method out of its `methods:`",
            )


def _facts(chosen: Chosen) -> MethodFacts:
    method, code = chosen.method, (chosen.module or "").rpartition(".")[2]
    posthoc = method if isinstance(method, PostHoc) else None
    of_all_seeds = posthoc is not None and posthoc.every_seed
    return MethodFacts(code, method.model_dump(), method.learns, posthoc is None, of_all_seeds)
