"""Experiments that cannot be compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bad_input import BadInput, refusals, run
from made_published import FACTS, publish
from made_statistics import counted, varied
from project import copy
from typer.testing import CliRunner

from pipeline_src.cli.main import app

ONE, TWO = "results/published/one", "results/published/two"


def quick(method: str, seed: int, part: str):
    return counted(varied(2), whole=False)


def two(**other) -> Callable[[Path], None]:
    """Makes two published experiments, the second of other facts."""

    def make(folder: Path) -> None:
        publish("one", statistic=quick)
        publish("two", replace(FACTS, **other), quick)

    return make


def row(
    name: str, fault: str, make: Callable[[Path], None], words: tuple[str, ...], what: str, **parts: str
) -> BadInput:
    happens = "nothing is compared, and the message says what is there"
    return BadInput(
        name, fault, lambda _: run("compare", *words, "--cores", "1"), what, make=make, happens=happens, **parts
    )


def altered(folder: Path) -> None:
    two()(folder)
    (folder / TWO / "runs/slp/seed0/history.csv").write_text("epoch\n2\n")


def edited(folder: Path) -> None:
    """A data set has no hash any more."""
    two()(folder)
    file = folder / TWO / "experiment.json"
    file.write_text(file.read_text().replace('"hash"', '"hush"'))


ROWS = [
    row(
        "compare-unknown",
        "an experiment to compare that there is not",
        copy,
        ("results/published/one", "tiny"),
        "results/published/one is not a published experiment",
        expected="one of",
    ),
    row(
        "compare-misspelt",
        "a misspelt experiment to compare",
        copy,
        ("tinny", "tiny"),
        "tinny is neither a published experiment nor one of params.yaml",
        found="no such folder",
        expected="tiny",
    ),
    row(
        "compare-foreign-folder",
        "a folder to compare that holds no published experiment",
        copy,
        ("workflow", "tiny"),
        "workflow is neither a published experiment",
        found="a folder without experiment.json",
        do="publish",
    ),
    row(
        "compare-not-run",
        "an experiment to compare that was not run",
        copy,
        ("tiny", "tiny"),
        "tiny: nothing of it is finished and current",
        found=r"0 of \d+ evaluations",
        do="snakemake --cores all --config experiment=tiny",
    ),
    row(
        "compare-altered",
        "a published experiment to compare of which a file was altered",
        altered,
        (ONE, TWO),
        r"two is not what was published\s+- .*history.csv was altered",
        do="git checkout",
    ),
    row(
        "compare-edited",
        "a published experiment to compare whose experiment.json was edited",
        edited,
        (ONE, TWO),
        r"two/experiment\.json was altered",
        found="not what was published",
        expected="digest",
        do="git checkout",
    ),
    row(
        "compare-other-bins",
        "two experiments with different bins",
        two(bins=15),
        (ONE, TWO),
        "one and results/published/two have different bins",
        found="10 and 15",
        do="evaluation.bins",
    ),
    row(
        "compare-nothing-in-common",
        "two experiments without a method or data set in common",
        two(parts={"others": "id"}),
        (ONE, TWO),
        "have no result in common",
        found="photos(.|\n)*others",
    ),
    row(
        "compare-json-below-a-file",
        "`--json` below a file",
        two(),
        (ONE, TWO, "--json", f"{ONE}/experiment.json/a.json"),
        r"experiment.json cannot be a folder, and a\.json belongs into",
        found="a file",
        do="move",
    ),
    row(
        "compare-no-seed-in-common",
        "a check of runs that have no seed in common",
        two(seeds=(1,)),
        (ONE, TWO, "--within", "0"),
        "have no result in common",
        found="seeds 0(.|\n)*seeds 1",
        expected="with the same seed",
    ),
]


def test_a_folder_is_no_file_to_write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["compare", ONE, TWO, "--json", "."])
    assert done.exit_code == 2 and "'--json'" in done.output and "directory" in done.output


test_it_is_refused = refusals(ROWS)
