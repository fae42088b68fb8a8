"""The command `init`, which creates a project outside of a clone."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import Annotated

import typer

from pipeline_src.errors import UserError, listed
from pipeline_src.files import atomic, check_writable, remove_leftovers
from pipeline_src.python_source import ROOT

TEMPLATE = ROOT / "workflow" / "project"
IGNORED = ".gitignore"


def init(folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder, new or without a project")]) -> None:
    """Create a project: params.yaml with a small experiment, and the files that Snakemake needs.

    Example: dense-calibration init my-project
    """
    check_writable(folder, what="the project")
    wanted = {file: folder / file.relative_to(TEMPLATE) for file in sorted(TEMPLATE.rglob("*")) if file.is_file()}
    if (folder / IGNORED).exists():  # of a repository that the project comes into
        del wanted[TEMPLATE / IGNORED]
    there = [path for path in wanted.values() if path.exists()]
    own = [path for file, path in wanted.items() if path.is_file() and path.read_bytes() == file.read_bytes()]
    if there and (there != own or len(own) == len(wanted)):  # else an `init` that was killed is gone on with
        raise UserError(
            f"{there[0]} is there already",
            found=listed(there),
            expected="a folder that is new, or has none of these files",
            fix=f"choose another folder, or use this one: dense-calibration --params {folder / 'params.yaml'} plan",
        )
    for parent in {path.parent for path in wanted.values()}:
        check_writable(parent, what="the project")
    remove_leftovers(wanted.values())
    for file, path in wanted.items():
        if path not in own:
            with atomic(path) as temporary:
                shutil.copyfile(file, temporary)
    typer.echo(
        f"{folder / 'params.yaml'} has an experiment on synthetic scenes. Add your data, models and methods there.\n"
        f"Next: cd {shlex.quote(str(folder))} && dense-calibration plan && snakemake --cores all"
    )
