"""The command line: every step of the workflow as a verb that also runs alone."""

from __future__ import annotations

import logging
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from pipeline_src.cli.data import app as data
from pipeline_src.cli.judge import judge
from pipeline_src.params.load import read
from pipeline_src.steps import one_run, verbs
from pipeline_src.steps.experiment import Graph
from pipeline_src.steps.graph import graph
from pipeline_src.training import distributed as ranks

app = typer.Typer(
    help="Calibration of dense classifiers by label perturbation. `snakemake --cores all` runs every step in order.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(judge)
app.add_typer(data, name="data", no_args_is_help=True)

Name = Annotated[
    str | None, typer.Option("--experiment", "-e", help="Experiment of params.yaml [default: the one it picks]")
]
Contract = Annotated[
    str | None, typer.Option(help="The contract the caller planned with; the verb stops if it is another", hidden=True)
]
Log = Annotated[Path | None, typer.Option(help="Also write what is said to this file")]
Method = Annotated[str, typer.Option("--method", "-m", help="A block of `methods:`")]
Seed = Annotated[int, typer.Option("--seed", "-s", help="One of the experiment's seeds")]


def _graph(experiment: str | None, log: Path | None = None) -> Graph:
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(log, mode="w", encoding="utf-8"))
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=handlers, force=True)
    logging.getLogger("pipeline_src").setLevel(logging.INFO)
    return graph(read(), experiment)


@app.command()
def prepare(
    set_name: Annotated[str, typer.Option("--set", help="A data set")],
    experiment: Name = None,
    contract: Contract = None,
    log: Log = None,
):
    """Unpack, pair and verify a data set."""
    verbs.prepare(_graph(experiment, log), set_name, contract)


@app.command()
def store(
    part: Annotated[str, typer.Option(help="train, val or a test set's name")],
    experiment: Name = None,
    contract: Contract = None,
    log: Log = None,
):
    """Decode and resize a part of a data set, once."""
    verbs.store(_graph(experiment, log), part, contract)


@app.command()
def train(
    method: Method,
    seed: Seed = 0,
    experiment: Name = None,
    contract: Contract = None,
    log: Log = None,
    into: Annotated[Path | None, typer.Option(help="Be one rank of a training that writes here", hidden=True)] = None,
):
    """Train one run, or go on where it was stopped."""
    graph = _graph(experiment, log)
    if into:
        ranks.run_rank(lambda: one_run.train_into(graph, method, seed, into), into)
    else:
        verbs.train(graph, method, seed, contract)


@app.command()
def evaluate(
    method: Method,
    part: Annotated[str, typer.Option(help="val or a test set's name")],
    seed: Seed = 0,
    experiment: Name = None,
    contract: Contract = None,
    log: Log = None,
):
    """Run a trained model over a test set and count."""
    verbs.evaluate(_graph(experiment, log), method, seed, part, contract)


@app.command()
def tables(experiment: Name = None, contract: Contract = None, log: Log = None):
    """Write the tables."""
    verbs.tables(_graph(experiment, log), contract)


@app.command()
def figures(experiment: Name = None, contract: Contract = None, log: Log = None):
    """Draw the figures."""
    verbs.figures(_graph(experiment, log), contract)


@app.command()
def claims(experiment: Name = None, contract: Contract = None, log: Log = None):
    """Judge the paper's claims."""
    verbs.claims(_graph(experiment, log), contract)


@app.command()
def report(
    experiment: Name = None,
    contract: Contract = None,
    log: Log = None,
    show: Annotated[bool, typer.Option("--open", help="Open the page in the browser")] = False,
):
    """Write the report page."""
    page = verbs.report(_graph(experiment, log), contract)
    if show:
        webbrowser.open(page.resolve().as_uri())


@app.command()
def contracts(experiment: Name = None):
    """Write the contracts that DVC's stages depend on."""
    verbs.contracts(_graph(experiment))


@app.command(hidden=True)
def finish(experiment: Name = None):
    """What Snakemake calls after a successful run."""
    verbs.finish(_graph(experiment))


@app.command()
def plan(
    experiment: Name = None, cores: Annotated[int | None, typer.Option(help="Cores to plan with [default: all]")] = None
):
    """A dry look: what is to be run and why, how long it takes here, how much disk it needs."""
    from pipeline_src.steps.plan import show

    show(_graph(experiment), cores)


@app.command()
def docs():
    """Write docs/params.md, docs/methods.md and docs/metrics.md from the code that they describe."""
    from pipeline_src.documentation import methods_page, metrics_page, params_page

    for made in (params_page, methods_page, metrics_page):
        made.FILE.write_text(made.page(), encoding="utf-8")
