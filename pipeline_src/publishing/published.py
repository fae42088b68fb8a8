"""The folder of a published experiment: what is in it, and whether it is what was published."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pipeline_src import locks, outputs
from pipeline_src.analysis.facts import Facts
from pipeline_src.errors import UserError, listed
from pipeline_src.figures.types import Sources
from pipeline_src.files import sha256, sha256_without

FOLDER, STAGING = Path("results/published"), Path("results/.published")
EXPERIMENT = "experiment.json"
DIGEST = "digest"  # the key in it
OVERVIEW = "overview"  # the folder of what spans the published experiments
TABLE = re.compile(r"^<!-- published: (.+?) -->$", re.MULTILINE)  # of what is published, in a page
COMPARED = (".csv", ".json", ".md", ".tex")
SOURCES = (EXPERIMENT, "statistics", "runs")  # what all else in the folder is made from


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
        results: name -> SHA-256 of each table, verdict and number of a figure computed from these; the same.

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
    results: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Publication:
        """From the folder of a published experiment; UserError where there is none, or its file was edited."""
        file = folder / EXPERIMENT
        try:
            content = json.loads(file.read_bytes())
            publication = TypeAdapter(cls).validate_python(content)
            problem = "" if content.get(DIGEST) == sha256_without(DIGEST, content) else "it is not what was published"
        except OSError as error:
            aside = outputs.aside(folder, STAGING)
            stopped = aside.exists() and not folder.exists()
            again = f"dense-calibration publish --from-published --experiment {folder.name}"
            raise UserError(
                f"{folder} is not a published experiment",
                found=f"{aside}, where a `publish` that was stopped had put it" if stopped else error,
                expected=f"one of: {', '.join(names()) or 'none'}",
                do=f"{again}, which puts it back"
                if stopped
                else f"git checkout -- {folder}, or: dense-calibration publish --experiment {folder.name}",
            ) from None
        except ValidationError as error:
            first = error.errors()[0]
            problem = f"{'.'.join(map(str, first['loc']))}: {first['msg']}".lstrip(": ")
        except (ValueError, RecursionError) as error:  # no UTF-8, no JSON, or brackets without an end
            problem = f"Invalid JSON: {error}"
        if problem:
            raise UserError(
                f"{file} was altered",
                found=problem,
                expected="the file that `dense-calibration publish` wrote, with the digest in its last line",
                do=f"git checkout -- {file}",
            )
        return publication

    def text(self) -> str:
        """As `read` reads it."""
        content = TypeAdapter(type(self)).dump_python(self, mode="json")
        return json.dumps(content | {DIGEST: sha256_without(DIGEST, content)}, indent=1, ensure_ascii=False) + "\n"


def names() -> list[str]:
    """The names of all published experiments, those among them that a stopped `publish` left moved aside."""
    there = {folder.name for folder in FOLDER.glob("*") if folder.is_dir() and folder.name != OVERVIEW}
    return sorted(there.union(outputs.set_aside(STAGING)))


def checked_names() -> list[str]:
    """`names`; UserError where an experiment is not there that a page, or the table of all of them (T5), names."""
    table, pages = FOLDER / OVERVIEW / "T5.csv", (Path("README.md"), *sorted(Path("docs").rglob("*.md")))
    texts = {file: file.read_text(encoding="utf-8", errors="replace") for file in (*pages, table) if file.is_file()}
    rows = csv.DictReader(texts.pop(table, "").splitlines())
    named = {name: table for row in rows if (name := row.get("experiment"))}
    named |= {name: page for page, text in texts.items() for name in _named(text)}
    there = names()
    if lost := [f"{FOLDER / name}, which {file} names" for name, file in sorted(named.items()) if name not in there]:
        raise UserError(
            "what is published is not whole",
            found=listed(lost),
            expected=f"each experiment that README.md, docs/ or {table} names",
            do=f"git checkout -- {FOLDER}, or publish it again; of one that is to go, remove its tables from the pages",
        )
    return there


def _named(page: str) -> Iterator[str]:
    """The experiments of the comments before a page's tables (docs/make/published_tables.py)."""
    for comment in TABLE.findall(page):
        match comment.split():
            case ["differences", _, *pairs]:
                yield from (side.partition(":")[0] for pair in pairs for side in pair.split("/"))
            case [name, "verdicts", _, *more]:
                yield from {name, *more} - {OVERVIEW}
            case [name, *_]:
                yield name


