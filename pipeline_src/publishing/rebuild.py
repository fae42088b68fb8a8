"""Tables, claims and reports of published experiments, recomputed from their counts."""

from __future__ import annotations

import json
import logging
import math
import re
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from itertools import zip_longest
from pathlib import Path

import numpy as np

from pipeline_src import processes
from pipeline_src.analysis.results import Results
from pipeline_src.data import catalog
from pipeline_src.errors import UserError, check_name, listed
from pipeline_src.files import DIGITS
from pipeline_src.pipeline.steps.report import method_descriptions
from pipeline_src.processes import alone
from pipeline_src.publishing.archives import pack, readable, unpack
from pipeline_src.publishing.published import (
    COMPUTED,
    COUNTS,
    EXPERIMENT,
    FOLDER,
    LOCK,
    REPORT,
    TABLES,
    Publication,
    checked,
    published_counts,
    run_folders,
)
from pipeline_src.publishing.published import (
    names as published_names,
)

log = logging.getLogger(__name__)

REBUILT = Path("results/published-rebuilt")  # a folder for each experiment
# Ends of lines and numbers: `split` keeps the numbers, so numbers and texts of a line alternate.
NUMBER = re.compile(r"(?<=\n)|(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)")
TOLERANCE = 1e-9  # absolute difference of two numbers that count as equal
# Relative difference of two numbers that count as equal: one unit in the last of the `DIGITS`
# digits that files have, and a little for rounding.
LAST_DIGIT = 1.01 * 10 ** (1 - DIGITS)


@alone("results/published", LOCK)
def rebuild_all(
    names: Sequence[str], cores: int = 1, write: bool = False, report: bool = False
) -> None:
    """Recompute published experiments in parallel; wait while another process changes them.

    Args:
        cores: processes.
        write: replace the published files by the recomputed ones, instead of comparing them.
        report: write report.html for each experiment.

    Raises:
        UserError: a name is not that of a published experiment, a source was altered, or a
            recomputed number differs.
    """
    for name in names:  # before a folder of this name is removed below
        check_name(name, published_names(), f"{name} is not a published experiment")
        checked(FOLDER / name)
    places = {}
    # Largest first: if a large experiment were the last, most cores would wait for it.
    for name in sorted(names, key=lambda name: -(FOLDER / name / COUNTS).stat().st_size):
        shutil.rmtree(REBUILT / name, ignore_errors=True)
        places[FOLDER / name] = REBUILT / name
    with processes.pool(cores) as pool:
        recompute(places, pool)
    for folder, out in places.items():
        if report or (write and (folder / REPORT).exists()):
            rebuild_report(folder, out)
            log.info("%s: report: %s", folder.name, out / REPORT)
        _replace_or_compare(folder, out, write)
        # `report` shows the page in `out` only while this is the published experiment.
        shutil.copyfile(folder / EXPERIMENT, out / EXPERIMENT)


def _replace_or_compare(folder: Path, out: Path, write: bool) -> None:
    """Replace the computed files of a published experiment, or compare them with those in `out`.

    Args:
        folder: of the published experiment.
        out: the folder of the recomputed files.
        write: whether to replace the files.

    Raises:
        UserError: a number differs, and `write` is not set.
    """
    name = folder.name
    if write:
        replace_computed(folder, out)
        log.info("%s: the computed files are replaced", name)
        return
    wrong = differing(folder, out)
    if wrong:
        raise UserError(
            f"{folder}: published numbers differ from those of its counts",
            found=listed(wrong),
            fix=f"compare with {out}; if the change is intended: "
            f"dense-calibration rebuild --write --experiment {name}",
        )
    log.info("%s: all numbers are equal to the published ones", name)


def recompute(places: Mapping[Path, Path], pool: Executor) -> None:
    """Write the computed files (`published.COMPUTED`) of published experiments.

    First all datasets are analysed in parallel, then tables and claims are written.

    Args:
        places: folder of an experiment -> folder to write into.
    """
    analyses = []
    for folder, out in places.items():
        for split in Publication.read(folder).facts.splits:
            analyses.append(pool.submit(_analyse, folder, out, split))
    for analysis in analyses:
        analysis.result()  # wait, and raise its error
    list(pool.map(_write_numbers, places.keys(), places.values()))


def replace_computed(folder: Path, out: Path) -> None:
    """Replace the computed files of a published experiment by those in `out`, and its report if it
    has one; experiment.json gets their digests.
    """
    for name in (*COMPUTED, REPORT):
        if name != REPORT or (folder / REPORT).exists():
            shutil.copyfile(out / name, folder / name)
    Publication.read(folder).write(folder)


