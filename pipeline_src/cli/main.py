"""The command line and its commands."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline_src import __version__
from pipeline_src.cli import calibrate, compare, jobs, judge, networks, published, report
from pipeline_src.cli.data import app as data

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
EXPERIMENTS = "Experiments"
# The panels of --help: what is used first comes first.
PANELS = {
    "Maps and networks": (judge.judge, calibrate.calibrate, networks.predict, networks.export),
    EXPERIMENTS: (jobs.plan, report.report, compare.compare),
    "Published results": (published.publish, published.rebuild),
    "Upkeep": (jobs.verify, jobs.keep, jobs.clean),
}
for panel, commands in PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.command("run-job", hidden=True)(jobs.run_job)
app.command(hidden=True)(report.summarize)
app.add_typer(data, name="data", no_args_is_help=True, rich_help_panel=EXPERIMENTS)


def _version(show: bool) -> None:
    """Print the version and end the program if `show` is set (option `--version`)."""
    if show:
        typer.echo(f"dense-calibration {__version__}")
        raise typer.Exit


@app.callback()
def options(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version",
            metavar="",
            help="Show the version and exit",
            callback=_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Calibration of dense classifiers by label perturbation.
    `snakemake --cores all` runs every step in order.
    """
