"""Tables, claims, figures and the report of a published experiment, made again without its data and networks."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import re
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from pipeline_src.analysis.compare import ROUNDING
from pipeline_src.analysis.facts import Facts
from pipeline_src.analysis.results import Results
from pipeline_src.errors import UserError, listed
from pipeline_src.figures.figure_types import Sources
from pipeline_src.files import check_writable, sha256, write_text

log = logging.getLogger(__name__)

PUBLISHED, REBUILT = Path("results/published"), Path("results/published-rebuilt")
EXPERIMENT = "experiment.json"
SOURCES = (EXPERIMENT, "statistics", "runs")  # what all else in the folder is made from
COMPARED = (".csv", ".json", ".md", ".tex")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


@dataclass(frozen=True)
class Publication:
    """What is published of an experiment besides statistics, histories and alphas.

    Attributes:
        facts: what the experiment consists of.
        notes: data set -> what readers of its numbers have to know of it.
        groups: data set -> the group of each of its images, where they are not independent.
        costs: what each run cost: `method`, `seed`, and the fields of a `RunCost` that were measured.
        params: its settings.
        made: versions, commit, machine and the like, by name.
        data: a row per data set: where its images are from, how many, and a hash of them.
        files: name -> SHA-256 of each file of statistics, histories and alphas.
        contracts: those of the evaluations, by job; what was published before they were kept has none.

    The file has a `digest` of all these beside them, by which an edit is found.
    """

    facts: Facts
    notes: Mapping[str, str]
    groups: Mapping[str, Sequence[int]]
    costs: Sequence[Mapping[str, Any]]
    params: Mapping[str, Any]
    made: Mapping[str, str]
    data: Sequence[Mapping[str, Any]]
    files: Mapping[str, str]
    contracts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Publication:
        """From the folder of a published experiment; UserError where there is none, or its file was edited."""
        file = folder / EXPERIMENT
        try:
            content = json.loads(file.read_bytes())
            of = TypeAdapter(cls).validate_python(content)
            found = "" if content.get("digest") == _digest(content) else "it is not what was published"
        except OSError as error:
            raise UserError(
                f"{folder} is no published experiment",
                found=error,
                expected=f"one of: {', '.join(published()) or 'none'}",
                do=f"git checkout -- {folder}, or: dense-calibration publish --experiment {folder.name}",
            ) from None
        except ValidationError as error:
            first = error.errors()[0]
            found = f"{'.'.join(map(str, first['loc']))}: {first['msg']}".lstrip(": ")
        except (ValueError, RecursionError) as error:  # no UTF-8, no JSON, or brackets without an end
            found = f"Invalid JSON: {error}"
        if found:
            raise UserError(
                f"{file} was altered",
                found=found,
                expected="the file that `dense-calibration publish` wrote, with the digest in its last line",
                do=f"git checkout -- {file}",
            )
        return of

    def text(self) -> str:
        """As `read` reads it."""
        content = TypeAdapter(type(self)).dump_python(self, mode="json")
        return json.dumps(content | {"digest": _digest(content)}, indent=1, ensure_ascii=False) + "\n"


def _digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of the content of an experiment.json but for its digest."""
    plain = {key: value for key, value in content.items() if key != "digest"}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def published() -> list[str]:
    """The names of all published experiments."""
    return sorted(folder.name for folder in PUBLISHED.glob("*") if folder.is_dir())


def statistic_file(folder: Path, method: str, seed: int, part: str) -> Path:
    """The compact statistic of a run on a data set."""
    return folder / "statistics" / method / f"seed{seed}" / f"{part}.npz"


def source_files(facts: Facts, folder: Path) -> set[Path]:
    """All files that what else is published is made from."""
    statistics = {statistic_file(folder, *run, part) for run in facts.runs for part in facts.parts}
    runs = {of: run_folder(folder, *of) for of in facts.runs}
    histories = {runs[method, seed] / "history.csv" for method, seed in runs if method in facts.trained}
    alphas = {runs[method, seed] / "alpha.csv.xz" for method, seed in runs if method in facts.learned}
    return {folder / EXPERIMENT} | statistics | histories | alphas


def source_digests(facts: Facts, folder: Path) -> dict[str, str]:
    """`Publication.files` as they are in a folder."""
    files = sorted(source_files(facts, folder) - {folder / EXPERIMENT})
    return {file.relative_to(folder).as_posix(): sha256(file) for file in files}


