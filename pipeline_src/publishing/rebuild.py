"""Tables, claims and the report of published experiments, recomputed from their counts without data and networks."""

from __future__ import annotations

import json
import logging
import math
import re
import shutil
from collections.abc import Iterable
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from pathlib import Path
from threading import Lock
from zipfile import ZipFile

import numpy as np

from pipeline_src import outputs, processes
from pipeline_src.analysis.results import Results
from pipeline_src.data import catalog
from pipeline_src.errors import UserError, listed
from pipeline_src.figures import style
from pipeline_src.files import DIGITS, check_writable, write_json
from pipeline_src.pipeline.report import described
from pipeline_src.publishing.published import (
    COMPUTED,
    FOLDER,
    TABLES,
    Publication,
    PublishedCounts,
    checked,
    pack,
    sources,
)

log = logging.getLogger(__name__)

REBUILT = Path("results/published-rebuilt")
REPORT = "report.html"
WITH_REPORT = ("evidence", "mini_seeds")  # whose report is in the repository
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
TOLERANCE = 1e-9
LAST_DIGIT = 1.01 * 10 ** (1 - DIGITS)  # one more or less in the last digit that is written, of 1.0000000
ONE_REPORT = Lock()  # at a time: threads would take turns in writing two


def rebuild_all(names: Iterable[str], cores: int = 1, write: bool = False) -> None:
    """Recompute published experiments, several at once in the same processes.

    Args:
        cores: processes.
        write: replace the published files by the recomputed ones; else compare both.

    Raises:
        UserError: a source was altered, or a recomputed number differs; what is under way is stopped.
    """
    check_writable(REBUILT)
    # Largest first: a small experiment at the end fills the cores to the last.
    published = {name: checked(FOLDER / name) for name in names}
    ordered = sorted(published, key=lambda name: -len(published[name].facts.runs) * len(published[name].facts.parts))
    with (
        ThreadPoolExecutor(cores) as threads,
        processes.pool(cores) as pool,
    ):  # the pool ends first: threads wait for it
        try:
            for done in as_completed([threads.submit(_rebuild, name, pool, write) for name in ordered]):
                done.result()
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise


def _rebuild(name: str, pool: Executor, write: bool) -> None:
    with outputs.replaced(REBUILT / name) as out:
        recompute(FOLDER / name, out, pool)
    if write:
        replace_computed(FOLDER / name, REBUILT / name)
        log.info("%s: the computed files are replaced", name)
        return
    if wrong := differing(FOLDER / name, REBUILT / name):
        raise UserError(
            f"{FOLDER / name}: published numbers are not what its counts give today",
            found=listed(wrong),
            fix=f"compare with {REBUILT / name}; if the change is wanted: "
            f"dense-calibration rebuild --write --experiment {name}",
        )
    log.info("%s: all numbers are equal to the published ones. Report: %s", name, REBUILT / name / REPORT)


def recompute(folder: Path, out: Path, pool: Executor, report: bool = True) -> None:
    """Write `published.COMPUTED` and the report of a published experiment into `out`."""
    from pipeline_src.figures.registry import draw

    publication = Publication.read(folder)
    read = sources(publication.facts, folder, out / "runs")
    for done in [pool.submit(_analyse, folder, out, part) for part in publication.facts.parts]:
        done.result()
    written = pool.submit(_write_numbers, folder, out)
    if report:
        draw(_results(publication, out), read, out / "figures", pool, style.save_for_page)
    written.result()
    if report:
        with ONE_REPORT:
            _write_page(publication, out)


def replace_computed(folder: Path, out: Path) -> None:
    """Replace the computed files of a published experiment by those in `out`."""
    for name in (*COMPUTED, *[REPORT] * (folder.name in WITH_REPORT)):
        shutil.copyfile(out / name, folder / name)
    Publication.read(folder).write(folder)


def differing(folder: Path, out: Path) -> list[str]:
    """The computed files that are not as published, but for rounding; each with the first difference."""
    wrong = []
    for name in COMPUTED:
        before, after = _texts(folder / name), _texts(out / name)
        for member in before | after:
            if found := difference(before.get(member, ""), after.get(member, "")):
                wrong.append(f"{name}: {found}")
    return wrong


def _texts(file: Path) -> dict[str, str]:
    """The texts of a computed file, by their names if it is an archive."""
    if file.suffix != ".zip" or not file.is_file():
        return {"": file.read_text(encoding="utf-8")} if file.is_file() else {}
    with ZipFile(file) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def difference(published: str, computed: str) -> str:
    """Return where two texts differ by more than rounding; empty if they agree."""
    if published == computed:
        return ""
    words = [NUMBER.split(text) for text in (published, computed)]
    if words[0] != words[1]:
        first = next((pair for pair in zip(*words, strict=False) if pair[0] != pair[1]), ("", "more text"))
        return f"{first[0][-60:]!r} is {first[1][-60:]!r}"
    for before, after in zip(NUMBER.findall(published), NUMBER.findall(computed), strict=True):
        if not math.isclose(float(before), float(after), rel_tol=LAST_DIGIT, abs_tol=TOLERANCE):
            return f"{before} is {after}"
    return ""


def _analyse(folder: Path, out: Path, part: str) -> None:
    """Analyse the published counts of all runs on a data set."""
    from pipeline_src.analysis.analyse import analyse

    publication = Publication.read(folder)
    groups = publication.groups.get(part)
    analyse(
        part,
        publication.facts.bins,
        PublishedCounts(publication, folder, part),
        _results(publication, out).files[part],
        note=publication.notes.get(part, ""),
        groups_of=None if groups is None else lambda ids: np.array(groups, np.int64),
    )


def _write_numbers(folder: Path, out: Path) -> None:
    """Write `published.COMPUTED` of what was analysed."""
    from pipeline_src.claims.write import write_claims
    from pipeline_src.tables.write import metrics_with_intervals, write_tables

    publication = Publication.read(folder)
    results, tables = _results(publication, out), out / "tables"
    write_tables(results, tables)
    write_claims(results, sources(publication.facts, folder, out / "runs").alphas, out)
    write_json(out / "metrics.json", metrics_with_intervals(results))
    pack({file.name: file.read_bytes() for file in sorted(tables.glob("*.csv"))}, out / TABLES)
    pages = sorted(tables.glob("*.md"), key=lambda file: (file.stem != "main", len(file.stem), file.stem))
    texts = [f"## {file.stem}\n\n{file.read_text(encoding='utf-8').strip()}\n" for file in pages]
    (out / "tables.md").write_text("\n".join(texts), encoding="utf-8")


def _write_page(publication: Publication, out: Path) -> None:
    from pipeline_src.report.page import write_report

    entry = catalog.load({}).get(publication.params["data"]["train"]["set"])
    write_report(
        _results(publication, out),
        tables=out / "tables",
        figures=out / "figures",
        out=out / REPORT,
        params=publication.params,
        made=publication.made,
        data=publication.data,
        described=described(publication.facts),
        command="snakemake --cores all published",
        published=True,
        task=catalog.tasks().get(entry.task, "") if entry else "",
        claims=json.loads((out / "claims.json").read_text(encoding="utf-8")),
    )


def _results(publication: Publication, out: Path) -> Results:
    files = {part: out / "analysis" / f"{part}.npz" for part in publication.facts.parts}
    return Results(publication.facts, files, costs=publication.run_costs())
