"""The command line: its commands, and the options that all of them share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from pipeline_src.cli import calibrate, init, judge, networks, plan, published, report, run_job, upkeep
from pipeline_src.cli.data import app as data
from pipeline_src.errors import UserError
from pipeline_src.params import changes

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]}
)
EXPERIMENTS = "Experiments"
SHARED = ("--params", "--set")  # options of all commands, which may also stand behind the command
PANELS: dict[str, tuple[Callable[..., object], ...]] = {  # of --help: what is used first comes first
    "Maps and networks": (judge.judge, calibrate.calibrate, networks.predict, networks.export),
    EXPERIMENTS: (init.init, plan.plan, report.report, published.compare),
    "Published results": (published.publish, published.rebuild),
    "Upkeep": (upkeep.verify, upkeep.keep, upkeep.clean),
}
for panel, commands in PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.command("run-job", hidden=True)(run_job.run_job)
app.add_typer(data, name="data", no_args_is_help=True, rich_help_panel=EXPERIMENTS)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"dense-calibration {version('dense-calibration')}")
        raise typer.Exit


@app.callback()
def options(
    params: Annotated[
        Path | None,
        typer.Option(
            help="File of parameters, for example of another project; the command runs in its folder",
            show_default=False,
        ),
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the experiment, such as training.epochs=5"),
    ] = None,
    show_version: Annotated[
        bool, typer.Option("--version", metavar="", help="Show the version and exit", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Calibration of dense classifiers by label perturbation. `snakemake --cores all` runs every step in order."""
    if params:
        _go_to(params)
    changes.add(*(change or []))


def _go_to(params: Path) -> None:
    """Change to the folder of a file of parameters, because the paths of a project are relative to it."""
    if not params.is_file():
        raise UserError(
            f"--params {params} {'is a folder' if params.is_dir() else 'does not exist'}",
            found=f"the working folder {Path.cwd()}",
            expected="the params.yaml of a project",
            fix="create a project: dense-calibration init DIR",
        )
    former = str(Path.cwd())
    os.chdir(params.parent)
    place = sys.path.index(former) if former in sys.path else len(sys.path)
    sys.path.insert(place, str(Path.cwd()))  # the user's modules are before those of the former folder
    os.environ[changes.VARIABLES["params"]] = params.name
