"""What an experiment's tables show besides its statistics: costs of its runs, other experiments, judged maps."""

from __future__ import annotations

from pathlib import Path

from pipeline_src.data import catalog
from pipeline_src.errors import UserError
from pipeline_src.params.load import read, resolve
from pipeline_src.params.schema import Params
from pipeline_src.steps.experiment import Graph
from pipeline_src.tables.across import Elsewhere
from pipeline_src.tables.cost import Run
from pipeline_src.tables.paper import Beside


def beside(graph: Graph) -> Beside:
    """As it lies there now; none of it is part of a contract, but for the blocks of the methods."""
    params = read()
    runs = {(method, seed): _cost(graph, method, seed) for method, seed in graph.runs}
    return Beside(graph.blocks, runs, _experiments(graph, params), Path(params.judged), catalog.tasks())


def _cost(graph: Graph, method: str, seed: int) -> Run:
    """From the run's folder and from what Snakemake measured (`benchmark:` of the rules)."""
    folder = graph.results / "benchmarks"
    run = f"{method}/seed{seed}"
    training = folder / "train" / f"{method}-seed{seed}.{graph.job(f'train/{run}').contract}.tsv"
    evaluations = [
        folder / "evaluate" / f"{method}-seed{seed}-{part}.{graph.job(f'evaluate/{run}/{part}').contract}.tsv"
        for part in graph.tested
    ]
    return Run.read(graph.run(method, seed), training, evaluations)


def _experiments(graph: Graph, params: Params) -> list[Elsewhere]:
    found = []
    for name in params.experiments:
        try:
            _, experiment = resolve(params, name)
            task = catalog.find(graph.entries, experiment.data.train.set).task
            tests = experiment.data.id | experiment.data.shifted
            told = {part: catalog.find(graph.entries, chosen.set).caption for part, chosen in tests.items()}
        except UserError:  # what is wrong with another experiment is told to who runs it
            continue
        captions = {part: caption for part, caption in told.items() if caption}
        data = experiment.data.model_dump()
        found.append(Elsewhere(name, task, experiment.model.network, data, Path("results") / name / "tables", captions))
    return found
