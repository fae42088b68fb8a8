"""Publish a finished experiment: its counts, histories and facts, small enough for git."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

from pipeline_src import processes
from pipeline_src.analysis.facts import Facts
from pipeline_src.data import groups as image_groups
from pipeline_src.errors import UserError, listed
from pipeline_src.files import atomic_folder, restore_folder
from pipeline_src.pipeline.runner import check_results
from pipeline_src.pipeline.steps.numbers import counts_file
from pipeline_src.pipeline.steps.report import provenance, split_facts
from pipeline_src.publishing.published import (
    COUNTS,
    EXPERIMENT,
    FOLDER,
    RUNS,
    Publication,
    checked,
    pack,
    published_counts,
    settings,
)
from pipeline_src.publishing.rebuild import REPORT, rebuild_report, recompute, replace_computed
from pipeline_src.python_source import changed_code, commit

if TYPE_CHECKING:
    from pipeline_src.pipeline.experiment import ExperimentGraph
    from pipeline_src.pipeline.job import Job

MINUTES = "training, all runs"  # in `Publication.made`
ALPHA_DIGITS = 4  # of the perturbation probabilities, which move by thousandths


def publish(graph: ExperimentGraph, cores: int = 1) -> Path:
    """Write `results/published/<experiment>/` from a finished experiment; return this folder.

    Runs that are already published stay unchanged, even without results. To publish them again,
    remove the folder.

    Raises:
        UserError: names a new run that is not finished or not current, or the code differs from its
            commit.
    """
    changed = changed_code()
    if changed:
        raise UserError(
            "publish needs the code of a commit",
            found=f"changed since {commit()}:{listed(changed)}",
            expected="no change: the commit tells which code made the numbers",
            fix="git commit, or git stash",
        )
    folder = FOLDER / graph.name
    restore_folder(folder)  # if an earlier publishing was killed while it replaced the folder
    published = checked(folder) if (folder / EXPERIMENT).exists() else None
    with atomic_folder(folder) as staging, TemporaryDirectory() as computed:
        if published:  # its runs stay; a report that was published is written anew below
            for name in (COUNTS, RUNS, REPORT):
                if (folder / name).exists():
                    shutil.copyfile(folder / name, staging / name)
        write_sources(graph, staging, published, cores)  # adds new runs to the copies
        with processes.pool(cores) as pool:
            recompute({staging: Path(computed)}, pool)
        if (staging / REPORT).exists():
            rebuild_report(staging, Path(computed))
        replace_computed(staging, Path(computed))
    return folder


def write_sources(
    graph: ExperimentGraph, staging: Path, published: Publication | None, cores: int = 1
) -> None:
    """Write counts.zip, runs.zip and experiment.json of an experiment into the folder `staging`.

    Args:
        staging: contains the files of an earlier publishing, to which new runs are added.
        published: its experiment.json; None if there is none.
        cores: number of threads that compress.
    """
    from pipeline_src.publishing.counts_file import add_runs

    facts = graph.facts
    params = graph.settings.model_dump(mode="json")
    report = graph.job("report")
    empty = Publication(replace(facts, splits={}), {}, {}, params, made={}, data=[], files={})
    earlier = published or empty
    _check_settings(graph.name, settings(earlier.params), settings(params))
    present = set()  # (dataset, method, seed) of the runs that are published
    for split in earlier.facts.splits:
        present |= {(split, *run) for run in published_counts(earlier, staging, split)}
    evaluated = {}
    trained = {}
    files = {}
    for split in facts.splits:
        for method, seed in facts.runs:
            if (split, method, seed) not in present:
                job = graph.evaluation(method, seed)
                evaluated[method, seed] = job
                trained[method, seed] = graph.run(method, seed)
                files[split, method, seed] = job.folder / counts_file(split)
    rows = {row["part"]: row for row in earlier.data}
    splits = report.parameters["splits"]
    stores = [graph.job(f"store/{split}") for split in splits if split not in rows]
    check_results([*stores, *trained.values(), *evaluated.values()], "publish", graph.command)
    counts = {}
    groups = dict(earlier.groups)
    for run, file in files.items():
        counts[run] = partial(reduced_counts, file, facts.bins)
        if run[0] not in groups:
            groups[run[0]] = evaluated_groups(graph, run[0], file)
    add_runs(staging / COUNTS, counts, cores)
    _add_histories(staging / RUNS, graph.facts, trained)
    publication = Publication(
        facts=facts,
        notes=earlier.notes,
        groups={split: numbers for split, numbers in groups.items() if numbers},
        params=params,
        made=provenance(report) | _origin(trained.values(), earlier.made),
        data=[rows.get(split) or split_facts(report, split) for split in splits],
        files={},
        counts_in=earlier.counts_in,
    )
    publication.write(staging)


def _check_settings(name: str, earlier: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise a UserError if an experiment was published with settings that differ from `now`, since
    its old and new runs could not be compared.

    Args:
        name: of the experiment.
        earlier, now: setting -> value (`published.settings`).
    """
    changed = [key for key in {**earlier, **now} if earlier.get(key) != now.get(key)]
    if changed:
        raise UserError(
            f"{name} was published with other settings",
            found={key: now.get(key) for key in changed},
            expected={key: earlier.get(key) for key in changed},
            fix=f"rm -r {FOLDER / name}, which publishes all runs again",
        )