def check_sources(folder: Path) -> Publication:
    """What is published; UserError where files lack, were altered or do not belong, among those that all else is made
    from."""
    of = Publication.read(folder)
    wanted = source_files(of.facts, folder)
    found = {file for name in SOURCES for file in [folder / name, *(folder / name).rglob("*")] if file.is_file()}
    wrong = [f"{file} is missing" for file in sorted(wanted - found)]
    wrong += [f"{file} does not belong there" for file in sorted(found - wanted)]
    digests = source_digests(of.facts, folder) if not wrong else of.files
    wrong += [f"{folder / name} was altered" for name in sorted(digests) if digests[name] != of.files.get(name)]
    if wrong:
        raise UserError(
            f"{folder} is not what was published{listed(wrong)}",
            expected="experiment.json, a statistic for each run and data set, histories and alphas",
            do=f"git checkout -- {folder}, and remove what git does not know there",
        )
    return of


def run_folder(folder: Path, method: str, seed: int) -> Path:
    """What is published of a training run."""
    return folder / "runs" / method / f"seed{seed}"


def rebuild(source: Path, out: Path, cores: int = 1) -> None:
    """Make all results of a published experiment.

    Args:
        source: its folder.
        out: a folder that is made anew: tables/, figures/, claims.json, claims.md, metrics.json, report.html.
        cores: processes that analyse data sets and draw figures.
    """
    from pipeline_src.claims.main import write_claims
    from pipeline_src.figures.main import write_figures
    from pipeline_src.report import write_report
    from pipeline_src.tables.cost import RunCost
    from pipeline_src.tables.main import metrics_with_intervals, write_tables

    of = check_sources(source)
    check_writable(out.parent)
    results, sources = _results(of.facts, out), _sources(of.facts, source)
    shutil.rmtree(out, ignore_errors=True)
    with ProcessPoolExecutor(cores, get_context("spawn")) as pool:
        analysed = {part: pool.submit(_analyse, source, out, part) for part in of.facts.parts}
        for part, done in analysed.items():
            done.result()
            log.info("%s: %s analysed", source.name, part)
        shares = [slice(first, None, cores) for first in range(cores)]
        drawn = [pool.submit(write_figures, results, sources, out / "figures", share) for share in shares]
        costs = {(run.pop("method"), run.pop("seed")): RunCost(**run) for run in map(dict, of.costs)}
        write_tables(results, out / "tables", costs)
        write_claims(results, sources.alphas, out)
        metrics = json.dumps(metrics_with_intervals(results), indent=1, ensure_ascii=False)
        write_text(out / "metrics.json", metrics + "\n")
        for done in drawn:
            done.result()
    write_report(
        results,
        tables=out / "tables",
        figures=out / "figures",
        out=out / "report.html",
        params=of.params,
        made=of.made,
        data=of.data,
        command="snakemake --cores all published",
        claims=json.loads((out / "claims.json").read_text(encoding="utf-8")),
    )


def _results(facts: Facts, out: Path) -> Results:
    return Results(facts, {part: out / "analysis" / f"{part}.npz" for part in facts.parts})


def _sources(facts: Facts, source: Path) -> Sources:
    """Histories and alphas; there are no images."""
    runs = {run: run_folder(source, *run) for run in facts.runs}
    return Sources(
        alphas={run: folder / "alpha.csv.xz" for run, folder in runs.items() if run[0] in facts.learned},
        histories={run: folder / "history.csv" for run, folder in runs.items() if run[0] in facts.trained},
    )


def _analyse(source: Path, out: Path, part: str) -> None:
    """Analyse the compact statistics of all runs on a data set."""
    from pipeline_src.analysis.analyse import analyse

    of = Publication.read(source)
    statistics = {run: statistic_file(source, *run, part) for run in of.facts.runs}
    groups = of.groups.get(part)
    analyse(
        part,
        of.facts.bins,
        statistics,
        _results(of.facts, out).files[part],
        note=of.notes.get(part, ""),
        groups_of=None if groups is None else lambda ids: np.array(groups, np.int64),
    )


def check_equal(source: Path, out: Path) -> tuple[int, int]:
    """Compare what is published with what was made of it: all but drawings, whose bytes depend on fonts.

    Returns:
        The number of files that are equal byte by byte, and of those that differ by rounding.

    Raises:
        UserError: names the files that differ.
    """
    old, new = _compared(source), _compared(out)
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


def _compared(folder: Path) -> set[Path]:
    """The files below a folder that are compared."""
    files = (file.relative_to(folder) for file in folder.rglob("*") if file.suffix in COMPARED)
    return {file for file in files if file.parts[0] not in SOURCES}


def _close(one: str, two: str) -> bool:
    """Whether two texts differ in numbers only, and in these by rounding."""
    if NUMBER.split(one) != NUMBER.split(two):
        return False
    pairs = zip(NUMBER.findall(one), NUMBER.findall(two), strict=True)
    return all(math.isclose(float(a), float(b), rel_tol=ROUNDING, abs_tol=ROUNDING) for a, b in pairs)
