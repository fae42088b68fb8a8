"""Tables, claims and reports of published experiments, recomputed from their counts without data and networks."""

from __future__ import annotations

import json
import logging
import math
import re
import shutil
from collections.abc import Iterable
from concurrent.futures import Executor, Future
from pathlib import Path
from zipfile import ZipFile

import numpy as np

from pipeline_src import processes
from pipeline_src.analysis.results import Results
from pipeline_src.data import catalog
from pipeline_src.errors import UserError, listed
from pipeline_src.files import DIGITS
from pipeline_src.pipeline.steps.report import method_descriptions
from pipeline_src.publishing.published import (
    COMPUTED,
    FOLDER,
    TABLES,
    Publication,
    PublishedCounts,
    checked,
    pack,
    run_folders,
)

log = logging.getLogger(__name__)

REBUILT = Path("results/published-rebuilt")
REPORT = "report.html"
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
TOLERANCE = 1e-9
LAST_DIGIT = 1.01 * 10 ** (
    1 - DIGITS
)  # relative difference of one unit in the last digit that is written


def rebuild_all(
    names: Iterable[str], cores: int = 1, write: bool = False, report: bool = False
) -> None:
    """Recompute published experiments in parallel.

    Args:
        cores: processes.
        write: replace the published files by the recomputed ones, instead of comparing them.
        report: write report.html for each experiment.

    Raises:
        UserError: a source was altered, or a recomputed number differs.
    """
    published = {name: checked(FOLDER / name) for name in names}
    # Largest first: a small experiment at the end fills the cores to the last.
    ordered = sorted(
        published,
        key=lambda name: -len(published[name].facts.runs) * len(published[name].facts.parts),
    )
    for name in ordered:
        shutil.rmtree(REBUILT / name, ignore_errors=True)
    with processes.pool(cores) as pool:
        analyses = {name: _submit_analyses(FOLDER / name, REBUILT / name, pool) for name in ordered}
        numbers = {
            name: _submit_numbers(FOLDER / name, REBUILT / name, analyses[name], pool)
            for name in ordered
        }
        for name in ordered:
            numbers[name].result()
            if report or (write and (FOLDER / name / REPORT).exists()):
                rebuild_report(FOLDER / name, REBUILT / name)
                log.info("%s: report: %s", name, REBUILT / name / REPORT)
            _replace_or_compare(name, write)


def _replace_or_compare(name: str, write: bool) -> None:
    if write:
        replace_computed(FOLDER / name, REBUILT / name)
        log.info("%s: the computed files are replaced", name)
        return
    if wrong := differing(FOLDER / name, REBUILT / name):
        raise UserError(
            f"{FOLDER / name}: published numbers differ from those of its counts",
            found=listed(wrong),
            fix=f"compare with {REBUILT / name}; if the change is intended: "
            f"dense-calibration rebuild --write --experiment {name}",
        )
    log.info("%s: all numbers are equal to the published ones", name)


def recompute(folder: Path, out: Path, pool: Executor, report: bool = False) -> None:
    """Write `published.COMPUTED` of a published experiment, and its report if requested, into `out`."""
    _submit_numbers(folder, out, _submit_analyses(folder, out, pool), pool).result()
    if report:
        rebuild_report(folder, out)


def _submit_analyses(folder: Path, out: Path, pool: Executor) -> list[Future[None]]:
    return [
        pool.submit(_analyse, folder, out, part) for part in Publication.read(folder).facts.parts
    ]


def _submit_numbers(
    folder: Path, out: Path, analyses: Iterable[Future[None]], pool: Executor
) -> Future[None]:
    for analysis in analyses:
        analysis.result()
    return pool.submit(_write_numbers, folder, out)


def replace_computed(folder: Path, out: Path) -> None:
    """Replace the computed files of a published experiment, and its report if it has one, by those in `out`."""
    for name in (*COMPUTED, *[REPORT] * (folder / REPORT).exists()):
        shutil.copyfile(out / name, folder / name)
    Publication.read(folder).write(folder)


