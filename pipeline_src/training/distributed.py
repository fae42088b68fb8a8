"""Training on several devices: one process (rank) each, started by torch; errors in a rank reach the user."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from pipeline_src.errors import UserError
from pipeline_src.files import write_text

ERROR_FILE = ".error.txt"


def launch(command: list[str], ranks: int, folder: Path) -> None:
    """Run `command` of the command line as `ranks` processes that write into `folder`; a UserError in one of them is
    raised here."""
    start = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={ranks}", "-m", "pipeline_src"]
    done = subprocess.run([sys.executable, *start, *command, "--into", str(folder)], check=False)
    if (file := folder / ERROR_FILE).is_file():
        raise UserError(file.read_text(encoding="utf-8"))
    done.check_returncode()


def run_rank(work: Callable[[], None], folder: Path) -> None:
    """`work` as one of the processes of `launch`."""
    try:
        work()
    except UserError as error:
        write_text(folder / ERROR_FILE, str(error))
        raise
