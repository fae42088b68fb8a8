"""The commands on trained networks: `predict` and `export`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from pipeline_src.cli.options import Log, Run, start_log
from pipeline_src.errors import UserError
from pipeline_src.export import Format


def predict(
    images: Annotated[Path, typer.Option(help="Folder of images, at any depth")],
    out: Annotated[Path, typer.Option(help="Folder to write the maps into")],
    run: Run = None,
    weights: Annotated[
        Path | None, typer.Option(help="Folder that `export` wrote, instead of --run")
    ] = None,
    format: Annotated[
        Format | None,
        typer.Option(
            help="png8, png16 or npy (float32); default: png16, npy for several classes",
            show_default=False,
        ),
    ] = None,
    calibrator: Annotated[
        Path | None,
        typer.Option(
            help="Apply this calibrator.json, which `calibrate` fitted to maps of the model"
        ),
    ] = None,
    log: Log = None,
) -> None:
    """Write probability maps of images at their original size, by a trained run or exported folder.

    The calibrator of a run or folder is applied. A repeated command continues where it stopped
    and replaces the maps of changed images.

    Example: dense-calibration predict --run demo/temperature/seed0 --images photos --out maps
    """
    if (run is None) == (weights is None):
        raise UserError(
            "predict needs either --run or --weights",
            found="neither" if run is None else "both",
            fix="--run EXPERIMENT/METHOD/seedN, or --weights DIR",
        )
    from pipeline_src.export import predict as step  # imports torch; other commands do without

    start_log(log)
    model = step.folder_model(weights) if weights is not None else step.run_model(run or "")
    number, new = step.predict(model, images, out, format, calibrator)
    calibrated = model.calibrated or calibrator
    by = f", calibrated by {calibrated}" if calibrated else ""
    typer.echo(f"{number} maps of {model.name}{by}, {new} of them new: {out}")


def export(
    out: Annotated[Path, typer.Option(help="Folder to write; an earlier export there is replaced")],
    run: Run = None,
    half: Annotated[
        bool, typer.Option("--half", help="Weights in half precision: half the size of the file")
    ] = False,
    log: Log = None,
) -> None:
    """Export a trained network as a self-contained folder.
    It holds model.pt2, the calibrator, the configuration and a model card.

    Loading model.pt2 needs only torch. Nothing is uploaded.

    Example: dense-calibration export --run demo/temperature/seed0 --out exported
    """
    if run is None:
        raise UserError("export needs --run", fix="--run EXPERIMENT/METHOD/seedN")
    from pipeline_src.export import folder as step  # imports torch

    start_log(log)
    step.export(run, out, half)
    files = sorted(path.name for path in out.iterdir())
    typer.echo(f"{out}: {', '.join(files)}")
    typer.echo(
        f"Next: dense-calibration predict --weights {shlex.quote(str(out))} --images DIR --out MAPS"
    )