def alone(name: str) -> AbstractContextManager[None]:
    """Hold the lock of a published experiment, in which it is published, or made again and compared."""
    folder = FOLDER / name
    return locks.alone(str(folder), STAGING / f"{name}.lock")


def statistic_file(folder: Path, method: str, seed: int, part: str) -> Path:
    """The compact statistic of a run on a data set."""
    return folder / "statistics" / method / f"seed{seed}" / f"{part}.npz"


def source_files(facts: Facts, folder: Path) -> set[Path]:
    """All files that what else is published is made from."""
    statistics = {statistic_file(folder, *run, part) for run in facts.runs for part in facts.parts}
    of_runs = sources(facts, folder)
    return {folder / EXPERIMENT, *statistics, *of_runs.alphas.values(), *of_runs.histories.values()}


def sources(facts: Facts, folder: Path) -> Sources:
    """Alphas and histories, as figures are made from them; there are no images."""
    runs = {run: run_folder(folder, *run) for run in facts.runs}
    return Sources(
        alphas={run: place / "alpha.csv.xz" for run, place in runs.items() if run[0] in facts.learned},
        histories={run: place / "history.csv" for run, place in runs.items() if run[0] in facts.trained},
    )


def source_digests(facts: Facts, folder: Path) -> dict[str, str]:
    """`Publication.files` as they are in a folder."""
    files = sorted(source_files(facts, folder) - {folder / EXPERIMENT})
    return {file.relative_to(folder).as_posix(): sha256(file) for file in files}


def check_sources(folder: Path) -> Publication:
    """What is published; UserError where files lack, were altered or do not belong, among those that all else is made
    from."""
    publication = Publication.read(folder)
    wanted = source_files(publication.facts, folder)
    present = {file for name in SOURCES for file in [folder / name, *(folder / name).rglob("*")] if file.is_file()}
    wrong = [f"{file} is missing" for file in sorted(wanted - present)]
    wrong += [f"{file} does not belong there" for file in sorted(present - wanted)]
    expected = publication.files
    digests = source_digests(publication.facts, folder) if not wrong else expected
    wrong += [f"{folder / name} was altered" for name in sorted(digests) if digests[name] != expected.get(name)]
    if wrong:
        raise UserError(
            f"{folder} is not what was published{listed(wrong)}",
            expected="experiment.json, a statistic for each run and data set, histories and alphas",
            do=f"git checkout -- {folder}, and remove what git does not know there",
        )
    return publication


def compared(folder: Path) -> set[Path]:
    """The files below a folder, by their names in it, that are computed from the sources and compared when they are
    rebuilt: all but drawings and pages, whose bytes depend on fonts and dates."""
    files = (file.relative_to(folder) for file in folder.rglob("*") if file.suffix in COMPARED)
    return {file for file in files if file.parts[0] not in SOURCES}


def result_digests(folder: Path) -> dict[str, str]:
    """`Publication.results` as they are in a folder."""
    return {file.as_posix(): sha256(folder / file) for file in sorted(compared(folder))}


def check_results(folder: Path) -> None:
    """UserError where a file computed from the published sources is not as it was published."""
    expected, there = Publication.read(folder).results, result_digests(folder)
    if altered := [folder / name for name in expected if there.get(name) != expected[name]]:
        raise UserError(
            f"{altered[0]} is not what was published",
            found=f"missing or altered:{listed(altered)}",
            expected=f"the files whose digests are in {folder / EXPERIMENT}",
            do=f"git checkout -- {folder}, or make them again: "
            f"dense-calibration publish --from-published --experiment {folder.name}",
        )


def run_folder(folder: Path, method: str, seed: int) -> Path:
    """What is published of a training run."""
    return folder / "runs" / method / f"seed{seed}"
