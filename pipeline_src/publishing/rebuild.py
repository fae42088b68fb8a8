"""Tables, claims, figures and the report of a published experiment, made again without its data and networks."""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Iterable
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path
from threading import Lock

import numpy as np

from pipeline_src import outputs, processes
from pipeline_src.analysis.compare import ROUNDING
from pipeline_src.analysis.results import Results
from pipeline_src.analysis.run_cost import RunCost
from pipeline_src.data import catalog
from pipeline_src.errors import UserError, listed
from pipeline_src.figures import style
from pipeline_src.files import DIGITS, check_writable, write_json
from pipeline_src.pipeline.report import described
from pipeline_src.publishing.published import (
    FOLDER,
    Publication,
    alone,
    check_sources,
    compared,
    sources,
    statistic_file,
)

log = logging.getLogger(__name__)

REBUILT = Path("results/published-rebuilt")
PASSED_ON = ("printed.json", "metrics.json")  # from tables to the report and `dvc`, which others repeat
DECIMAL = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
ONE_REPORT = Lock()  # at a time: threads would take turns in writing two, after importing torch at once
LAST_DIGIT = 1.01 * 10 ** (1 - DIGITS)  # one more or less there, of 1.0000000


def rebuild_all(names: Iterable[str], cores: int = 1) -> None:
    """Make published experiments anew and compare them (`check_equal`), several at once in the same processes: what one
    process does at the end of an experiment leaves no core idle, and libraries are imported once.

    Raises:
        UserError: an experiment is not what is published; those that are being made are stopped.
    """
    # Largest first: a small one at the end fills the cores to the last.
    ordered = sorted(names, key=lambda name: len(Publication.read(FOLDER / name).files), reverse=True)
    with ExitStack() as stack:
        for name in ordered:
            stack.enter_context(alone(name))
        checked = {name: check_sources(FOLDER / name) for name in ordered}
        threads = stack.enter_context(ThreadPoolExecutor(cores))
        pool = stack.enter_context(processes.pool(cores))  # ends first, as threads wait for it
        try:
            for done in as_completed([threads.submit(_compared, *of, pool) for of in checked.items()]):
                done.result()
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise


def _compared(name: str, publication: Publication, pool: Executor) -> None:
    source, out = FOLDER / name, REBUILT / name
    rebuild(publication, source, out, pool)
    same, close = check_equal(source, out)
    rounded = f", {close} more but for rounding" if close else ""
    log.info("%s: %d files are equal to what is published%s. Report: %s", name, same, rounded, out / "report.html")


def rebuild_alone(source: Path, out: Path, cores: int = 1) -> None:
    """`rebuild` in so many processes of its own."""
    with processes.pool(cores) as pool:
        rebuild(check_sources(source), source, out, pool)


def rebuild(publication: Publication, source: Path, out: Path, pool: Executor) -> None:
    """Make all results of a published experiment.

    Args:
        publication: what `check_sources` read of it.
        source: its folder.
        out: a folder that is made anew: tables/, figures/, claims.json, claims.md, metrics.json, report.html.
        pool: processes that analyse data sets, draw figures and write tables.
    """
    check_writable(out.parent)
    with outputs.replaced(out) as new:
        _make(publication, source, new, pool)


def _make(publication: Publication, source: Path, out: Path, pool: Executor) -> None:
    from pipeline_src.figures.write import draw

    facts = publication.facts
    analysed = {part: pool.submit(_analyse, source, out, part) for part in facts.parts}
    for part, done in analysed.items():
        done.result()
        log.info("%s: %s analysed", facts.experiment, part)
    written = pool.submit(_write_numbers, source, out)
    draw(_results(publication, out), sources(facts, source), out / "figures", pool, style.save_for_page)
    written.result()
    with ONE_REPORT:
        _write_page(publication, out)
    for name in PASSED_ON:
        (out / "tables" / name).unlink()


def _write_numbers(source: Path, out: Path) -> None:
    """Tables, claims and metrics of what is analysed."""
    from pipeline_src.claims.write import write_claims
    from pipeline_src.tables.write import metrics_with_intervals, write_tables

    publication = Publication.read(source)
    results = _results(publication, out)
    write_tables(results, out / "tables")
    write_claims(results, sources(publication.facts, source).alphas, out)
    write_json(out / "metrics.json", metrics_with_intervals(results))


def _write_page(publication: Publication, out: Path) -> None:
    from pipeline_src.report.page import write_report

    write_report(
        _results(publication, out),
        tables=out / "tables",
        figures=out / "figures",
        out=out / "report.html",
        params=publication.params,
        made=publication.made,
        data=publication.data,
        described=described(publication.facts),
        command="snakemake --cores all published",
        published=True,
        task=_task(publication),
        claims=json.loads((out / "claims.json").read_text(encoding="utf-8")),
    )


def _task(publication: Publication) -> str:
    """What the training images show, in words; empty of a set that is not of the catalog."""
    entry = catalog.load({}).get(publication.params["data"]["train"]["set"])
    return catalog.tasks().get(entry.task, "") if entry else ""


def _results(publication: Publication, out: Path) -> Results:
    costs = {(run.pop("method"), run.pop("seed")): RunCost(**run) for run in map(dict, publication.costs)}
    files = {part: out / "analysis" / f"{part}.npz" for part in publication.facts.parts}
    return Results(publication.facts, files, costs=costs)


def _analyse(source: Path, out: Path, part: str) -> None:
    """Analyse the compact statistics of all runs on a data set."""
    from pipeline_src.analysis.analyse import analyse

    publication = Publication.read(source)
    statistics = {run: statistic_file(source, *run, part) for run in publication.facts.runs}
    groups = publication.groups.get(part)
    analyse(
        part,
        publication.facts.bins,
        statistics,
        _results(publication, out).files[part],
        note=publication.notes.get(part, ""),
        groups_of=None if groups is None else lambda ids: np.array(groups, np.int64),
    )


def check_equal(source: Path, out: Path) -> tuple[int, int]:
    """Compare what is published with what was rebuilt from it: all but drawings, whose bytes depend on fonts.

    Returns:
        The number of files that are equal byte by byte, and of those that differ by rounding.

    Raises:
        UserError: names the files that differ.
    """
    old, new = compared(source), compared(out)
    other = [f"{file} is not made any more" for file in sorted(old - new)]
    other += [f"{file} is not published" for file in sorted(new - old)]
    close = 0
    for file in sorted(old & new):
        before, after = ((folder / file).read_bytes() for folder in (source, out))
        if before == after:
            continue
        if _close(*(content.decode(errors="replace") for content in (before, after))):
            close += 1
        else:
            other.append(f"{file} differs")
    if other:
        raise UserError(
            f"{source}: what is published is not what its statistics give today{listed(other)}",
            do=f"compare it with {out}; if the change is wanted: "
            f"dense-calibration publish --from-published --experiment {source.name}",
        )
    return len(old) - close, close


def _close(one: str, two: str) -> bool:
    """Whether two texts differ in numbers only, and in these by rounding: by one in the last digit."""
    if DECIMAL.split(one) != DECIMAL.split(two):
        return False
    pairs = zip(DECIMAL.findall(one), DECIMAL.findall(two), strict=True)
    return all(math.isclose(float(a), float(b), rel_tol=LAST_DIGIT, abs_tol=ROUNDING) for a, b in pairs)
