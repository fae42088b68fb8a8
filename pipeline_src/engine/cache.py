"""Results by contract: what was made before, for another experiment or with other parameters, is never made again.

`<top folder>/.cache/<contract>/` holds the files of a result, linked to those that lie in its job's folder, and its
stamp. Files are put in place by replacing and never written into, so what is linked does not change.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline_src import outputs, verified
from pipeline_src.engine.job import CACHE, Job, is_stamp
from pipeline_src.engine.stamp import Stamp
from pipeline_src.files import writing

STAMP = "stamp.json"


def find(job: Job, again: bool = False) -> Stamp | None:
    """The stamp of a whole result of the job's contract in the cache, if there is one that was made of the inputs that
    lie there. Files are linked, so what was written into a result is in here, too: they are read if they have changed
    since they were read last, or all of them `again`."""
    folder = job.cache / job.contract
    stamp = Stamp.read(folder / STAMP)
    if stamp is None or stamp.ingredients != job.ingredients or len(stamp.files) != len(job.files):
        return None
    altered = stamp.faults(folder, verified.READINGS / folder.with_name(f"{folder.name}.json"), again)
    return None if altered or job.changed_inputs(stamp) else stamp


def restore(job: Job, folder: Path) -> Stamp | None:
    """Link the files of the job's contract from the cache into `folder`, under the job's own names; their stamp.

    None, and nothing taken, if there is no such result; one whose content was changed is removed.
    """
    stamp, entry = find(job, again=True), job.cache / job.contract
    if stamp is None:
        shutil.rmtree(entry, ignore_errors=True)
        return None
    names = dict(zip(stamp.files, job.files, strict=True))
    for old, new in names.items():
        link(entry / old, folder / new)
    files = {new: stamp.files[old] for old, new in names.items()}
    return Stamp(job.ingredients, job.details, files, stamp.made, stamp.adopted)


def save(cache: Path, contract: str, folder: Path, stamp: Stamp) -> None:
    """Put the files in `folder` that a stamp vouches for into a cache, unless a whole result is there."""
    entry = cache / contract
    cached = Stamp.read(entry / STAMP)
    if cached and cached.is_whole(entry) and (cached.made, cached.adopted) == (stamp.made, stamp.adopted):
        return
    with outputs.replaced(entry) as new:
        for name in stamp.files:
            link(folder / name, new / name)
        stamp.write(new / STAMP)


def link(source: Path, to: Path) -> None:
    """A hard link, or a copy where the file system has none."""
    try:
        os.link(source.resolve(), to)  # DVC may have put a symbolic link in the place of a file
    except OSError:
        with writing(to):
            shutil.copy2(source, to)


@dataclass(frozen=True)
class Leftover:
    """What no experiment wants.

    Attributes:
        what: what it is, for a reader.
        paths: files and folders, if they are there; the first one is.
    """

    what: str
    paths: list[Path]

    def files(self) -> Iterator[Path]:
        """All files in it."""
        return (file for path in self.paths for file in (path, *path.rglob("*")) if file.is_file())

    def remove(self) -> None:
        """Remove it, and what it leaves empty."""
        for path in self.paths:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        for folder in self.paths[0].parents:
            if folder == Path() or any(folder.iterdir()):
                break
            folder.rmdir()


def unwanted_entries(top: Path, wanted: set[str]) -> list[Leftover]:
    """Results in the cache of a top folder, and unfinished work, of contracts that are not `wanted`."""
    leftovers = []
    for path in sorted((top / CACHE).glob("*")):
        if (stamp := Stamp.read(path / STAMP)) and path.name not in wanted:
            lock = top / CACHE / "locks" / path.name
            leftovers.append(Leftover("{job}, made {time} in {folder}".format(**stamp.made), [path, lock]))
    unfinished = sorted((top / CACHE / "unfinished").glob("*"))
    return leftovers + [Leftover("work that was stopped", [path]) for path in unfinished if path.name not in wanted]


def unwanted_results(folder: Path, jobs: Iterable[Job]) -> list[Leftover]:
    """Results below `folder` whose stamps belong to none of `jobs`."""
    places = {(job.stamp_folder, job.stem) for job in jobs}
    leftovers = []
    for path in sorted(path for path in folder.rglob("*") if is_stamp(path)):
        if (path.parent, path.stem) not in places and (stamp := Stamp.read(path)):
            files = [f".{path.stem}.lock", *stamp.files]
            leftovers.append(Leftover("of a job that is gone", [path, *(path.parent / name for name in files)]))
    return leftovers


def size(leftovers: Iterable[Leftover]) -> int:
    """Bytes that are free when all of these are removed; a file that is linked from elsewhere takes none."""
    links: dict[tuple[int, int], list[Path]] = {}
    for file in (file for leftover in leftovers for file in leftover.files()):
        links.setdefault((file.stat().st_dev, file.stat().st_ino), []).append(file)
    return sum(files[0].stat().st_size for files in links.values() if len(files) == files[0].stat().st_nlink)
