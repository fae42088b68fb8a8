"""Options that several verbs share."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from pipeline_src.params.load import read
from pipeline_src.steps.build import build
from pipeline_src.steps.experiment import ExperimentGraph

Name = Annotated[
    str | None, typer.Option("--experiment", "-e", help="Experiment of params.yaml [default: the one it picks]")
]
Contract = Annotated[
    str | None, typer.Option(help="The contract the caller planned with; the verb stops if it is another", hidden=True)
]
Log = Annotated[Path | None, typer.Option(help="Also write all messages to this file")]


def experiment_graph(experiment: str | None, log: Path | None = None) -> ExperimentGraph:
    """The jobs of an experiment; messages go to the terminal, and to a file."""
    start_log(log)
    return build(read(), experiment)


def start_log(log: Path | None = None) -> None:
    """Show messages on the terminal, and write them to a file."""
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(log, mode="w", encoding="utf-8"))
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=handlers, force=True)
    logging.getLogger("pipeline_src").setLevel(logging.INFO)
