"""Stored results: verified, kept under today's fingerprints, or removed."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Collection, Iterable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline_src.errors import UserError, listed
from pipeline_src.files import check_writable
from pipeline_src.params.schema import Params
from pipeline_src.pipeline.graph import build
from pipeline_src.pipeline.job import UNFINISHED, Job, linked
from pipeline_src.pipeline.manifest import STORE, now
from pipeline_src.pipeline.plan import differences
from pipeline_src.pipeline.runner import RUN_LOCK, of_replaced_inputs, place, remedy, show
from pipeline_src.pipeline.steps.overview import overview_job

log = logging.getLogger(__name__)


def verify(jobs: Collection[Job], command: str) -> tuple[int, list[str]]:
    """Compare all files of the results of `jobs`, and the inputs that these were made from, with
    the digests in their manifests.

    Args:
        jobs: inputs before those that need them.
        command: the command that computes all results.

    Returns:
        How many files were read, and a line for each problem.
    """
    number = 0
    problems = []
    for job in jobs:
        manifest = job.manifest
        if not job.folder.exists():
            problems.append(f"{job.name}: not there: {job.folder}")
            continue
        faults = job.faults()
        if faults:
            problems += [f"{job.name}: {fault}" for fault in faults]
            problems.append(f"    fix: {remedy([job], command)}")
        for name in job.replaced_inputs():
            problems.append(f"{job.name}: computed from another result of {name}")
        if manifest is not None:
            number += len(manifest.files)
    outdated = of_replaced_inputs(jobs)
    if outdated:
        problems.append(f"    fix: {remedy(outdated, command)}")
    return number, problems


def keep(jobs: Collection[Job], why: str) -> list[str]:
    """Store the results that the view shows also under today's fingerprints: they count as current
    although code changed.

    The user vouches that the change cannot change these results. The manifests record the user's
    reason `why`. The former results stay, because other experiments may need them.

    Returns:
        The names of the jobs whose results were kept.

    Raises:
        UserError: a result does not exist, is damaged or not of today's parameters and inputs, so
            only the others were kept; or a run computes results now.
    """
    with _run_lock():
        outdated = [job for job in jobs if not job.is_made]
        problems = []
        for job in outdated:
            problem = _keep_problem(job)
            if problem:
                problems.append(f"{job.name}: {problem}")
            elif not job.is_made:  # else another job of the same fingerprint was kept
                _keep(job, why)
        show(jobs)
        if problems:
            raise UserError(
                "results cannot be kept",
                found=listed(problems),
                expected="undamaged results of earlier code, with today's files, parameters and "
                "inputs",
                fix="let Snakemake compute them",
            )
    return [job.name for job in outdated]


def _run_lock() -> AbstractContextManager[object]:
    """Return the held lock of the folder, for a `with`; a UserError if a Snakemake runs there."""
    try:
        return FileLock(RUN_LOCK).acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"results can be neither kept nor removed while a Snakemake runs: it holds {RUN_LOCK}",
            fix="wait until it has ended, or end it",
        ) from None


def _keep(job: Job, why: str) -> None:
    """Store the result that the view shows also under today's fingerprint.

    Its files become hard links, or copies on a file system without hard links.
    """
    assert job.former
    folder, manifest = job.former
    new = job.folder.with_name(f".{job.fingerprint}.new")
    shutil.rmtree(new, ignore_errors=True)  # of a killed `keep`
    new.mkdir()
    for name in manifest.files:
        try:
            os.link(folder / name, new / name)
        except OSError:
            shutil.copyfile(folder / name, new / name)
    record = {"fingerprint": manifest.fingerprint, "why": why, "time": now()}
    renamed = replace(
        manifest,
        fingerprint=job.fingerprint,
        ingredients=job.ingredients,
        kept=[*manifest.kept, record],
    )
    renamed.write(new)
    place(new, job.folder)


def _keep_problem(job: Job) -> str:
    """Return a clause on why the result that the view shows cannot be kept under today's
    fingerprint; empty if it can.

    Only code may differ, not a parameter, the files, and the content of the inputs.
    """
    if job.former is None:
        return "no earlier result is shown"
    folder, manifest = job.former
    for ingredient in ("parameters", "files"):
        if manifest.ingredients[ingredient] != job.ingredients[ingredient]:
            return "; ".join(differences(job))
    if manifest.inputs.keys() != job.inputs.keys():
        return f"it was computed from other inputs: {', '.join(manifest.inputs)}"
    for role, needed in job.inputs.items():
        if manifest.inputs[role]["digest"] != needed.content_of(job.reads):
            return f"it was computed from another result of {needed.name}"
    if list(manifest.files) != list(job.files):
        return f"it has other files: {', '.join(manifest.files)}"
    return ", ".join(manifest.faults(folder))


def leftovers(params: Params) -> dict[Path, str]:
    """Return the folders in the store that no experiment of params.yaml needs: folder ->
    description.

    The jobs of an invalid experiment are not known, so all results that its view shows count as
    needed, and no unfinished training is returned.
    """
    needed = {overview_job(params).key}
    unfinished = sorted(UNFINISHED.glob("*/*/"))
    for name in params.experiments:
        try:
            needed |= {job.key for job in build(params, name).jobs.values()}
        except UserError as error:
            log.warning("%s is left as it is: %s", name, str(error).partition("\n")[0])
            unfinished = []
            for path in (STORE.parent / name).rglob("*"):
                if path.is_symlink():  # to a file in kind/fingerprint/
                    needed.add("/".join(linked(path).parent.parts[-2:]))
    found = {}
    earlier_layout = STORE.glob("*-*/")  # kind-fingerprint/, not kind/fingerprint/
    for folder in [*unfinished, *sorted(STORE.glob("*/*/")), *sorted(earlier_layout)]:
        # The folder of a killed job is needed if its result is.
        key = f"{folder.parent.name}/{folder.name.removeprefix('.').removesuffix('.new')}"
        if folder.parent != UNFINISHED and key not in needed:
            kind = "an unfinished training" if UNFINISHED in folder.parents else "a result"
            found[folder] = f"{kind} of earlier parameters, data or code"
    return found


def size(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def remove(folders: Iterable[Path]) -> None:
    """Remove folders of the store, and the links of views into them.

    Raises:
        UserError: a run computes results now; nothing is removed.
    """
    check_writable(STORE, str(STORE))
    with _run_lock():
        for folder in folders:
            shutil.rmtree(folder)
        for path in STORE.parent.rglob("*"):
            if path.is_symlink() and not path.exists() and STORE.name in os.readlink(path):
                path.unlink()
