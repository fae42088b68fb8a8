"""Options that several commands share."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from pipeline_src.counting.levels import LEVELS
from pipeline_src.data import entry
from pipeline_src.errors import UserError
from pipeline_src.pipeline.experiment import ExperimentGraph
from pipeline_src.pipeline.graph import chosen
from pipeline_src.pipeline.runner import show

FEWEST = 20  # resamples
ExperimentName = Annotated[
    str | None,
    typer.Option(
        "--experiment", "-e", help="Experiment of params.yaml (default: the one it picks)"
    ),
]
Log = Annotated[Path | None, typer.Option(help="Also write all messages to this file")]
Cores = Annotated[
    int | None, typer.Option(min=1, max=1024, help="Processes (default: one per core)")
]

# Of the commands on trained networks
Run = Annotated[
    str | None,
    typer.Option(
        metavar="EXPERIMENT/METHOD/seedN",
        help="A finished run, such as demo/aslp_cl/seed0",
        show_default=False,
    ),
]

# Of the commands on saved maps
Bins = Annotated[
    int,
    typer.Option(
        metavar="N", help=f"Number of bins, a divisor of {LEVELS} such as 5, 10, 15, 20, 50 or 100"
    ),
]
Ignore = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Value of mask pixels that never count; for K classes the default is 255"
    ),
]


def _enough(resamples: int) -> int:
    """Return the number of resamples; a UserError for too few to have percentiles."""
    if 0 < resamples < FEWEST:
        raise UserError(
            "--resamples: too few for an interval",
            found=resamples,
            expected=f"{FEWEST} or more, or 0 for no intervals",
        )
    return resamples


Resamples = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=0,
        max=10**5,
        callback=_enough,
        help=f"Bootstrap resamples, {FEWEST} or more; 0 for no intervals",
    ),
]


def _usable_groups(groups: str) -> str:
    """Return `--groups`; a UserError if it is neither a pattern nor a file."""
    try:
        return entry.check_groups(groups)
    except ValueError as error:
        raise UserError("--groups cannot be used", found=groups, fix=str(error)) from None


Groups = Annotated[
    str,
    typer.Option(
        metavar="GROUPS",
        callback=_usable_groups,
        help="Dependent images: a regular expression with one group, or a csv file id,group "
        "(names with folders)",
    ),
]


def flag(*names: str, help: str) -> Any:
    """Return an option without a value, which is given or not.

    Args:
        names: as they are typed, such as "--yes" and "-y".
        help: the text of --help, which would show `<bool>` as its value without an empty metavar.
    """
    return typer.Option(*names, metavar="", help=help)


Logits = Annotated[bool, flag("--logits", help="Maps are logits: floats")]
SkipUnpaired = Annotated[
    bool, flag("--skip-unpaired", help="Leave out maps without a mask, and masks without a map")
]


def experiment_graph(experiment: str | None) -> ExperimentGraph:
    """Start the log, and return the jobs of an experiment.

    Its view shows today's results, also where parameters were set back after another run.
    """
    start_log()
    graph = chosen(experiment)
    show(graph.jobs.values())
    return graph


def plain_console() -> Console:
    """Return a console that prints texts unchanged: no [markup], :emoji: or broken addresses."""
    return Console(markup=False, emoji=False, highlight=False, soft_wrap=True)


def start_log(log: Path | None = None) -> None:
    """Show the messages of this package on the terminal, and also write them to the file `log`.

    Of other packages, only warnings are shown.

    Raises:
        UserError: the file cannot be written.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    if log is not None:
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            handlers.append(logging.FileHandler(log, mode="w", encoding="utf-8"))
        except OSError as error:
            raise UserError(
                f"--log {log} cannot be written",
                found=error.strerror,
                expected="a file in a folder that can be written to",
            ) from None
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=handlers, force=True)
    logging.getLogger("pipeline_src").setLevel(logging.INFO)
