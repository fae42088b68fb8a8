"""`python -m pipeline_src COMMAND`, also installed as `dense-calibration`."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from concurrent.futures import BrokenExecutor

from pipeline_src.errors import UserError, naming_files
from pipeline_src.processes import OWNER

STOPPED = 130  # the exit code after Ctrl-C
log = logging.getLogger("pipeline_src")


def main() -> None:
    """Run a command: a UserError exits with a message and code 2, other errors with a traceback."""
    try:
        os.environ["MPLBACKEND"] = "agg"  # a notebook's backend need not be installed
        from pipeline_src.cli.main import app

        _run(app)
    except KeyboardInterrupt:  # while it imports
        _report_interrupt()
        sys.exit(STOPPED)
    except SystemExit as end:
        if end.code == STOPPED:  # Typer's code for Ctrl-C, without a message
            _report_interrupt()
        raise
    except UserError as error:
        log.error("error: %s", error)  # to stderr, and to the log file if there is one
        sys.exit(2)
    except Exception:
        log.exception("unforeseen error, please report it with this text")
        sys.exit(1)


def _report_interrupt() -> None:
    """Print one word after Ctrl-C; for its jobs, Snakemake prints a line.

    Snakemake's jobs have the environment variable OWNER.
    """
    if OWNER not in os.environ:
        print("Aborted!", file=sys.stderr)


def _run(app: Callable[[], None]) -> None:
    """Call `app`; a missing library, a killed process and an unusable file raise a UserError."""
    try:
        with naming_files():
            app()
    except BrokenExecutor as error:
        raise UserError(
            "a process of this command was killed",
            found=error,
            expected="enough memory: the system kills processes when it runs out",
            fix="fewer processes, as by --cores 1",
        ) from error
    except ModuleNotFoundError as error:
        # A missing module of the package itself is a fault of the code.
        if (error.name or "pipeline_src").startswith("pipeline_src"):
            raise
        fix = f'python -m pip install -e ".[pipeline]", or install {error.name}'
        raise UserError(
            f"this command needs {error.name}, which is not installed", fix=fix
        ) from error
    except ImportError as error:
        if "cannot open shared object file" not in str(error):  # the message of the dynamic loader
            raise
        fix = "on Debian or Ubuntu:  apt-get install libgl1 libglib2.0-0"
        raise UserError("a library of the system is missing", found=error, fix=fix) from error


if __name__ == "__main__":
    main()
