"""The command `report`: the main numbers of an experiment, and its page."""

from __future__ import annotations

import json
import logging
import shutil
import webbrowser
from filecmp import cmpfiles
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline_src.analysis.facts import PROTOCOL_NAMES, Facts
from pipeline_src.cli.options import ExperimentName, experiment_graph, flag
from pipeline_src.errors import UserError
from pipeline_src.files import Content, atomic_folder, write_json
from pipeline_src.metrics.registry import METRICS
from pipeline_src.params.load import read
from pipeline_src.publishing import published
from pipeline_src.text_tables import aligned

if TYPE_CHECKING:
    from pipeline_src.pipeline.experiment import ExperimentGraph

logger = logging.getLogger(__name__)
SUMMARY = Path("summary")  # the folder that `summarize` writes
SUMMARIZED = ("ece", "accuracy", "brier")  # the metrics in it
METRICS_FILE = "metrics.json"
CLAIMS_FILE = "claims.json"


def report(
    experiment: ExperimentName = None,
    show: Annotated[bool, flag("--open", help="Open the page in the browser")] = False,
    names: Annotated[bool, flag("--list", help="List all experiments instead")] = False,
) -> None:
    """Print the main numbers of an experiment, and where its report is.
    Published experiments that were not run here have numbers; `rebuild --report` writes reports.

    Example: dense-calibration report --open
    Example: dense-calibration report --experiment evidence --open
    """
    if names:
        typer.echo("\n".join(aligned(experiments())))
        return
    experiment = experiment or read().experiment
    # Both print the main numbers, and return the page.
    if experiment in published.names() and not is_run(experiment):
        page = _published_page(experiment)
    else:
        page = _own_page(experiment_graph(experiment))
    if page is None:
        command = f"dense-calibration rebuild --report --experiment {experiment}"
        typer.echo(f"These are published numbers. Their report is not written yet: {command}")
        raise typer.Exit(2 if show else 0)
    address = page.absolute().as_uri()
    typer.echo(f"Report: {address}")
    if show and not webbrowser.open(address):
        logger.warning("No browser was found here to open it in.")


def experiments() -> list[list[str]]:
    """Return a row per experiment of params.yaml or published: name, and where its results are."""
    rows = []
    for name in dict.fromkeys([*read().experiments, *published.names()]):
        local = "run here" if is_run(name) else ""
        rows.append([name, local, "published" if name in published.names() else ""])
    return rows


def is_run(experiment: str) -> bool:
    """Return whether an experiment has a report that was made here, current or not."""
    return Path("results", experiment, published.REPORT).exists()


def _published_page(experiment: str) -> Path | None:
    """Print the main numbers of a published experiment; return its page if there is one."""
    folder = published.FOLDER / experiment
    shown = [METRICS_FILE, CLAIMS_FILE]
    if (folder / published.REPORT).exists():
        shown.append(published.REPORT)
    facts = published.checked(folder, shown).facts
    _print_summary(facts, folder / METRICS_FILE, folder / CLAIMS_FILE)
    # Some experiments are published with their page; `rebuild --report` writes that of others,
    # beside the experiment.json that it shows.
    for place in (folder, Path("results/published-rebuilt", experiment)):
        page = place / published.REPORT
        equal = cmpfiles(folder, place, [published.EXPERIMENT], shallow=False)[0]
        if equal and page.is_file():
            return page
    return None


def _own_page(graph: ExperimentGraph) -> Path:
    """Print the main numbers of an experiment that was run here, and return its page.

    If parameters, data or code changed since, a warning stands in the place of the numbers.

    Raises:
        UserError: there is no page, or the results are damaged.
    """
    from pipeline_src.pipeline.runner import check_inputs, check_results

    job = graph.job("report")
    (page,) = job.links
    if job.manifest:
        check_inputs(graph.jobs.values(), graph.command)
        shown = graph.of_kinds("tables", "claims", "figures", "gallery", "report")
        check_results(shown, "report", graph.command)
        metrics = graph.job("tables").folder / METRICS_FILE
        _print_summary(graph.facts, metrics, graph.job("claims").folder / CLAIMS_FILE)
    elif page.is_file():
        logger.warning(
            "%s was made from other parameters, data or code than today's. Now: %s",
            page,
            graph.command,
        )
    else:
        raise UserError(
            f"experiment {graph.name} has no report",
            found=f"no file {page}",
            fix=f"run it first: {graph.command}",
        )
    return page


