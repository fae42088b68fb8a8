"""The command line: every step of the workflow as a verb that also runs alone, and what one asks of the workflow."""

from __future__ import annotations

import typer

from pipeline_src.cli import contracts, documentation, judge, plan, published, steps
from pipeline_src.cli.data import app as data

app = typer.Typer(
    help="Calibration of dense classifiers by label perturbation. `snakemake --cores all` runs every step in order.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (steps, plan, contracts, judge, published, documentation):
    group.add_to(app)
app.add_typer(data, name="data", no_args_is_help=True)
