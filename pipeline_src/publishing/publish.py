"""A finished experiment made small enough for the repository, and all that is made from it."""

from __future__ import annotations

import logging
import math
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_src import outputs
from pipeline_src.errors import UserError, listed
from pipeline_src.files import check_writable, write_text
from pipeline_src.pipeline import job_names
from pipeline_src.pipeline.report import provenance, store_facts
from pipeline_src.pipeline.work import costs, results
from pipeline_src.publishing import published
from pipeline_src.publishing.published import STAGING, Publication
from pipeline_src.publishing.rebuild import rebuild_alone

if TYPE_CHECKING:
    from pipeline_src.analysis.facts import Facts
    from pipeline_src.analysis.run_cost import RunCost
    from pipeline_src.pipeline.experiment import ExperimentGraph
    from pipeline_src.pipeline.job import Job

log = logging.getLogger(__name__)

NEEDED = ("prepare", "store", "train", "evaluate", "analyse")
SUFFIXES = (".csv", ".json", ".md", ".tex", ".npz", ".svg", ".xz", ".html")
IMAGE = re.compile(r"<image\b|data:image/")
ALPHA_DIGITS = 4  # of the perturbation probabilities, which move by thousandths


def publish(graph: ExperimentGraph, cores: int = 1) -> Path:
    """Write `results/published/<experiment>/` from an experiment that is finished; returns the folder.

    Raises:
        UserError: names what is not finished or not current.
    """
    graph.finished(*NEEDED, otherwise="cannot be published")
    with _anew(graph.name) as staging:
        _write_sources(graph, staging, cores)
        _complete(staging, cores)
    return published.FOLDER / graph.name


def publish_again(name: str, cores: int = 1) -> Path:
    """Make what is published of an experiment anew from its statistics, after a change of code; returns the folder."""
    with _anew(name) as staging:
        published.check_sources(published.FOLDER / name)
        for source in published.SOURCES:
            old = published.FOLDER / name / source
            (shutil.copytree if old.is_dir() else _copy)(old, staging / source)
        _complete(staging, cores)
    return published.FOLDER / name


@contextmanager
def _anew(name: str) -> Iterator[Path]:
    """Yield a folder that becomes that of a published experiment; UserError where nothing can be written."""
    for folder in (STAGING, published.FOLDER):
        check_writable(folder)
    with published.alone(name), outputs.replaced(published.FOLDER / name, STAGING) as staging:
        yield staging


def _write_sources(graph: ExperimentGraph, folder: Path, cores: int) -> None:
    """Write what all else is made from."""
    import pandas as pd

    facts = graph.facts
    _compress(graph, folder, cores)
    for method, seed in facts.runs:
        run, to = graph.job(job_names.training(method, seed)).folder, published.run_folder(folder, method, seed)
        if method in facts.trained:
            _copy(run / "history.csv", to / "history.csv")
        if method in facts.learned:
            alphas = pd.read_csv(run / "alpha.csv", dtype={"id": str}).round(ALPHA_DIGITS)
            alphas.to_csv(to / "alpha.csv.xz", index=False, lineterminator="\n")
    files = published.source_digests(facts, folder)
    write_text(folder / published.EXPERIMENT, _publication(graph, files).text())


def _compress(graph: ExperimentGraph, folder: Path, cores: int) -> None:
    """Write the compact statistics, by threads: lzma, nearly all of the work, lets others run."""
    from pipeline_src.counting.loading import load, save_compact

    def compress(job: Job, file: Path) -> None:
        save_compact(load(job.paths[0]), file, graph.facts.bins)

    files = {
        graph.job(job_names.evaluation(method, seed, part)): published.statistic_file(folder, method, seed, part)
        for method, seed in graph.facts.runs
        for part in graph.facts.parts
    }
    with ThreadPoolExecutor(cores) as pool:
        made = pool.map(compress, files, files.values())
        for number, (job, _) in enumerate(zip(files, made, strict=True), 1):
            log.info("%s compressed, %d of %d", job.name, number, len(files))


def _publication(graph: ExperimentGraph, files: Mapping[str, str]) -> Publication:
    report, of_tables = graph.job("report"), graph.job("tables")
    measured, facts = results(of_tables), replace(graph.facts, shows_images=False)
    return Publication(
        facts=facts,
        notes={part: note for part in facts.parts if (note := measured.own_note(part))},
        groups={part: groups.tolist() for part in facts.parts if (groups := measured.groups(part)) is not None},
        costs=[_cost(*run, cost) for run, cost in costs(of_tables).items()],
        params=graph.settings.model_dump(mode="json"),
        made=provenance(report),
        data=[store_facts(report, name) for name in report.parameters["parts"]],
        files=files,
        contracts={job.name: job.fingerprint for job in graph.of_kinds("evaluate")},
    )


def _cost(method: str, seed: int, cost: RunCost) -> dict[str, Any]:
    """What is published of a run's cost: what was measured."""
    measured = {name: value for name, value in asdict(cost).items() if not math.isnan(value)}
    return {"method": method, "seed": seed, **measured}


def _complete(staging: Path, cores: int) -> None:
    """Add what is computed from the sources."""
    made = staging / ".made"  # by what has no images, so that the report can hold none
    rebuild_alone(staging, made, cores)
    facts = Publication.read(staging).facts
    for file in (
        *(made / "tables").iterdir(),
        *_drawn(facts, made / "figures"),
        *(file for suffix in ("json", "md", "html") for file in made.glob(f"*.{suffix}")),
    ):
        _copy(file, staging / file.relative_to(made))
    shutil.rmtree(made)
    refuse_images(staging)
    publication = replace(Publication.read(staging), results=published.result_digests(staging))
    write_text(staging / published.EXPERIMENT, publication.text())


def _drawn(facts: Facts, folder: Path) -> Iterable[Path]:
    """The numbers of all figures; drawings are made from them."""
    return folder.glob("*.csv")


def refuse_images(folder: Path) -> None:
    """UserError where a file below a folder could hold an image: data sets are not ours to publish."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    unknown = [file for file in files if file.suffix not in SUFFIXES]
    drawn = [file for file in files if file.suffix == ".svg" and IMAGE.search(file.read_text(encoding="utf-8"))]
    if unknown or drawn:
        raise UserError(
            f"{folder}: nothing made of a data set's pixels but numbers is published{listed([*unknown, *drawn])}",
            expected=f"files in {', '.join(SUFFIXES)}, and drawings without an image in them",
            do="a figure that shows images has none where `facts.shows_images` is false (docs/guides/figure.md)",
        )


def _copy(file: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, to)