def differing(folder: Path, out: Path) -> list[str]:
    """Return the computed files that differ by more than rounding, each with the first difference."""
    wrong = []
    for name in COMPUTED:
        published, computed = _texts(folder / name), _texts(out / name)
        for member in published | computed:
            if found := difference(published.get(member, ""), computed.get(member, "")):
                wrong.append(f"{name}: {found}")
    return wrong


def _texts(file: Path) -> dict[str, str]:
    """Return the text of a computed file, or the texts in an archive, by name; UserError if it is damaged."""
    if not file.is_file():
        return {}
    try:
        if file.suffix != ".zip":
            return {"": file.read_text(encoding="utf-8")}
        with ZipFile(file) as archive:
            return {name: archive.read(name).decode() for name in archive.namelist()}
    except Exception as error:  # anything that damaged bytes make zip and xz raise
        raise UserError(
            f"{file} cannot be read",
            found=f"{type(error).__name__}: {error}",
            fix=f"git checkout -- {file}",
        ) from error


def difference(published: str, computed: str) -> str:
    """Return the first difference of two texts by more than rounding; empty if they agree."""
    if published == computed:
        return ""
    words = [NUMBER.split(text) for text in (published, computed)]
    if words[0] != words[1]:
        first = next(
            (pair for pair in zip(*words, strict=False) if pair[0] != pair[1]), ("", "more text")
        )
        return f"{first[0][-60:]!r} is {first[1][-60:]!r}"
    for a, b in zip(NUMBER.findall(published), NUMBER.findall(computed), strict=True):
        if not math.isclose(float(a), float(b), rel_tol=LAST_DIGIT, abs_tol=TOLERANCE):
            return f"{a} is {b}"
    return ""


def _analyse(folder: Path, out: Path, part: str) -> None:
    """Analyse the published counts of all runs on a dataset."""
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
    """Write the files `published.COMPUTED` from the analyses."""
    from pipeline_src.claims.write import write_claims
    from pipeline_src.tables.write import write_tables

    publication = Publication.read(folder)
    results, tables = _results(publication, out), out / "tables"
    write_tables(results, tables)
    write_claims(results, run_folders(publication.facts, folder, out / "runs"), out)
    shutil.copyfile(tables / "metrics.json", out / "metrics.json")
    pack({file.name: file.read_bytes() for file in sorted(tables.glob("*.csv"))}, out / TABLES)
    pages = sorted(
        tables.glob("*.md"), key=lambda file: (file.stem != "main", len(file.stem), file.stem)
    )
    texts = [f"## {file.stem}\n\n{file.read_text(encoding='utf-8').strip()}\n" for file in pages]
    (out / "tables.md").write_text("\n".join(texts), encoding="utf-8")


def rebuild_report(folder: Path, out: Path) -> None:
    """Draw the figures and write report.html of a recomputed experiment into `out`."""
    from pipeline_src.figures.registry import draw
    from pipeline_src.report.page import write_report

    publication = Publication.read(folder)
    results, entry = (
        _results(publication, out),
        catalog.load({}).get(publication.params["data"]["train"]["set"]),
    )
    draw(results, run_folders(publication.facts, folder, out / "runs"), out / "figures", [".png"])
    write_report(
        results,
        figures=out / "figures",
        out=out / REPORT,
        params=publication.params,
        provenance=publication.made,
        data=publication.data,
        described=method_descriptions(publication.facts),
        command="snakemake --cores all published",
        task=catalog.tasks().get(entry.task, "") if entry else "",
        claims=json.loads((out / "claims.json").read_text(encoding="utf-8")),
    )


def _results(publication: Publication, out: Path) -> Results:
    files = {part: out / "analysis" / f"{part}.npz" for part in publication.facts.parts}
    return Results(publication.facts, files)
