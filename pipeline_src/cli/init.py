"""The verb `init`: a project of one's own."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import Annotated

import typer

from pipeline_src.errors import UserError, listed
from pipeline_src.python_source import ROOT

TEMPLATE = ROOT / "workflow" / "project"


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder, new or without a project")],
):
    """Make a project of your own: params.yaml with a small experiment, and what Snakemake needs to run it."""
    try:
        _init(folder)
    except OSError as error:  # read-only, full, or with a name that is too long
        raise UserError(
            f"{folder} cannot be made a project",
            found=error,
            expected="a folder that can be made and written",
            do="choose another folder",
        ) from error
    typer.echo(
        f"{folder / 'params.yaml'} names an experiment on drawn scenes; your data, models and methods go there, too.\n"
        f"Next: cd {shlex.quote(str(folder))} && dense-calibration plan && snakemake --cores all"
    )


def _init(folder: Path) -> None:
    wanted = {file: folder / file.relative_to(TEMPLATE) for file in sorted(TEMPLATE.rglob("*")) if file.is_file()}
    there = [folder] if folder.is_file() else [path for path in wanted.values() if path.exists()]
    if there:
        raise UserError(
            f"{there[0]} is there already",
            found=listed(there),
            expected="a folder that is new, or has none of these files",
            do=f"choose another folder, or use this one: dense-calibration --params {folder / 'params.yaml'} plan",
        )
    for file, path in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, path)
