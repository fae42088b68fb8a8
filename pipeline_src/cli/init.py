"""The command `init`, which creates a project outside of a clone."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import Annotated

import typer

from pipeline_src.errors import UserError, listed
from pipeline_src.files import atomic, check_writable
from pipeline_src.python_source import ROOT

TEMPLATE = ROOT / "workflow" / "project"


def init(folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder, new or without a project")]) -> None:
    """Create a project: params.yaml with a small experiment, and the files that Snakemake needs.

    Example: dense-calibration init my-project
    """
    files = {file: folder / file.relative_to(TEMPLATE) for file in sorted(TEMPLATE.rglob("*")) if file.is_file()}
    files = {file: path for file, path in files.items() if not (path.name == ".gitignore" and path.exists())}
    if existing := [path for path in files.values() if path.exists()]:
        raise UserError(
            f"{existing[0]} is there already",
            found=listed(existing),
            expected="a folder that is new, or has none of these files",
            fix=f"choose another folder, or use this one: dense-calibration --params {folder / 'params.yaml'} plan",
        )
    for parent in {path.parent for path in files.values()}:
        check_writable(parent, what="the project")
    for file, path in files.items():
        with atomic(path) as temporary:
            shutil.copyfile(file, temporary)
    typer.echo(
        f"{folder / 'params.yaml'} has an experiment on synthetic scenes. Add your data, models and methods there.\n"
        f"Next: cd {shlex.quote(str(folder))} && dense-calibration plan && snakemake --cores all"
    )