def _print_summary(facts: Facts, metrics_file: Path, claims_file: Path) -> None:
    """Print ECE and accuracy of all methods by dataset (unnormalized maps), and the verdicts on
    claims.

    Args:
        metrics_file: metrics.json, which the tables wrote.
        claims_file: claims.json.
    """
    from pipeline_src.claims.write import not_run

    typer.echo(
        f"{facts.experiment}: ECE / accuracy in %, unnormalized, {facts.bins} bins; "
        "*: the lowest ECE"
    )
    metrics = json.loads(metrics_file.read_bytes())["metrics"]["raw"]  # of unnormalized maps
    for row in aligned(main_rows(facts, metrics)):
        typer.echo(row)
    claims = json.loads(claims_file.read_bytes())
    absent = not_run(claims)
    for claim in claims["claims"]:
        if claim not in absent:
            verdicts = [
                f"{PROTOCOL_NAMES.get(protocol, '')} {finding['verdict']}".strip()
                for protocol, finding in claim["protocols"].items()
            ]
            typer.echo(f"{claim['claim']} {claim['text']} {', '.join(verdicts)}")
    if absent:
        names = ", ".join(claim["claim"] for claim in absent)
        typer.echo(f"Claims not run here: {names} (the report says why)")


def main_rows(facts: Facts, metrics: Content) -> list[tuple[str, ...]]:
    """Return a table of ECE and accuracy, means over seeds in percent, as printed text.

    The first row has the headings: the datasets, whose role is named unless it is validation. Then
    follows a row per method. A `*` marks the lowest ECE on a test set, unless it is below the
    noise floor, where ECE does not rank methods.

    Args:
        metrics: method -> dataset -> metric -> its `mean`, and more.
    """
    number = METRICS["ece"].number
    columns = [["method", *facts.methods]]
    for dataset, role in facts.splits.items():
        lowest = number(min(metrics[method][dataset]["ece"]["mean"] for method in facts.methods))
        column = [dataset if role == "val" else f"{dataset} ({role})"]
        for method in facts.methods:
            values = metrics[method][dataset]
            ece = values["ece"]
            floor = values.get("ece_floor", ece)  # a single image or group has none
            ranked = role != "val" and ece["mean"] >= floor["mean"]
            text = number(ece["mean"])
            mark = "*" if ranked and text == lowest else ""
            column.append(f"{text}{mark} / {number(values['accuracy']['mean'])}")
        columns.append(column)
    return list(zip(*columns, strict=True))


def summarize(experiment: ExperimentName = None) -> None:
    """Write main metrics and reliability of an experiment to summary/, for Git; dvc.yaml calls it.

    Example: dense-calibration summarize
    """
    from pipeline_src.pipeline.runner import check_results

    graph = experiment_graph(experiment)
    # DVC records the results of all jobs after this command.
    check_results(graph.jobs.values(), "summarize", graph.command)
    file = graph.job("tables").folder / METRICS_FILE
    metrics = json.loads(file.read_bytes())["metrics"]["raw"]  # of unnormalized maps
    with atomic_folder(SUMMARY) as folder:
        for method, datasets in metrics.items():
            means = {
                dataset: {name: values[name]["mean"] for name in SUMMARIZED}
                for dataset, values in datasets.items()
            }
            write_json(folder / "metrics" / f"{method}.json", means)
        (folder / "reliability").mkdir()
        # The numbers of the reliability diagrams of unnormalized maps, a file per dataset.
        for file in sorted(graph.job("figures").folder.glob("reliability-raw-*.csv")):
            name = file.name.removeprefix("reliability-raw-")
            shutil.copyfile(file, folder / "reliability" / name)
