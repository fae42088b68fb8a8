"""Publish a finished experiment: its counts, histories and facts, small enough for git."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZipFile

from pipeline_src import processes
from pipeline_src.analysis.facts import Facts
from pipeline_src.counting.storage import load
from pipeline_src.data import groups as image_groups
from pipeline_src.errors import UserError, listed
from pipeline_src.files import atomic_folder, restore_folder
from pipeline_src.pipeline.experiment import ExperimentGraph
from pipeline_src.pipeline.job import Job
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
    default_settings,
    pack,
    published_counts,
    settings,
)
from pipeline_src.publishing.rebuild import REPORT, rebuild_report, recompute, replace_computed
from pipeline_src.python_source import changed_code, commit

MINUTES = "training, all runs"  # key of `Publication.made`: minutes that trainings and fits took
# Decimals of published alphas, probabilities that change by thousandths in an epoch.
ALPHA_DIGITS = 4


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
    published = checked(folder) if (folder / EXPERIMENT).exists() else None  # earlier publishing
    with atomic_folder(folder) as staging, TemporaryDirectory() as computed:
        if published:  # its runs stay; a published report is written again below
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
        published: experiment.json of the earlier publishing; None if there is none.
        cores: number of threads that compress.
    """
    from pipeline_src.publishing.counts_file import add_runs

    facts = graph.facts
    params = graph.settings.model_dump(mode="json")
    report = graph.job("report")
    # Without an earlier publishing, all datasets and runs are new.
    earlier = published or Publication(facts, {}, {}, params, made={}, data=[], files={})
    rows = {row["part"]: row for row in earlier.data}  # facts of datasets that stay as they are
    splits = report.parameters["splits"]
    # Methods and datasets may be new or gone. Only those of both publications are compared.
    sources = {row["part"]: row["from"] for row in earlier.data}
    before = settings({"method": asdict(earlier.facts)["methods"], "splits": sources})
    today = settings({"method": asdict(facts)["methods"], "splits": splits})
    earlier_settings = default_settings(graph.settings) | settings(earlier.params)
    _check_settings(
        graph.name, earlier_settings | today | before, settings(params) | before | today
    )
    files = _new_counts(graph, published, staging)
    trained = {(method, seed): graph.run(method, seed) for _, method, seed in files}
    evaluated = [graph.evaluation(*run) for run in trained]
    stores = [graph.job(f"store/{split}") for split in splits if split not in rows]
    check_results([*stores, *trained.values(), *evaluated], "publish", graph.command)
    counts = {}
    groups = dict(earlier.groups)
    for run, file in files.items():
        counts[run] = partial(reduced_counts, file, facts.bins)
        split = run[0]
        if split not in groups:
            groups[split] = evaluated_groups(graph, split, file)
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


def _new_counts(
    graph: ExperimentGraph, published: Publication | None, staging: Path
) -> dict[tuple[str, str, int], Path]:
    """Return the runs of an experiment that are not published yet: (dataset, method, seed) -> the
    file of their counts.

    Args:
        published, staging: as of `write_sources`.
    """
    files = {}
    for split in graph.facts.splits:
        present = published_counts(published, staging, split) if published else {}
        for method, seed in graph.facts.runs:
            if (method, seed) not in present:
                folder = graph.evaluation(method, seed).folder
                files[split, method, seed] = folder / counts_file(split)
    return files


def _check_settings(name: str, earlier: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise a UserError if an experiment was published with other settings than those of `now`:
    its published runs could not be compared with new ones.

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
    """Return the machines on which all runs were trained or fitted, and the sum of their minutes,
    as entries of `Publication.made`.

    Of a run that was interrupted, only the time since its last resumption is known.

    Args:
        trained: the jobs of runs that are new in the publication.
        earlier: `Publication.made` of the earlier publishing, to which the new runs are added.
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
    """Return the group of each image of a dataset, a number from 0; empty if its images are
    independent.

    Args:
        split: the dataset.
        file: a file of counts on the dataset, which gives the order of its images.
    """
    options = graph.job(f"analyse/{split}").options
    if not options["groups"]:
        return []
    ids = load(file)["raw"].images.ids
    numbers = image_groups.numbers_of_samples(
        ids, groups=options["groups"], file=options["grouped"]
    )
    return list(map(int, numbers))


def reduced_counts(file: Path, bins: int) -> dict[str, Any]:
    """Return the arrays to publish from a file of counts: rounded, so that they are small, except
    the sums in `bins` bins (`compact.reduced`).

    Callers call it run by run, because the arrays of all runs together would fill the memory.
    """
    from pipeline_src.publishing.compact import reduced

    return reduced(load(file), bins)


def _add_histories(archive: Path, facts: Facts, trained: Mapping[tuple[str, int], Job]) -> None:
    """Add the histories and the alphas of runs to an archive; those of other runs stay in it.

    Args:
        trained: (method, seed) -> the job that trained or fitted the run. Only methods of
            `facts.trained` have a history, and only those of `facts.learned` have alphas.
    """
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
    """Return the content of a file of alphas, rounded to `ALPHA_DIGITS` decimals."""
    import pandas as pd

    alphas = pd.read_csv(file, dtype={"id": str}).round(ALPHA_DIGITS)
    return str(alphas.to_csv(index=False, lineterminator="\n")).encode()
