"""The view of an experiment: `results/<experiment>/` shows people the files of the store under readable names."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from pipeline_src.pipeline.job import Job


def show(jobs: Iterable[Job]) -> None:
    """Link the results of finished jobs into the view; links to other results stay."""
    for job in jobs:
        if job.is_made:
            if job.view and (former := job.former):
                for name in former[1].files.keys() - set(job.files):
                    (job.view / job.view_names.get(name, name)).unlink(missing_ok=True)
            for link, file in job.links.items():
                _link(link, file)


def forget(paths: Iterable[Path], jobs: Iterable[Job]) -> None:
    """Remove those of some paths that show an outdated result of one of the jobs."""
    links = {link: file for job in jobs for link, file in job.links.items()}
    for path in paths:
        if path in links and path.is_symlink() and path.resolve() != links[path].resolve():
            path.unlink()


def _link(link: Path, file: Path) -> None:
    """Make a relative link, or a copy where the file system has no links."""
    target = os.path.relpath(file, link.parent)
    try:
        if os.readlink(link) == target:
            return
    except OSError:  # no link
        link.parent.mkdir(parents=True, exist_ok=True)
    new = link.with_name(f".{link.name}.{os.getpid()}")
    try:
        os.symlink(target, new)
    except OSError:
        shutil.copyfile(file, new)
    os.replace(new, link)
