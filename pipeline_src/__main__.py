"""`python -m pipeline_src VERB`, also installed as `dense-calibration`."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from pipeline_src.errors import UserError


def main() -> None:
    """Run a verb; a UserError ends it with a message and exit code 2, anything unforeseen with a traceback in the log
    too."""
    from pipeline_src.cli.main import app

    if not {"", str(Path.cwd())} & set(sys.path):  # the installed command; `python -m` has it there
        sys.path.insert(0, str(Path.cwd()))
    try:
        app()
    except UserError as error:
        logging.getLogger("pipeline_src").error("error: %s", error)  # to stderr, and to the log file if there is one
        sys.exit(2)
    except Exception:
        logging.getLogger("pipeline_src").exception("unforeseen error, please report it with this text")
        sys.exit(1)


if __name__ == "__main__":
    main()
