"""Publish a finished experiment: its counts, histories and facts made small enough for the repository."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

from pipeline_src import processes
from pipeline_src.data import groups as image_groups
from pipeline_src.errors import UserError, listed
from pipeline_src.files import atomic_folder, restore_folder
from pipeline_src.pipeline.experiment import evaluation_name, training_name
from pipeline_src.pipeline.report import provenance, store_facts
from pipeline_src.pipeline.runner import check_results
from pipeline_src.publishing.published import (
    COUNTS,
    EXPERIMENT,
    FOLDER,
    RUNS,
    Publication,
    PublishedCounts,
    checked,
    pack,
    settings,
)
from pipeline_src.publishing.rebuild import REPORT, recompute, replace_computed
from pipeline_src.python_source import changed_code, commit

if TYPE_CHECKING:
    from pipeline_src.pipeline.experiment import ExperimentGraph
    from pipeline_src.pipeline.job import Job

MINUTES = "training, all runs"  # in `Publication.made`
ALPHA_DIGITS = 4  # of the perturbation probabilities, which move by thousandths


def publish(graph: ExperimentGraph, cores: int = 1) -> Path:
    """Write `results/published/<experiment>/` from a finished experiment; returns the folder.

    Runs that are already published stay unchanged, even without results. To publish them again,
    remove the folder.

    Raises:
        UserError: names a new run that is not finished or not current, or the code differs from its
            commit.
    """
    if changed := changed_code():
        raise UserError(
            "publish needs the code of a commit",
            found=f"changed since {commit()}:{listed(changed)}",
            expected="no change: the commit tells which code made the numbers",
            fix="git commit, or git stash",
        )
    folder = FOLDER / graph.name
    restore_folder(folder)
    published = checked(folder) if (folder / EXPERIMENT).exists() else None
    has_report = published is not None and (folder / REPORT).exists()
    with atomic_folder(folder) as staging, TemporaryDirectory() as computed:
        if published:
            for name in (COUNTS, RUNS, *[REPORT] * has_report):
                shutil.copyfile(folder / name, staging / name)
        write_sources(graph, staging, published, cores)
        with processes.pool(cores) as pool:
            recompute(staging, Path(computed), pool, report=has_report)
        replace_computed(staging, Path(computed))
    return folder


def write_sources(
    graph: ExperimentGraph, staging: Path, published: Publication | None, cores: int = 1
) -> None:
    """Write counts.zip, runs.zip and experiment.json of an experiment; runs of `published` stay."""
    from pipeline_src.publishing.counts_file import add_runs

    facts, params, report = graph.facts, graph.settings.model_dump(mode="json"), graph.job("report")
    now = settings(params)
    earlier = settings(published.params) if published else now
    if changed := [name for name in earlier | now if earlier.get(name) != now.get(name)]:
        raise UserError(
            f"{graph.name} was published with other settings",
            found={name: now.get(name) for name in changed},
            expected={name: earlier.get(name) for name in changed},
            fix=f"rm -r {FOLDER / graph.name}, which publishes all runs again",
        )
    old = (
        {part: {*PublishedCounts(published, staging, part)} for part in published.facts.parts}
        if published
        else {}
    )
    runs = [
        (part, *run) for part in facts.parts for run in facts.runs if run not in old.get(part, ())
    ]
    evaluated = {run: graph.job(evaluation_name(run[1], run[2], run[0])) for run in runs}
    trained = {run[1:]: graph.job(training_name(*run[1:])) for run in runs}
    rows = {row["part"]: row for row in published.data} if published else {}
    stores = [graph.job(f"store/{part}") for part in report.parameters["parts"] if part not in rows]
    check_results([*stores, *trained.values(), *evaluated.values()], "publish", graph.command)
    files = {run: job.paths[0] for run, job in evaluated.items()}
    add_runs(
        staging / COUNTS,
        {run: partial(_reduced, file, facts.bins) for run, file in files.items()},
        cores,
    )
    _add_histories(staging / RUNS, graph, trained)
    groups = dict(published.groups) if published else {}
    for (part, _, _), file in files.items():
        if part not in groups and (found := evaluated_groups(graph, part, file)):
            groups[part] = found
    publication = Publication(
        facts=facts,
        notes=published.notes if published else {},
        groups=groups,
        params=params,
        made=provenance(report) | _origin(trained.values(), published),
        data=[rows.get(name) or store_facts(report, name) for name in report.parameters["parts"]],
        files={},
        counts_in=published.counts_in if published else {},
    )
    publication.write(staging)


def _origin(trained: Iterable[Job], published: Publication | None) -> dict[str, str]:
    """Return machines and minutes of all runs that trained or were fitted, those of earlier
    publishing first.

    The minutes of a run that was resumed are those after its last resumption.
    """
    earlier = published.made if published else {}
    machines = [earlier["machine"]] if "machine" in earlier else []
    minutes = float(earlier.get(MINUTES, "0").split()[0])
    for job in trained:
        manifest = job.manifest
        assert manifest is not None  # `check_results`
        machines.append(manifest.made["machine"])
        minutes += manifest.made["seconds"] / 60
    return {"machine": "; ".join(dict.fromkeys(machines)), MINUTES: f"{minutes:.1f} min"}


def evaluated_groups(graph: ExperimentGraph, part: str, file: Path) -> list[int]:
    """Return the group of each image of a dataset, in the order of a file of its counts; empty without groups."""
    from pipeline_src.counting.counts import image_rows
    from pipeline_src.counting.map_counts import MapCounts

    options = graph.job(f"analyse/{part}").options
    if not options["groups"]:
        return []
    ids = image_rows(MapCounts.load(file).raw).ids
    numbers: list[int] = image_groups.number_samples(
        ids, groups=options["groups"], file=options["grouped"]
    ).tolist()
    return numbers


def _reduced(file: Path, bins: int) -> dict[str, Any]:
    from pipeline_src.counting.map_counts import MapCounts
    from pipeline_src.publishing.compact import reduced

    return reduced(MapCounts.load(file), bins)


def _add_histories(
    archive: Path, graph: ExperimentGraph, trained: dict[tuple[str, int], Any]
) -> None:
    """Add the histories and the alphas of runs to an archive."""
    content = {}
    if archive.exists():
        with ZipFile(archive) as file:
            content = {name: file.read(name) for name in file.namelist()}
    kinds = {"history.csv": graph.facts.trained, "alpha.csv": graph.facts.learned}
    for (method, seed), job in trained.items():
        for name in (name for name, methods in kinds.items() if method in methods):
            content[f"{method}/seed{seed}/{name}"] = _run_file(job.folder / name)
    pack(content, archive)


def _run_file(file: Path) -> bytes:
    """Return the content of a run's file: a history, or alphas with `ALPHA_DIGITS` digits."""
    import pandas as pd

    if file.name != "alpha.csv":
        return file.read_bytes()
    alphas = pd.read_csv(file, dtype={"id": str}).round(ALPHA_DIGITS)
    alphas.to_csv(content := io.StringIO(), index=False, lineterminator="\n")
    return content.getvalue().encode()
