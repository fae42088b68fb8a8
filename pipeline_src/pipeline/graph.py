"""The graph of an experiment: the jobs of all its steps."""

from __future__ import annotations

from pipeline_src.data import catalog
from pipeline_src.params.load import downloads, read, resolve
from pipeline_src.params.schema import Params
from pipeline_src.pipeline.experiment import ExperimentGraph
from pipeline_src.pipeline.steps.data import prepare_jobs, store_jobs
from pipeline_src.pipeline.steps.networks import fit_jobs, train_jobs
from pipeline_src.pipeline.steps.numbers import analyse_jobs, evaluate_jobs
from pipeline_src.pipeline.steps.report import report_jobs
from pipeline_src.training.registry import choose

# Each step adds jobs whose inputs the steps before it have added.
STEPS = (
    prepare_jobs,
    store_jobs,
    train_jobs,
    fit_jobs,
    evaluate_jobs,
    analyse_jobs,
    report_jobs,
)


def chosen(name: str | None) -> ExperimentGraph:
    """Return the jobs of an experiment of params.yaml in this folder.

    Args:
        name: of the experiment; None for the one that params.yaml picks.
    """
    return build(read(), name)


def build(params: Params, name: str | None = None) -> ExperimentGraph:
    """Return the jobs of an experiment, after a check of its methods and splits.

    Args:
        params: the content of params.yaml.
        name: of the experiment, by default the one that `params` picks.

    Raises:
        UserError: a dataset is unknown or not available, or a method or a model config does not
            exist.
    """
    name, settings = resolve(params, name)
    experiment = ExperimentGraph(
        name=name,
        settings=settings,
        entries=catalog.load(params.datasets),
        data_root=downloads(params),
        methods={method: choose(method, params.methods[method]) for method in settings.methods},
    )
    catalog.check_splits(experiment.entries, experiment.splits)
    experiment.check()
    for step in STEPS:
        experiment.add(step(experiment))
    return experiment
