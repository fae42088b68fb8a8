"""Published results that are not as they were published."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pages
from bad_input import BadInput, refusals, run

from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.files import write_text
from pipeline_src.publishing.published import Publication, result_digests, source_digests, source_files

FACTS = Facts("small", {"aslp": MethodFacts("aslp_mc", {}, learns=True)}, {"val": "val"}, seeds=(0,))
FOLDER = Path("results/published/small")
RESULTS = ("metrics.json", "claims.json", "tables/T1.csv")


def published(fault: Callable[[Path], object]) -> Callable[[Path], None]:
    """Makes a published experiment with a fault; contents play no part, since they are not reached."""

    def make(folder: Path) -> None:
        here = folder / FOLDER
        for file in source_files(FACTS, here):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(file.name.encode())
        costs, made = [{"method": "aslp", "seed": 0}], {"torch": "2.9.0"}
        (here / "tables").mkdir()
        for name in RESULTS:
            (here / name).write_text("1\n")
        digests = source_digests(FACTS, here)
        of = Publication(FACTS, {}, {}, costs, {}, made, [], digests, results=result_digests(here))
        (here / "experiment.json").write_text(of.text())
        fault(here)

    return make


def edit(name: str, old: str, new: str) -> Callable[[Path], object]:
    def broken(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return broken


def row(
    name: str, fault: str, broken: Callable[[Path], object], what: str, command: str = "rebuild", **parts: str
) -> BadInput:
    words = {"do": r"git checkout -- results/published/small"} | parts
    happens = f"`{command.partition(' ')[0]}` stops before it makes anything, and names the file"
    return BadInput(
        name,
        fault,
        lambda _: run(*command.split(), "-e", "small"),
        what,
        make=published(broken),
        happens=happens,
        **words,
    )


ROWS = [
    row(
        "flipped-statistic",
        "a flipped byte in a published statistic",
        edit("statistics/aslp/seed0/val.npz", "v", "w"),
        r"statistics/aslp/seed0/val\.npz was altered",
        expected="a statistic for each run",
    ),
    row(
        "flipped-alphas",
        "a flipped byte in published alphas",
        edit("runs/aslp/seed0/alpha.csv.xz", "a", "b"),
        r"alpha\.csv\.xz was altered",
    ),
    row(
        "edited-history",
        "an edited published history",
        edit("runs/aslp/seed0/history.csv", "h", "H"),
        r"runs/aslp/seed0/history\.csv was altered",
    ),
    row(
        "lost-statistic",
        "a published statistic that is missing",
        lambda folder: (folder / "statistics/aslp/seed0/val.npz").unlink(),
        r"val\.npz is missing",
    ),
    row(
        "unknown-file",
        "a file among published statistics that does not belong there",
        lambda folder: (folder / "statistics" / "mine.npz").write_bytes(b"x"),
        r"mine\.npz does not belong there",
        do="remove what git does not know",
    ),
    row(
        "truncated-experiment",
        "a truncated experiment.json",
        lambda folder: (folder / "experiment.json").write_text('{"facts": {'),
        r"experiment\.json was altered",
        found="Invalid JSON",
    ),
    row(
        "experiment-without-a-key",
        "an experiment.json without one of its keys",
        edit("experiment.json", '"costs"', '"coasts"'),
        r"experiment\.json was altered",
        found="costs",
    ),
    row(
        "experiment-of-a-list",
        "an experiment.json that is a list",
        lambda folder: (folder / "experiment.json").write_text("[1]\n"),
        r"experiment\.json was altered",
        found="dictionary",
    ),
    row(
        "experiment-not-utf8",
        "an experiment.json that is no UTF-8",
        lambda folder: (folder / "experiment.json").write_bytes(b'{"facts": "\xff"}'),
        r"experiment\.json was altered",
        found="Invalid JSON",
    ),
    row(
        "experiment-without-an-entry",
        "an experiment.json that lacks an entry, such as the method of a run's cost",
        edit("experiment.json", '"method": "aslp",', ""),
        r"experiment\.json was altered",
        found="it is not what was published",
        expected="digest",
    ),
    row(
        "experiment-with-another-value",
        "a version, number or name in experiment.json that was written by hand",
        edit("experiment.json", "2.9.0", "2.9.1"),
        r"experiment\.json was altered",
        found="it is not what was published",
    ),
    row(
        "not-published",
        "an experiment that is not published",
        lambda folder: (folder / "experiment.json").unlink(),
        "results/published/small is not a published experiment",
        expected="one of",
    ),
    *(
        BadInput(
            f"{Path(name).stem}-{what}",
            f"a published {Path(name).name} that was {what}",
            lambda _: pages.write(),
            rf"^results/published/small/{name} is not what was published$",
            r"missing or altered:(.|\n)*" + name,
            r"digests are in results/published/small/experiment\.json",
            r"git checkout -- results/published/small, or .*publish --from-published --experiment small",
            make=published(fault),
            happens="`python docs/make` stops before it writes a page, and names the file",
        )
        for name, what, fault in (
            ("metrics.json", "edited", edit("metrics.json", "1", "2")),
            ("claims.json", "lost", lambda folder: (folder / "claims.json").unlink()),
            ("tables/T1.csv", "edited", edit("tables/T1.csv", "1", "2")),
        )
    ),
    *(
        BadInput(
            f"lost-{name}",
            f"an experiment that {where} names and that is not published any more",
            lambda _: run("rebuild"),
            "what is published is not whole",
            f"results/published/lost, which {file} names",
            "each experiment that README.md, docs/",
            "git checkout -- results/published",
            make=published(lambda folder, file=file, text=text: write_text(folder.parents[2] / file, text)),
            happens="`rebuild` of all stops before it makes anything, and names it",
        )
        for name, where, file, text in (
            ("table", "the README or a page", "docs/a/page.md", "<!-- published: lost raw ece -->\n"),
            ("verdict", "a table of verdicts", "README.md", "<!-- published: small verdicts raw lost overview -->\n"),
            ("pair", "a table of pairs", "docs/page.md", "<!-- published: differences raw small:a/lost:b -->\n"),
            ("task", "table T5", "results/published/overview/T5.csv", "row,experiment\na,small\nb,lost\n"),
        )
    ),
    *(
        row(
            f"{command.split()[0]}-over-a-file",
            f"a file in the place of `{place}`",
            lambda folder, place=place: (folder.parents[1] / Path(place).name).write_text("mine"),
            rf"{place} cannot be a folder",
            command,
            do=f"move {place} away",
        )
        for command, place in (
            ("rebuild", "results/published-rebuilt"),
            ("publish --from-published", "results/.published"),
        )
    ),
]


test_it_is_refused = refusals(ROWS)
