"""`python -m pipeline_src COMMAND`, also installed as `dense-calibration`."""

from __future__ import annotations

import errno
import logging
import os
import sys
import sysconfig
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from pathlib import Path

from pipeline_src.errors import UserError
from pipeline_src.files import FULL

# Modules of the extra `pipeline` in pyproject.toml.
PIPELINE = {"torch", "torchvision", "mmengine", "mmcv", "mmseg", "timm", "safetensors", "snakemake", "dvc"}
STOPPED = 130  # the exit code after Ctrl-C


def main() -> None:
    """Run a command; a UserError ends it with a message and exit code 2, anything unforeseen with a traceback, in the
    log too."""
    try:
        _have_working_folder()
        os.environ["MPLBACKEND"] = "agg"  # no command opens a window; that of a notebook's shell need not be installed
        from pipeline_src.cli.main import SHARED, app

        sys.argv[1:] = _shared_options_first(sys.argv[1:], SHARED)
        _run(app)
    except KeyboardInterrupt:  # while it imports
        print("Aborted!", file=sys.stderr)
        sys.exit(STOPPED)
    except SystemExit as end:
        if end.code == STOPPED:  # Typer makes it of Ctrl-C in a command, without a word
            print("Aborted!", file=sys.stderr)
        raise
    except UserError as error:
        logging.getLogger("pipeline_src").error("error: %s", error)  # to stderr, and to the log file if there is one
        sys.exit(2)
    except Exception:
        logging.getLogger("pipeline_src").exception("unforeseen error, please report it with this text")
        sys.exit(1)


def _shared_options_first(words: list[str], shared: tuple[str, ...]) -> list[str]:
    """A command line with the options of all commands, each with its value, ahead of the command."""
    first, rest, queue = [], [], list(words)
    while queue:
        word = queue.pop(0)
        if word == "--":
            rest += [word, *queue]
            break
        if word.partition("=")[0] in shared:
            first += [word] if "=" in word else [word, *queue[:1]]
            queue = queue[0 if "=" in word else 1 :]
        else:
            rest.append(word)
    return first + rest


def _have_working_folder() -> None:
    """Let modules in the working folder be imported by the installed command: behind those of Python, and before those
    of libraries, as a job of the workflow (`python -m`) finds them."""
    try:
        folder = str(Path.cwd())
    except FileNotFoundError:
        raise UserError("the working folder does not exist any more", fix="cd into a folder that does") from None
    if not {"", folder} & set(sys.path):
        libraries = sysconfig.get_path("purelib")
        sys.path.insert(sys.path.index(libraries) if libraries in sys.path else len(sys.path), folder)


def _run(app: Callable[[], None]) -> None:
    """Call `app`; a shared library that the system lacks, whoever imports it first, is a UserError, and so is an output
    that takes no more."""
    try:
        app()
    except OSError as error:  # files that cannot be written are named where they are written
        if error.errno == errno.EFBIG:
            raise UserError(
                "a file is larger than this system allows",
                found=error,
                expected="a disk and a limit (ulimit -f) that take files of any size",
                fix="raise the limit, or use another disk",
            ) from error
        if error.errno not in FULL or error.filename:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else Python tries again at its end, and fails with a traceback
        raise UserError(
            "the output could not be written: the disk that it goes to is full",
            found=error,
            expected="a terminal, or a file or program that takes it",
            fix="free some space, or send the output elsewhere",
        ) from error
    except BrokenExecutor as error:
        raise UserError(
            "a process that worked for this command was killed",
            found=error,
            expected="memory for each of them: the system kills processes where it ends",
            fix="fewer at once, as by --cores 1 or --processes 1, or close other programs",
        ) from error
    except ModuleNotFoundError as error:
        if error.name not in PIPELINE:
            raise
        raise UserError(
            f"this command needs {error.name}, which is not installed",
            found="an installation for saved maps only",
            expected="an installation with the extra `pipeline`",
            fix='python -m pip install -e ".[pipeline]"',
        ) from error
    except ImportError as error:
        if "cannot open shared object file" not in str(error):  # the words of the dynamic loader
            raise
        raise UserError(
            "a library of the system is missing",
            found=error,
            expected="libGL and glib, which OpenCV uses and pip cannot install",
            fix="on Debian or Ubuntu:  apt-get install libgl1 libglib2.0-0",
        ) from error


if __name__ == "__main__":
    main()
