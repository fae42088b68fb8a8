"""Stored results: read again, taken over into today's fingerprints, or removed."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path

from pipeline_src.data import manifest as sets
from pipeline_src.data import sources
from pipeline_src.errors import UserError, listed
from pipeline_src.files import sha256
from pipeline_src.params.schema import Params
from pipeline_src.pipeline import overview, view
from pipeline_src.pipeline.data_jobs import UNPACKED
from pipeline_src.pipeline.job import UNFINISHED, Job
from pipeline_src.pipeline.jobs import build
from pipeline_src.pipeline.manifest import STORE, Fault
from pipeline_src.pipeline.runner import place, remedy
from pipeline_src.verified import now

log = logging.getLogger(__name__)


def verify(jobs: Iterable[Job], command: str) -> tuple[int, list[str]]:
    """Read all files of the results of `jobs` and, of data sets, the raw files.

    Args:
        command: what makes all results.

    Returns:
        How many files were read, and a line for each problem.
    """
    number, problems = 0, []
    for job in jobs:
        manifest = job.manifest
        if manifest is None:
            damaged = job.is_made
            problems.append(f"{job.name}: {'its manifest is damaged' if damaged else 'not there'}: {job.folder}")
            problems += [f"    fix: {remedy(job, command)}"] if damaged else []
            continue
        number += len(manifest.files)
        faults = [*manifest.faults(job.folder, again=True)]
        problems += [f"{job.name}: {_described(fault)}" for fault in faults]
        problems += [f"    fix: {remedy(job, command)}"] if faults else []
        for role, facts in manifest.inputs.items():
            content = job.inputs[role].content if role in job.inputs else ""
            if content and content != facts["digest"]:
                problems.append(f"{job.name}: made from another result of {facts['name']} than the one in the store")
        if job.kind == "prepare" and not faults:
            read, raw = _raw_faults(job)
            number += read
            problems += [f"{job.name}: {_described(fault)}" for fault in raw]
    return number, problems


def _described(fault: Fault) -> str:
    return str(fault) if fault.missing else f"{fault}: sha256 {fault.actual}, expected {fault.expected}"


def _raw_faults(job: Job) -> tuple[int, list[Fault]]:
    """Return the number of raw files of a dataset, and those that differ from its manifest or its entry."""
    entry = job.options["entry"]
    try:
        located = sources.locate(entry, job.options["data_root"], UNPACKED)
    except sources.MissingSourceError as error:
        log.warning("%s is not checked: %s", entry.name, str(error).partition("\n")[0])
        return 0, []
    declared = zip(located.archives, located.source.sha256, strict=False)
    files = [(archive, digest) for archive, digest in declared if digest]
    if (root := sources.root_folder(located, UNPACKED)).is_dir():
        for row in sets.read(job.folder):
            files.append((root / row.image, row.sha256_image))
            files += [(root / row.mask, row.sha256_mask or "")] if row.mask else []
    actual = {file: sha256(file) if file.is_file() else "" for file, _ in files}
    return len(files), [Fault(file, actual[file], digest) for file, digest in files if actual[file] != digest]


def keep(jobs: Collection[Job], why: str) -> list[str]:
    """Rename the results that the view shows to today's fingerprints, with the reason in their manifests.

    Returns:
        The names of the jobs.

    Raises:
        UserError: nothing is renamed; a result is not there, has other files, or is damaged.
    """
    wanted = [job for job in jobs if not (job.is_made or job.is_batch)]
    if problems := [f"{job.name}: {problem}" for job in wanted if (problem := _keep_problem(job))]:
        raise UserError(
            "results cannot be kept",
            found=listed(problems),
            expected="undamaged results of an earlier fingerprint, with the files that the jobs write today",
            fix="let Snakemake make them",
        )
    for job in wanted:
        assert job.former
        folder, manifest = job.former
        record = {"fingerprint": manifest.fingerprint, "why": why, "time": now()}
        place(folder, job.folder)
        new = replace(manifest, fingerprint=job.fingerprint, ingredients=job.ingredients, kept=[*manifest.kept, record])
        new.write(job.folder)
        view.show([job])
    return [job.name for job in wanted]


def _keep_problem(job: Job) -> str:
    """Return why the result that the view shows cannot be reused for a job; empty if it can."""
    if job.former is None:
        return "no earlier result is shown"
    folder, manifest = job.former
    if list(manifest.files) != list(job.files):
        return f"it writes other files: {', '.join(sorted(set(manifest.files) ^ set(job.files)))}"
    return ", ".join(str(fault) for fault in manifest.faults(folder, again=True))


def leftovers(params: Params) -> dict[Path, str]:
    """The folders that no experiment of params.yaml needs, with what they are: results in the store, unfinished
    training, and views of experiments that are gone. An experiment that cannot be read needs what its view shows."""
    needed = {overview.job(params).key}
    for name in params.experiments:
        try:
            needed |= {job.key for job in build(params, name).jobs.values()}
        except UserError as error:
            log.warning("%s is left as it is: %s", name, str(error).partition("\n")[0])
            needed |= {path.resolve().parent.name for path in (STORE.parent / name).rglob("*") if path.is_symlink()}
    found = {}
    for folder in sorted(STORE.glob("*-*")):
        if folder.name.removesuffix(".new").removeprefix(".") not in needed:
            found[folder] = "a result of earlier parameters, data or code"
    for folder in sorted(UNFINISHED.glob("*-*")):
        if folder.name.removesuffix(".lock") not in needed and folder.is_dir():
            found[folder] = "an unfinished training of earlier parameters, data or code"
    for folder in sorted(STORE.parent.glob("[!.]*")):
        links = [path for path in folder.rglob("*") if path.is_symlink()]
        if folder.name not in {*params.experiments, "published", "overview"} and links:
            found[folder] = "the view of an experiment that is gone"
    return found


def size(folder: Path) -> int:
    """Bytes of the files below a folder."""
    return sum(file.lstat().st_size for file in folder.rglob("*") if file.is_symlink() or file.is_file())


def remove(folders: Iterable[Path]) -> None:
    """Remove folders, and the links of views that show nothing afterwards."""
    for folder in folders:
        shutil.rmtree(folder)
    for path in STORE.parent.rglob("*"):
        if path.is_symlink() and not path.exists() and STORE.name in os.readlink(path):
            path.unlink()