def differing(folder: Path, out: Path) -> list[str]:
    """Return a line for each text of a computed file (`COMPUTED`) that differs in two folders by
    more than rounding: the file's name and the first difference. An archive holds several texts.

    Args:
        folder: of the published experiment.
        out: the folder of the recomputed files.
    """
    wrong = []
    for name in COMPUTED:
        published = _texts(folder / name)
        computed = _texts(out / name)
        for member in published | computed:
            found = difference(published.get(member, ""), computed.get(member, ""))
            if found:
                wrong.append(f"{name}: {found}")
    return wrong


def _texts(file: Path) -> dict[str, str]:
    """Return the texts in an archive by name, or {"": text} for a file that is no archive; empty if
    there is no file.

    Raises:
        UserError: the file is damaged.
    """
    if not file.is_file():
        return {}
    with readable(file):
        if file.suffix != ".zip":
            return {"": file.read_text(encoding="utf-8")}
        return {name: content.decode() for name, content in unpack(file).items()}


def difference(published: str, computed: str) -> str:
    """Return the first difference of two texts by more than rounding, as "'1.5' is '1.6'":
    published text, computed text. It is empty if they agree.
    """
    if published == computed:
        return ""
    # Texts and numbers in turn, no number after the end of a line: texts must be equal, numbers
    # nearly equal.
    pieces = zip_longest(NUMBER.split(published), NUMBER.split(computed), fillvalue="")
    for place, (a, b) in enumerate(pieces):
        equal = a == b
        if place % 2 == 1 and a and b:
            equal = math.isclose(float(a), float(b), rel_tol=LAST_DIGIT, abs_tol=TOLERANCE)
        if not equal:
            return f"{a!r} is {b!r}"
    return ""


def _analyse(folder: Path, out: Path, split: str) -> None:
    """Write the analysis of a dataset below `out`: all metrics of all runs, from their published
    counts.
    """
    from pipeline_src.analysis.analyse import analyse

    publication = Publication.read(folder)
    groups = publication.groups.get(split)
    analyse(
        split,
        bins=publication.facts.bins,
        runs=published_counts(publication, folder, split),
        out=_results(publication, out).files[split],
        note=publication.notes.get(split, ""),
        groups_of=None if groups is None else lambda ids: np.array(groups, np.int64),
    )


def _write_numbers(folder: Path, out: Path) -> None:
    """Write the computed files (`published.COMPUTED`: metrics, tables, claims) of a published
    experiment into `out`, from the analyses below it.
    """
    from pipeline_src.claims.write import write_claims
    from pipeline_src.tables.registry import TABLE_FILES
    from pipeline_src.tables.write import write_tables

    publication = Publication.read(folder)
    results = _results(publication, out)
    tables = out / "tables"
    write_tables(results, tables)
    write_claims(results, run_folders(publication.facts, folder, out / "runs"), out)
    shutil.copyfile(tables / "metrics.json", out / "metrics.json")
    pack({file.name: file.read_bytes() for file in sorted(tables.glob("*.csv"))}, out / TABLES)
    texts = []
    for name in TABLE_FILES:
        if name.endswith(".md"):
            text = (tables / name).read_text(encoding="utf-8").strip()
            texts.append(f"## {name.removesuffix('.md')}\n\n{text}\n")
    (out / "tables.md").write_text("\n".join(texts), encoding="utf-8")


def rebuild_report(folder: Path, out: Path) -> None:
    """Draw the figures and write report.html of a recomputed experiment into `out`."""
    from pipeline_src.figures.registry import draw
    from pipeline_src.report.page import write_report

    publication = Publication.read(folder)
    results = _results(publication, out)
    entry = catalog.load({}).get(publication.params["data"]["train"]["set"])
    runs = run_folders(publication.facts, folder, out / "runs")
    draw(results, runs, out / "figures", [".png"])
    write_report(
        results,
        figures=out / "figures",
        out=out / REPORT,
        params=publication.params,
        provenance=publication.made,
        data=publication.data,
        described=method_descriptions(publication.facts),
        command=f"dense-calibration rebuild --report --experiment {publication.facts.experiment}",
        task=catalog.tasks().get(entry.task, "") if entry else "",
        claims=json.loads((out / "claims.json").read_bytes()),
    )


def _results(publication: Publication, out: Path) -> Results:
    """Return the results of an experiment whose analyses are below `out`."""
    files = {split: out / "analysis" / f"{split}.npz" for split in publication.facts.splits}
    return Results(publication.facts, files)
