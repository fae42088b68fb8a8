"""`python -m pipeline_src VERB`, also installed as `dense-calibration`."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path

from pipeline_src.errors import UserError


def main() -> None:
    """Run a verb; a UserError ends it with a message and exit code 2, anything unforeseen with a traceback in the log
    too."""
    from pipeline_src.cli.main import app

    if not {"", str(Path.cwd())} & set(sys.path):  # the installed command; `python -m` has it there
        sys.path.insert(0, str(Path.cwd()))
    try:
        _run(app)
    except UserError as error:
        logging.getLogger("pipeline_src").error("error: %s", error)  # to stderr, and to the log file if there is one
        sys.exit(2)
    except Exception:
        logging.getLogger("pipeline_src").exception("unforeseen error, please report it with this text")
        sys.exit(1)


def _run(app: Callable[[], None]) -> None:
    """Call `app`; a shared library that the system lacks, whoever imports it first, is a UserError."""
    try:
        app()
    except ImportError as error:
        if "cannot open shared object file" not in str(error):  # the words of the dynamic loader
            raise
        raise UserError(
            "a library of the system is missing",
            found=error,
            expected="libGL and glib, which OpenCV uses and pip cannot install",
            do="on Debian or Ubuntu:  apt-get install libgl1 libglib2.0-0",
        ) from error


if __name__ == "__main__":
    main()
