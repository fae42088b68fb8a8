"""An experiment as a graph of jobs: settings, runs, splits, and the folder of its results."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import packages_distributions
from itertools import product
from pathlib import Path

from pipeline_src.analysis.facts import Facts, MethodFacts, Run, run_command
from pipeline_src.claims.registry import check_claims
from pipeline_src.data import catalog
from pipeline_src.data.entry import Entry
from pipeline_src.errors import UserError
from pipeline_src.files import Content, reading, sha256
from pipeline_src.labels import NO_CLASS
from pipeline_src.params.schema import Experiment, Split
from pipeline_src.pipeline import syntax
from pipeline_src.pipeline.job import Graph, Job
from pipeline_src.python_source import PACKAGE, ROOT, syntax_tree
from pipeline_src.training.models.config import config_files, model_modules, strings
from pipeline_src.training.posthoc import Calibrated, PostHoc
from pipeline_src.training.registry import Chosen

# What a config takes from elsewhere: variables of mmengine (`{{ fileDirname }}`, `{{'$NAME:8'}}`),
# imports, bases that are no Python files, `custom_imports` of other modules, and texts that are
# composed, which may be the path of a file.
OUTSIDE = re.compile(
    r"\{\{|^\s*(from|import) |\.ya?ml|\.json|custom_imports[^\]]*[\"'](?!pipeline_src\.)\w"
    r"|[+%]|\bf[\"']|\.(format|join)\(",
    re.M,
)


@dataclass
class ExperimentGraph(Graph):
    """All jobs of one experiment.

    Attributes:
        settings: the experiment's entry of params.yaml with the defaults.
        entries: all known datasets by name.
        data_root: folder of downloads.
        methods: the methods of the experiment by their entry, in the order of tables and figures.
    """

    settings: Experiment
    entries: Mapping[str, Entry]
    data_root: Path
    methods: Mapping[str, Chosen]

    @property
    def results(self) -> Path:
        """The folder of the view: links that show people the results in the store under readable
        names.
        """
        return Path("results") / self.name

    @property
    def command(self) -> str:
        """The command that runs the whole experiment."""
        return run_command(self.name)

    # Data

    @cached_property
    def splits(self) -> dict[str, tuple[Split, str]]:
        """Every split of the experiment with its role: train, val, id, shifted or ood."""
        data = self.settings.data
        splits: dict[str, tuple[Split, str]] = {
            "train": (data.train, "train"),
            "val": (data.val, "val"),
        }
        for role in ("id", "shifted", "ood"):
            for name, split in getattr(data, role).items():
                splits[name] = (split, role)
        return splits

    def entry(self, split: str) -> Entry:
        """Return the dataset of a split."""
        return catalog.find(self.entries, self.splits[split][0].set)

    def label(self, split: str) -> int | None:
        """Return the label of all pixels of an OOD split, whose images show no object of a class.

        It is 0, the background, or `NO_CLASS` where the classes of the training images include no
        background: every prediction is wrong. The result is None for other splits, whose
        labels come from masks.
        """
        if self.splits[split][1] != "ood":
            return None
        return NO_CLASS if self.entry("train").without_background else 0

    @cached_property
    def facts(self) -> Facts:
        """The facts of the experiment that tables, figures, claims and the report use."""
        entries = {name: self.entry(name) for name in self.splits}
        tested = {name: role for name, (_, role) in self.splits.items() if role != "train"}
        captions = {name: entries[name].caption for name in tested if entries[name].caption}
        return Facts(
            experiment=self.name,
            methods={name: _method_facts(chosen) for name, chosen in self.methods.items()},
            splits=tested,
            seeds=tuple(self.settings.seeds),
            bins=self.settings.evaluation.bins,
            epochs=self.settings.training.epochs,
            synthetic=all(entry.generated for entry in entries.values()),
            class_names=entries["train"].classes,
            in_paper=tuple(name for name in tested if entries[name].in_paper),
            captions=captions,
            # `claims: true` in params.yaml asks for all claims, which None stands for.
            claims=None if self.settings.claims is True else tuple(self.settings.claims or ()),
        )

    # Runs and jobs

    @property
    def runs(self) -> list[Run]:
        """(method, seed) of all runs; methods that need runs of other methods come last, because
        the inputs of a job are added to the graph before it.
        """
        return sorted(self.facts.runs, key=lambda run: bool(self.references(run[0])))

    def run(self, method: str, seed: int) -> Job:
        """Return the job that fits a run of a post-hoc method, or trains any other run."""
        fit = self.jobs.get(f"fit/{method}/seed{seed}")
        return fit or self.job(f"train/{method}/seed{seed}")

    def evaluation(self, method: str, seed: int) -> Job:
        """Return the job that evaluates a run."""
        return self.job(f"evaluate/{method}/seed{seed}")

    def references(self, method: str) -> list[str]:
        """Return the methods whose runs a method needs, such as the baseline of a calibrator."""
        return self.methods[method].method.references()

    def posthoc(self, method: str) -> PostHoc | None:
        """Return the method if it is post-hoc, None if it trains."""
        chosen = self.methods[method].method
        return chosen if isinstance(chosen, PostHoc) else None

    def networks(self, method: str, seed: int) -> list[Run]:
        """Return the runs whose networks predict for a run.

        A run that trains predicts with its own network, a run of a post-hoc method with the
        networks of its references.
        """
        posthoc = self.posthoc(method)
        if not posthoc:
            return [(method, seed)]
        seeds = sorted(self.settings.seeds) if posthoc.every_seed else [seed]
        return list(product(posthoc.references(), seeds))

    @cached_property
    def network_modules(self) -> tuple[str, ...]:
        """The modules of the network, whose code is in the fingerprints of all jobs that run it."""
        return (*model_modules(self.settings.model.config), *self.network_imports)

    @cached_property
    def network_imports(self) -> list[str]:
        """The dotted names that statements of the model's configs import."""
        names = []
        for file in config_files(self.settings.model.config):
            tree = syntax.Remover([PACKAGE]).visit(syntax_tree(file))
            names += syntax.imports(tree, str(file), computes=False)
        return names

    @cached_property
    def network_parameters(self) -> Content:
        """The values of the network, if not only code of the package defines them: those of the
        model's config after all substitutions, with the SHA-256 of a file in place of its path.

        Raises:
            UserError: the config cannot be read, or imports a module that is neither of the package
                nor installed: its code would be in no fingerprint.
        """
        config = self.settings.model.config
        files = config_files(config)
        if all(map(_is_inside, files)):
            return {}
        from mmengine.config import Config

        with reading(f"model.config: {files[0]} can't be read"):
            content = Config.fromfile(files[0], import_custom_modules=False).to_dict()
        custom = re.findall(r"[\w.]+", str(content.get("custom_imports", {}).get("imports", "")))
        known = {PACKAGE, *sys.stdlib_module_names, *packages_distributions()}
        for name in custom + self.network_imports:
            if name.partition(".")[0] not in known:
                raise UserError(
                    f"model.config: {config} imports {name}, whose code is in no fingerprint",
                    fix=f"move it into {ROOT}, or install it as a distribution",
                )
        # As `read_config`, without settings of data and schedule.
        used = {key: content.get(key) for key in ("model", "data_preprocessor")}
        text = json.dumps(used, ensure_ascii=False)
        for path in re.findall(r'"([^"]+)"', text):
            file = os.path.expanduser(path)
            if os.path.isfile(file):
                text = text.replace(f'"{path}"', f'"{sha256(file)}"')
        return {"config": json.loads(text)}

    def check(self) -> None:
        """Raise a UserError for an unknown claim, or a method that the experiment cannot run.

        A method cannot run if it refers to a method that the experiment lacks or that trains no
        network, if it needs object-free crops and there are several classes, or if it needs several
        seeds and there is one.
        """
        if self.facts.claims:
            check_claims(self.facts.claims, f"experiments.{self.name}.claims")
        for name, chosen in self.methods.items():
            for needed in self.references(name):
                if needed not in self.methods:
                    raise UserError(
                        f"methods.{name} needs the run of {needed!r}",
                        fix=f"add {needed} to the experiment's `methods:`",
                    )
                if self.posthoc(needed):
                    raise UserError(
                        f"methods.{name} needs a method that trains, "
                        f"and {needed!r} is post-hoc itself",
                        fix="set its `of` to a method that trains, such as baseline",
                    )
            if self.facts.classes > 2:
                fault = ""
                if isinstance(chosen.method, Calibrated) and chosen.method.calibrator().two_classes:
                    fault = "is a calibrator of two classes"
                # A method with `validates_null` validates on crops that show no object.
                if getattr(chosen.method, "validates_null", False):
                    fault = "needs object-free crops, and no crop is free of all classes"
                if fault:
                    raise UserError(
                        f"methods.{name} {fault}",
                        found=f"{self.facts.classes} classes",
                        fix="take the method out of the experiment's `methods:`",
                    )
            if self.facts.methods[name].of_all_seeds and len(self.settings.seeds) < 2:
                raise UserError(
                    f"methods.{name} combines the networks of several seeds",
                    found=f"seeds: {self.settings.seeds}",
                    fix="give the experiment two seeds or more, "
                    "or take the method out of its `methods:`",
                )


def _is_inside(file: Path) -> bool:
    """Return whether a model's config is of the package and takes nothing from elsewhere."""
    named = any(os.path.isfile(os.path.expanduser(text)) for text in strings(file))
    return file.is_relative_to(ROOT) and not named and not OUTSIDE.search(file.read_text())


def _method_facts(chosen: Chosen) -> MethodFacts:
    """Return the facts of a method of the experiment that tables, figures and claims use."""
    method = chosen.method
    return MethodFacts(
        code=chosen.code,
        parameters=method.model_dump(),
        learns=method.learns_alphas,
        trains=not isinstance(method, PostHoc),
        of_all_seeds=getattr(method, "every_seed", False),
    )
