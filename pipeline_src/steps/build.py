"""The jobs of an experiment. Snakemake, DVC and the command line all ask here; nothing is run."""

from __future__ import annotations

import errno
from pathlib import Path

from pipeline_src.data import catalog, part_checks
from pipeline_src.engine.dvc import Stages
from pipeline_src.errors import UserError
from pipeline_src.params.changes import changed
from pipeline_src.params.load import downloads, params_file, read, resolve
from pipeline_src.params.schema import Params
from pipeline_src.steps import analyse, claims, evaluate, figures, prepare, report, store, tables, train
from pipeline_src.steps.experiment import ExperimentGraph
from pipeline_src.steps.prepare import UNPACKED
from pipeline_src.training.registry import choose
from pipeline_src.validation import SHORT

# Each needs only those before it.
STEP_MODULES = (prepare, store, train, evaluate, analyse, tables, figures, claims, report)
STAGES = {  # DVC's stages, and the kinds of jobs in each
    "data": ("prepare", "store"),
    "train": ("train",),
    "evaluate": ("evaluate",),
    "report": ("analyse", "tables", "figures", "claims", "report"),
}


def chosen(name: str | None = None) -> ExperimentGraph:
    """The jobs of the experiment that a command speaks of (default: the one that params.yaml picks), with what the
    command line changes of it."""
    return build(changed(read(), name), name)


def build(params: Params, name: str | None = None) -> ExperimentGraph:
    """The jobs of an experiment (default: the one that params.yaml picks).

    Raises:
        UserError: a data set is unknown or not available, a method or a model config doesn't exist.
    """
    try:
        return _build(params, name)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise UserError(
            f"{params_file()} names a file or folder whose name is too long",
            found=SHORT.repr(str(error.filename)),
            expected="what a disk can hold: 255 bytes between two /",
            do="shorten it",
        ) from None


def _build(params: Params, name: str | None) -> ExperimentGraph:
    name, settings = resolve(params, name)
    entries, blocks = catalog.load(params.datasets), params.blocks()
    methods = {method: choose(method, blocks[method]) for method in settings.methods}
    graph = ExperimentGraph(
        name, settings, entries, downloads(params), methods, Path(params.judged), params.limits, params.trackers
    )
    part_checks.check_parts(entries, graph.stored_parts)
    graph.check()
    figures.check(graph.facts)
    graph.add(prepare.jobs(graph))
    part_checks.check_name_lists(entries, graph.stored_parts, graph.data_root, UNPACKED)
    for step in STEP_MODULES[1:]:
        graph.add(step.jobs(graph))
    return graph


def stages(graph: ExperimentGraph) -> Stages:
    """The jobs of each of DVC's stages."""
    return {stage: graph.of_kinds(*kinds) for stage, kinds in STAGES.items()}
