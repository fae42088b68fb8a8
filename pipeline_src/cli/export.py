"""The command `export`.

dense-calibration export --run demo/temperature/seed0 --out exported/
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from pipeline_src.cli.options import CalibratorFile, Log, Run, start_log
from pipeline_src.errors import UserError


def add_to(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(export)


def export(
    out: Annotated[Path, typer.Option(help="Folder to write, replaced where export wrote it before")],
    run: Run = None,
    calibrator: CalibratorFile = None,
    onnx: Annotated[bool, typer.Option(help="Whether it has a model.onnx")] = True,
    log: Log = None,
):
    """Write a trained run as a folder that stands alone: weights, calibrator, ONNX, model card, and code to load it.

    It needs torch and safetensors alone. Nothing is uploaded.

    dense-calibration export --run demo/temperature/seed0 --out exported
    """
    if run is None:
        raise UserError("export needs --run", do="--run EXPERIMENT/METHOD/seedN")
    from pipeline_src.steps.export import export as step  # imports torch, which other commands do without

    start_log(log)
    step(run, out, calibrator, onnx)
    files = sorted(path.name for path in out.iterdir())
    typer.echo(f"{out}: {', '.join(files)}")
    typer.echo(f"Next: dense-calibration predict --weights {shlex.quote(str(out))} --images DIR --out MAPS")
