"""Publish a finished experiment: its counts, histories and facts, small enough for git."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline_src import processes
from pipeline_src.analysis.facts import Facts, Run
from pipeline_src.counting.storage import load
from pipeline_src.data import groups as image_groups
from pipeline_src.errors import UserError, listed
from pipeline_src.files import Content, atomic_folder
from pipeline_src.pipeline.experiment import ExperimentGraph
from pipeline_src.pipeline.fingerprint import digest
from pipeline_src.pipeline.job import Job
from pipeline_src.pipeline.runner import check_results
from pipeline_src.pipeline.steps.numbers import counts_file
from pipeline_src.pipeline.steps.report import provenance, split_facts
from pipeline_src.processes import alone
from pipeline_src.publishing.archives import pack, unpack
from pipeline_src.publishing.published import (
    COUNTS,
    EXPERIMENT,
    FOLDER,
    LOCK,
    REPORT,
    RUNS,
    Loader,
    Publication,
    checked,
    default_settings,
    published_counts,
    settings,
)
from pipeline_src.publishing.rebuild import rebuild_report, recompute, replace_computed
from pipeline_src.python_source import changed_code, commit

log = logging.getLogger(__name__)

MINUTES = "training, all runs"  # key of `Publication.made`: minutes that trainings and fits took
# Keys of `Publication.made` that disclose what is special about runs.
DISCLOSED = ("kept results", "other versions")
# Decimals of published alphas, probabilities that change by thousandths in an epoch.
ALPHA_DIGITS = 4
CODE = "code.txt"  # of each trained run in `RUNS`: the digest of the code that trained it


@alone("results/published", LOCK)
def publish(graph: ExperimentGraph, cores: int = 1) -> Path:
    """Write `results/published/<experiment>/` from a finished experiment; return this folder.
    Wait while another process changes published results.

    Runs that are already published stay unchanged, even without results. To publish them again,
    remove the folder.

    Raises:
        UserError: names a new run that is not finished or not current; or settings, images or
            groups differ from those of the published runs, or the code from its commit.
    """
    made_at = commit()
    changed = changed_code()
    if changed or not made_at:
        raise UserError(
            "publish needs the code of a commit",
            found=f"changed since {made_at}:{listed(changed)}" if changed else "no commit",
            expected="no change: the commit tells which code made the numbers",
            fix="git commit, or git stash; `git status` tells why git cannot read a clone",
        )
    folder = FOLDER / graph.name
    # Without an earlier publishing, all datasets and runs are new.
    earlier = Publication(graph.facts, {}, {}, {}, {}, [], {})
    with atomic_folder(folder) as staging, TemporaryDirectory() as computed:
        if (folder / EXPERIMENT).exists():
            earlier = checked(folder)
            # Its runs stay; all other files are written again below.
            shutil.copytree(folder, staging, dirs_exist_ok=True)
        write_sources(graph, staging, earlier, cores)  # adds new runs to the copies
        with processes.pool(cores) as pool:
            recompute({staging: Path(computed)}, pool)
        if (staging / REPORT).exists():
            rebuild_report(staging, Path(computed))
        replace_computed(staging, Path(computed))
    return folder


def write_sources(
    graph: ExperimentGraph, staging: Path, earlier: Publication, cores: int = 1
) -> None:
    """Write counts.zip, runs.zip and experiment.json of an experiment into the folder `staging`.

    Args:
        staging: contains the files of an earlier publishing, to which new runs are added.
        earlier: experiment.json of the earlier publishing; without datasets if there is none.
        cores: number of threads that compress.
    """
    from pipeline_src.publishing.counts_file import add_runs

    facts = graph.facts
    params = graph.settings.model_dump(mode="json")
    report = graph.job("report")
    splits = report.parameters["splits"]
    rows = {row["part"]: row for row in earlier.data}
    # Methods and datasets may be new or gone. Only those of both publications are compared.
    sources = {split: row["from"] for split, row in rows.items()}
    before = settings({"method": asdict(earlier.facts)["methods"], "splits": sources})
    today = settings({"method": asdict(facts)["methods"], "splits": splits})
    earlier_settings = default_settings(graph.settings) | settings(earlier.params or params)
    published = earlier_settings | today | before
    now = settings(params) | before | today
    found = {key: value for key, value in now.items() if published.get(key) != value}
    expected = {key: value for key, value in published.items() if now.get(key) != value}
    _check_unchanged(graph, "settings", expected, found)
    files = _new_counts(graph, earlier, staging)
    trained = {(method, seed): graph.run(method, seed) for _, method, seed in files}
    evaluated = [graph.evaluation(*run) for run in trained]
    measured = splits if files else ()  # datasets on which the new runs were measured or trained
    stores = [graph.job(f"store/{split}") for split in measured]
    check_results([*stores, *trained.values(), *evaluated], "publish", graph.command)
    for split in measured:
        row = split_facts(report, split)
        _check_unchanged(
            graph, f"images or masks of {split}", rows.setdefault(split, row)["hash"], row["hash"]
        )
    counts = {run: partial(reduced_counts, file, facts.bins) for run, file in files.items()}
    add_runs(staging / COUNTS, counts, cores)
    _add_histories(staging / RUNS, facts, trained)
    groups = {}
    for split in facts.splits:
        loaders = published_counts(replace(earlier, facts=facts), staging, split)
        numbers = evaluated_groups(graph, split, next(iter(loaders.values())))
        if split in sources:
            groups_before = digest(earlier.groups.get(split, []))
            _check_unchanged(graph, f"groups of {split}", groups_before, digest(numbers))
        if numbers:
            groups[split] = numbers
    publication = Publication(
        facts=facts,
        notes=earlier.notes,
        groups=groups,
        params=params,
        made=_joined(earlier.made, provenance(report)) | _origin(trained.values(), earlier.made),
        data=[rows[split] for split in splits],
        files={},
        counts_in=earlier.counts_in,
    )
    publication.write(staging)


def _new_counts(
    graph: ExperimentGraph, earlier: Publication, staging: Path
) -> dict[tuple[str, str, int], Path]:
    """Return the runs of an experiment that are not published yet: (dataset, method, seed) -> the
    file of their counts.

    An ensemble of all seeds is another one if the seeds are others than the published ones.

    Args:
        earlier, staging: as of `write_sources`.
    """
    facts = graph.facts
    other_seeds = set(earlier.facts.seeds) != set(facts.seeds)
    files = {}
    for split in facts.splits:
        present = published_counts(earlier, staging, split) if earlier.data else {}
        for method, seed in facts.runs:
            counted_again = other_seeds and facts.methods[method].of_all_seeds
            if counted_again or (method, seed) not in present:
                folder = graph.evaluation(method, seed).folder
                files[split, method, seed] = folder / counts_file(split)
    return files


def _check_unchanged(graph: ExperimentGraph, what: str, earlier: object, now: object) -> None:
    """Raise a UserError if an experiment was published with another value than `now`: its published
    runs could not be compared with new ones.
    """
    if earlier != now:
        raise UserError(
            f"{graph.name} was published with other {what}",
            found=now,
            expected=earlier,
            fix=f"rm -r {FOLDER / graph.name}, which publishes all runs again",
        )


def _joined(earlier: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """Return the entries of `Publication.made` of today, with what an earlier publishing disclosed
    of its runs, which stay published.
    """
    joined = dict(now)
    for name in DISCLOSED:
        texts = [made[name] for made in (earlier, now) if name in made]
        if texts:
            joined[name] = "; ".join(dict.fromkeys(texts))
    return joined


def _origin(trained: Iterable[Job], earlier: Mapping[str, str]) -> dict[str, str]:
    """Return the machines on which all runs were trained or fitted, and the sum of their minutes,
    as entries of `Publication.made`.

    Of a run that was interrupted, only the time since its last resumption is known.

    Args:
        trained: the jobs of runs that are new in the publication.
        earlier: `Publication.made` of the earlier publishing, to which the new runs are added.
    """
    machines = earlier["machine"].split("; ") if "machine" in earlier else []
    minutes = float(earlier.get(MINUTES, "0").split()[0])
    for job in trained:
        manifest = job.manifest
        assert manifest is not None  # `check_results`
        machines.append(manifest.made["machine"])
        minutes += manifest.made["seconds"] / 60
    return {"machine": "; ".join(dict.fromkeys(machines)), MINUTES: f"{minutes:.1f} min"}


def evaluated_groups(graph: ExperimentGraph, split: str, counts: Loader) -> list[int]:
    """Return the group of each image of a dataset, a number from 0; empty if its images are
    independent.

    Args:
        split: the dataset.
        counts: a function that returns counts on the dataset, which give the order of its images.
    """
    options = graph.job(f"analyse/{split}").options
    if not options["groups"]:
        return []
    ids = counts()["raw"].images.ids
    numbers = image_groups.numbers_of_samples(
        ids, groups=options["groups"], file=options["grouped"]
    )
    return list(map(int, numbers))


def reduced_counts(file: Path, bins: int) -> Content:
    """Return the arrays to publish from a file of counts. All are rounded to be small, except the
    sums in `bins` bins (`compact.reduced`).

    Callers call it run by run, because the arrays of all runs together would fill the memory.
    """
    from pipeline_src.publishing.compact import reduced

    return reduced(load(file), bins)


def _add_histories(archive: Path, facts: Facts, trained: Mapping[Run, Job]) -> None:
    """Add the histories and the alphas of runs to an archive, and digests of the code that trained
    them (`CODE`); those of other runs stay in it.

    A warning names methods whose seeds were trained by different code: they may differ because of
    it. Code that an earlier version did not record counts as different.

    Args:
        trained: (method, seed) -> the job that trained or fitted the run. Only methods of
            `facts.trained` have a history, and only those of `facts.learned` have alphas.
    """
    content = unpack(archive)
    for (method, seed), job in trained.items():
        name = f"{method}/seed{seed}"
        if method in facts.trained:
            content[f"{name}/history.csv"] = (job.folder / "history.csv").read_bytes()
            content[f"{name}/{CODE}"] = digest(job.ingredients["code"]).encode()
        if method in facts.learned:
            content[f"{name}/alpha.csv"] = _rounded_alphas(job.folder / "alpha.csv")
    for method in facts.trained:
        codes = {
            seed: content.get(f"{method}/seed{seed}/{CODE}", b"not recorded").decode()
            for seed in facts.seeds
        }
        if len(set(codes.values())) > 1:
            log.warning("Seeds of %s were trained by different code: %s", method, codes)
    pack(content, archive)


def _rounded_alphas(file: Path) -> bytes:
    """Return the content of a file of alphas, rounded to `ALPHA_DIGITS` decimals."""
    import pandas as pd

    alphas = pd.read_csv(file, dtype={"id": str}).round(ALPHA_DIGITS)
    return str(alphas.to_csv(index=False, lineterminator="\n")).encode()
