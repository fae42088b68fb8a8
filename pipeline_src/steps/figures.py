"""Figures of an experiment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_src.engine.job import Job
from pipeline_src.errors import UserError
from pipeline_src.figures.catalogue import figure_files, pictures
from pipeline_src.python_source import ROOT
from pipeline_src.steps import job_names
from pipeline_src.steps.job_results import analyses, results

if TYPE_CHECKING:
    from pipeline_src.analysis.facts import Facts
    from pipeline_src.figures.types import Picture
    from pipeline_src.steps.experiment import ExperimentGraph


def check(facts: Facts) -> None:
    """UserError where two figures would have the same file: words of its name are joined by a -, which may be in a name
    of the user's, too."""
    of_file: dict[str, Picture] = {}
    for picture in pictures(facts):
        for file in picture.files:
            other = of_file.setdefault(file, picture)
            if other is not picture:
                _refuse(facts, file, other, picture)


def _refuse(facts: Facts, file: str, *two: Picture) -> None:
    lines = {part: corruption.line for part, corruption in facts.corrupted.items()}
    users = {*facts.methods, *facts.parts, *lines.values()}
    names = dict.fromkeys(lines.get(word, word) for picture in two for word in picture.key if word in users)
    joined = [name for name in names if "-" in name]
    raise UserError(
        f"experiment {facts.experiment}: two figures would be the file {file}",
        found=" and ".join(f"{picture.type.name} of {', '.join(picture.key)}" for picture in two),
        expected="names of methods and test sets that differ in the names of files, where they are joined by -",
        do=f"rename {' or '.join(joined)} in params.yaml, such as to {joined[0].replace('-', '_')}",
    )


def jobs(experiment: ExperimentGraph) -> Iterator[Job]:
    """The one job."""
    runs = [experiment.job(job_names.training(*run)) for run in experiment.facts.runs]
    examples = [experiment.job(name) for name in shown(experiment.facts).values()]
    styles = sorted((ROOT / "figures").glob("*.mplstyle"))
    yield Job(
        kind="figures",
        name="figures",
        folder=experiment.results / "figures",
        stem="figures",
        files=tuple(figure_files(experiment.facts)),
        work=work,
        parameters={"facts": experiment.facts},
        inputs=analyses(experiment) | {job.name: job for job in (*runs, *examples, *experiment.of_kinds("store"))},
        other_files={f"style/{number}": file for number, file in enumerate(styles)},
        stamps_in=experiment.stamps,
    )


def shown(facts: Facts) -> dict[tuple[str, str], str]:
    """(method, part) -> the evaluation whose example maps are drawn: of the first seed."""
    return {
        (method, part): job_names.evaluation(method, facts.seeds[0], part)
        for method in facts.methods
        for part in facts.tests
    }


def work(job: Job, folder: Path) -> None:
    """Draw the figures."""
    from pipeline_src import processes  # a start of Snakemake that has nothing to do goes without
    from pipeline_src.figures.types import Sources
    from pipeline_src.figures.write import draw

    facts = job.parameters["facts"]
    runs = {run: job.inputs[job_names.training(*run)].folder for run in facts.runs}
    sources = Sources(
        alphas={run: folder / "alpha.csv" for run, folder in runs.items() if run[0] in facts.learned},
        histories={run: folder / "history.csv" for run, folder in runs.items() if run[0] in facts.trained},
        examples={key: job.inputs[name].paths[1] for key, name in shown(facts).items()},
        stores={name.removeprefix("store/"): of.folder for name, of in job.inputs.items() if of.kind == "store"},
    )
    count = job.options.get("processes", 1)
    with processes.pool(count) if count > 1 else nullcontext() as pool:
        draw(results(job), sources, folder, pool)
