"""Every file of an experiment read again, from raw data to the last table, and compared with what vouches for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline_src.data import manifest, sources
from pipeline_src.engine.explain import differences, latest_stamp
from pipeline_src.engine.job import Job
from pipeline_src.engine.stamp import Fault
from pipeline_src.files import sha256
from pipeline_src.steps.prepare import UNPACKED


@dataclass
class Verification:
    """What came of it.

    Attributes:
        files: how many were read.
        faults: files that are missing or not as they were made, with the name of the job.
        stale: name of a job whose result is not made, or of other inputs, parameters or code -> why.
        absent: name of a set whose raw data are not here -> why they can't be checked.
        advice: what to do about raw data.
    """

    files: int = 0
    faults: list[tuple[str, Fault]] = field(default_factory=list)
    stale: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    advice: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        return not self.faults and not self.stale


def verify(jobs: Iterable[Job]) -> Verification:
    """Read all files of the results of `jobs` and, for sets, of their raw data; compare with stamps and manifests."""
    verification = Verification()
    for job in jobs:
        is_there, faults = latest_stamp(job) is not None, verify_files(job, verification)
        if not faults and not job.current:
            verification.stale[job.name] = "; ".join(differences(job))
        if job.kind == "prepare" and is_there and not faults:
            _verify_raw(job, verification)
    return verification


def verify_files(job: Job, verification: Verification) -> list[Fault]:
    """Read the files of the result that lies there; those that are not as its stamp says, whatever it was made of."""
    _, stamp = latest_stamp(job) or (None, None)
    faults = stamp.faults(job.folder, job.record, again=True) if stamp else []
    verification.files += len(stamp.files) if stamp else 0
    verification.faults += [(job.name, fault) for fault in faults]
    return faults


def _verify_raw(job: Job, verification: Verification) -> None:
    """Compare the raw files of a set with what its manifest and its entry say."""
    entry = job.options["entry"]
    try:
        located = sources.locate(entry, job.options["data_root"], UNPACKED)
    except sources.MissingSourceError as error:
        verification.absent[entry.name] = str(error).split("\n")[0]
        return
    declared = zip(located.archives, located.source.sha256, strict=False)
    files = [(archive, expected) for archive, expected in declared if expected]
    if (root := sources.root_folder(located, UNPACKED)).is_dir():
        files += _listed(job.folder, root)
    else:
        verification.absent[entry.name] = f"it is not unpacked: there is no folder {root}"
    verification.files += len(files)
    actual = {file: sha256(file) if file.is_file() else "" for file, _ in files}
    faults = [Fault(file, actual[file], expected) for file, expected in files if actual[file] != expected]
    verification.faults += [(job.name, fault) for fault in faults]
    if faults:
        verification.advice.append(
            f"put the files of {entry.name} back as they were, or let Snakemake take the new ones"
            if located.root
            else f"remove {root}, which is made again from its source"
        )


def _listed(folder: Path, root: Path) -> Iterator[tuple[Path, str]]:
    """The files of a set's samples, with the SHA-256 that its manifest has."""
    for row in manifest.read(folder):
        yield root / row.image, row.sha256_image
        if row.mask:
            yield root / row.mask, row.sha256_mask
