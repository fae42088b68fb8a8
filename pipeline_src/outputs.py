"""The folder that a user names by `--out`: whether a command may write its results there, and how they come there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline_src.errors import UserError, listed
from pipeline_src.files import check_writable, writing


def check(
    out: Path,
    command: str,
    *,
    below: Collection[Path] = (),
    inputs: Collection[Path | None] = (),
    model: str = "",
    others: Iterable[str] = (),
    foreign: Iterable[object] = (),
) -> None:
    """Refuse a folder in which something would be lost or mixed up. Nothing is made or changed.

    Args:
        below: folders in `out` that are written, too.
        inputs: folders that the command reads.
        model, others: whose results are to be written, and whose the folder holds.
        foreign: what lies there and is not the command's. Both are read when it is known to be a folder.

    Raises:
        UserError: a file is in the way, the folder cannot be made or written, or holds one of these.
    """
    absent = [folder for folder in (out, *out.parents) if not os.path.exists(folder)]
    try:
        check_writable(out)
    finally:
        for folder in absent:
            with suppress(OSError):
                folder.rmdir()
    read = {path.resolve() for path in inputs if path is not None}
    mixed = [folder for folder in (out, *below) if folder.resolve() in read]
    for what, problems in (
        ("is, or holds, what is read: results would be mixed with it", mixed),
        (f"holds results of another model than {model}", others),
        (f"holds what {command} did not write", foreign),
    ):
        if there := listed(problems):
            raise UserError(
                f"--out {out} {what}",
                found=there,
                expected=f"a new folder, or one with older results of {command}",
                do="give another --out",
            )


@contextmanager
def staged(out: Path) -> Iterator[Path]:
    """Yield an empty folder in `out` to write into, which is removed at the end. What was there before stays as it was
    until all that is new is on the disk and can be moved."""
    new = out / ".new"
    shutil.rmtree(new, ignore_errors=True)  # of a process that was killed
    try:
        with writing(new):
            new.mkdir(parents=True)
        yield new
    finally:
        shutil.rmtree(new, ignore_errors=True)