def _origin(trained: Iterable[Job], earlier: Mapping[str, str]) -> dict[str, str]:
    """Return the machines and the sum of the minutes of all runs that trained or were fitted.

    A run that was interrupted counts from its last resumption.

    Args:
        trained: the jobs of runs that are new in the publication.
        earlier: `Publication.made` of the earlier publishing, whose machines come first.
    """
    machines = [earlier["machine"]] if "machine" in earlier else []
    minutes = float(earlier.get(MINUTES, "0").split()[0])
    for job in trained:
        manifest = job.manifest
        assert manifest is not None  # `check_results`
        machines.append(manifest.made["machine"])
        minutes += manifest.made["seconds"] / 60
    return {"machine": "; ".join(dict.fromkeys(machines)), MINUTES: f"{minutes:.1f} min"}


def evaluated_groups(graph: ExperimentGraph, split: str, file: Path) -> list[int]:
    """Return the group of each image of a dataset; empty if its images are independent.

    Args:
        split: the dataset.
        file: a file of counts on the dataset, which gives the order of its images.
    """
    from pipeline_src.counting.storage import load

    options = graph.job(f"analyse/{split}").options
    if not options["groups"]:
        return []
    ids = load(file)["raw"].images.ids
    numbers: list[int] = image_groups.numbers_of_samples(
        ids, groups=options["groups"], file=options["grouped"]
    ).tolist()
    return numbers


def reduced_counts(file: Path, bins: int) -> dict[str, Any]:
    """Return the arrays to publish (`compact.reduced`) from a file of counts, when they are needed:
    those of all runs together would fill the memory.
    """
    from pipeline_src.counting.storage import load
    from pipeline_src.publishing.compact import reduced

    return reduced(load(file), bins)


def _add_histories(archive: Path, facts: Facts, trained: Mapping[tuple[str, int], Job]) -> None:
    """Add the histories and the alphas of runs to an archive; those of other runs stay in it."""
    content = {}
    if archive.exists():
        with ZipFile(archive) as file:
            content = {name: file.read(name) for name in file.namelist()}
    for (method, seed), job in trained.items():
        name = f"{method}/seed{seed}"
        if method in facts.trained:
            content[f"{name}/history.csv"] = (job.folder / "history.csv").read_bytes()
        if method in facts.learned:
            content[f"{name}/alpha.csv"] = _rounded_alphas(job.folder / "alpha.csv")
    pack(content, archive)


def _rounded_alphas(file: Path) -> bytes:
    """Return the content of a file of alphas with `ALPHA_DIGITS` digits."""
    import pandas as pd

    alphas = pd.read_csv(file, dtype={"id": str}).round(ALPHA_DIGITS)
    text: str = alphas.to_csv(index=False, lineterminator="\n")
    return text.encode()
