"""What no experiment of params.yaml wants any more."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from pipeline_src.engine import cache
from pipeline_src.engine.cache import Leftover
from pipeline_src.engine.job import Job, is_stamp
from pipeline_src.engine.stamp import Stamp
from pipeline_src.errors import UserError
from pipeline_src.params.load import downloads
from pipeline_src.params.schema import Params
from pipeline_src.steps import overview, prepare
from pipeline_src.steps.build import build

log = logging.getLogger(__name__)
TOPS = (Path("data"), Path("results"))


def leftovers(params: Params) -> tuple[list[Leftover], list[Leftover]]:
    """All that no experiment wants, in folders of results and in the cache. What an experiment has that can't be read
    today is left alone."""
    jobs: dict[str, list[Job]] = {"overview": [overview.job(params)]}
    unread = {}
    for name in params.experiments:
        try:
            jobs[name] = list(build(params, name).jobs.values())
        except UserError as error:
            unread[name] = str(error).split("\n")[0]
    wanted = {job.contract for group in jobs.values() for job in group}
    results = []
    for folder, stamps in _stamped(params):
        if folder.name in unread:
            log.warning("%s is left alone: %s", folder, unread[folder.name])
            wanted |= {path.suffix[1:] for path in stamps}
        elif folder.name in jobs:
            results += cache.unwanted_results(folder, jobs[folder.name])
        else:
            results.append(Leftover("of an experiment that is gone", [folder]))
    return results, [entry for top in TOPS for entry in cache.unwanted_entries(top, wanted)]


def _stamped(params: Params) -> Iterator[tuple[Path, list[Path]]]:
    """Folders with results, and the stamps in them."""
    others = {prepare.UNPACKED.resolve(), downloads(params).resolve()}
    for folder in (folder for top in TOPS for folder in sorted(top.glob("[!.]*")) if folder.is_dir()):
        if folder.resolve() not in others:
            stamps = [path for path in folder.rglob("*") if is_stamp(path) and Stamp.read(path)]
            if stamps:
                yield folder, stamps
