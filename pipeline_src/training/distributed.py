"""Training on several devices: one process (rank) each, started by torch, and what a rank has to tell the user."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from pipeline_src.errors import UserError
from pipeline_src.files import write_text

TOLD = ".error.txt"


def launch(verb: list[str], ranks: int, folder: Path) -> None:
    """Run the command line's `verb` as `ranks` processes that write into `folder`; what is a UserError in one of them
    is one here."""
    start = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={ranks}", "-m", "pipeline_src"]
    done = subprocess.run([sys.executable, *start, *verb, "--into", str(folder)], check=False)
    if (told := folder / TOLD).is_file():
        raise UserError(told.read_text(encoding="utf-8"))
    done.check_returncode()


def run_rank(work: Callable[[], None], folder: Path) -> None:
    """`work` as one of the processes of `launch`."""
    try:
        work()
    except UserError as error:
        write_text(folder / TOLD, str(error))
        raise
