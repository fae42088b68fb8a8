"""Publish a finished experiment: its counts, histories and facts made small enough for the repository."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pipeline_src import processes
from pipeline_src.files import atomic_folder
from pipeline_src.pipeline.experiment import evaluation_name, training_name
from pipeline_src.pipeline.report import provenance, results, store_facts
from pipeline_src.pipeline.runner import check_results
from pipeline_src.publishing.published import COUNTS, FOLDER, RUNS, Publication, pack
from pipeline_src.publishing.rebuild import REPORT, recompute, replace_computed

if TYPE_CHECKING:
    from pipeline_src.counting.compact_file import Run
    from pipeline_src.pipeline.experiment import ExperimentGraph

NEEDED = ("prepare", "store", "train", "evaluate", "analyse")
ALPHA_DIGITS = 4  # of the perturbation probabilities, which move by thousandths


@dataclass(frozen=True)
class Gathered:
    """The facts and files of a finished experiment that `publish` writes.

    Attributes:
        publication: all of experiment.json but digests.
        statistics: (data set, method) -> seed -> the file of the statistic.
        files: name in runs.zip -> history or alphas of a run.
    """

    publication: Publication
    statistics: Mapping[tuple[str, str], Mapping[int, Path]]
    files: Mapping[str, Path]


def gathered(graph: ExperimentGraph) -> Gathered:
    """Return all files of an experiment to publish; a UserError names results that are missing or not current."""
    check_results(graph.of_kinds(*NEEDED), "publish", graph.command)
    facts, report, tables = graph.facts, graph.job("report"), graph.job("tables")
    measured = results(tables)
    publication = Publication(
        facts=facts,
        notes={part: note for part in facts.parts if (note := measured.own_note(part))},
        groups={part: groups.tolist() for part in facts.parts if (groups := measured.groups(part)) is not None},
        params=graph.settings.model_dump(mode="json"),
        made=provenance(report),
        data=[store_facts(report, name) for name in report.parameters["parts"]],
        files={},
    )
    statistics: dict[tuple[str, str], dict[int, Path]] = {}
    for part in facts.parts:
        for method, seed in facts.runs:
            file = graph.job(evaluation_name(method, seed, part)).paths[0]
            statistics.setdefault((part, method), {})[seed] = file
    names = {"history.csv": facts.trained, "alpha.csv": facts.learned}
    files = {
        f"{method}/seed{seed}/{name}": graph.job(training_name(method, seed)).folder / name
        for method, seed in facts.runs
        for name, methods in names.items()
        if method in methods
    }
    return Gathered(publication, statistics, files)


def publish(graph: ExperimentGraph, cores: int = 1) -> Path:
    """Write `results/published/<experiment>/` from a finished experiment; returns the folder.

    Raises:
        UserError: names what is not finished or not current.
    """
    found, folder = gathered(graph), FOLDER / graph.name
    has_report = (folder / REPORT).exists()
    with atomic_folder(folder) as staging, TemporaryDirectory() as made:
        write_sources(found, staging, cores)
        with processes.pool(cores) as pool:
            recompute(staging, Path(made), pool, report=has_report)
        if has_report:
            (staging / REPORT).touch()
        replace_computed(staging, Path(made))
    return folder


def write_sources(found: Gathered, folder: Path, cores: int = 1) -> None:
    """Write counts.zip, runs.zip and experiment.json."""
    from pipeline_src.counting.compact_file import compact_run, write_counts
    from pipeline_src.counting.map_counts import MapCounts

    bins = found.publication.facts.bins

    def load_run(file: Path) -> Run:
        return compact_run(MapCounts.load(file), bins)

    loads = {
        block: {seed: partial(load_run, file) for seed, file in by_seed.items()}
        for block, by_seed in found.statistics.items()
    }
    write_counts(folder / COUNTS, loads, bins, cores)
    pack({name: _run_file(file) for name, file in found.files.items()}, folder / RUNS)
    found.publication.write(folder)


def _run_file(file: Path) -> bytes:
    """A history, or alphas with `ALPHA_DIGITS` digits."""
    import pandas as pd

    if file.name != "alpha.csv":
        return file.read_bytes()
    alphas = pd.read_csv(file, dtype={"id": str}).round(ALPHA_DIGITS)
    alphas.to_csv(content := io.StringIO(), index=False, lineterminator="\n")
    return content.getvalue().encode()
