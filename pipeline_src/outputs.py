"""The folder that a user names by `--out`: whether a command may write its results there, by one process at a time, and
how they are moved there. Results of two runs are never mixed: results are complete if their last file is there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import ParamSpec, TypeVar

from pipeline_src import locks
from pipeline_src.errors import UserError, listed
from pipeline_src.files import check_writable, writing

RESULTS = {  # command -> files by which its results are known; calibrators are in folders of two commands
    "judge": ("metrics.json", "statistic.npz"),
    "calibrate": ("scores.json", "calibrator.json"),
    "predict": ("maps.jsonl",),
    "export": ("SHA256SUMS", "model.pt2", "calibrator.json"),
}
STAGING, FORMER = ".new", ".former"  # in a folder of results: what is to be moved there

P = ParamSpec("P")
T = TypeVar("T")


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
    """Refuse a folder in which something would be lost or mixed up.

    Args:
        below: folders in `out` that are written, too.
        inputs: folders that the command reads.
        model, others: whose results are to be written, and whose the folder holds.
        foreign: what lies there and is not the command's.

    Raises:
        UserError: the folder holds one of these, or results of another command.
    """
    read = {path.resolve() for path in inputs if path is not None}
    mixed = [folder for folder in (out, *below) if folder.resolve() in read]
    for what, problems in (
        ("is, or holds, what is read: results would be mixed with it", mixed),
        ("holds results of another command", _of_commands(out, command)),
        (f"holds results of another model than {model}", others),
        (f"holds what {command} did not write", foreign),
    ):
        if there := listed(problems):
            raise UserError(
                f"--out {out} {what}",
                found=there,
                expected=f"a new folder, or one with older results of {command}",
                fix="give another --out",
            )


def _of_commands(out: Path, command: str) -> Iterator[str]:
    for other, names in RESULTS.items():
        there = [name for name in names if name not in RESULTS[command] and (out / name).exists()]
        if other != command and there:
            yield f"{out / there[0]}, of {other}"


def exclusive(whole: bool = False) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let a function write into the folder `out` of its arguments, which it may then do alone; folders that are made
    for it and stay empty are removed.

    Args:
        whole: whether it replaces the folder (`replaced`). Its lock lies beside it then.

    Raises:
        UserError: the folder cannot be made or written, or another process writes into it.
    """

    def decorated(work: Callable[P, T]) -> Callable[P, T]:
        @wraps(work)
        def alone(*args: P.args, **options: P.kwargs) -> T:
            with _taken(signature(work).bind(*args, **options).arguments["out"], whole):
                return work(*args, **options)

        return alone

    return decorated


@contextmanager
def _taken(out: Path, whole: bool) -> Iterator[None]:
    place = out.resolve().parent if whole else out
    lock = place / (f".{out.resolve().name}.lock" if whole else ".lock")
    busy = UserError(
        f"another command is writing into {out}",
        found=f"{lock}, which it holds",
        expected="one command at a time that writes into a folder",
        fix="wait until it has ended, or give another --out",
    )
    absent = [folder for folder in (out, *out.parents) if not os.path.exists(folder)]
    try:
        check_writable(place)
        with locks.alone(str(out), lock, busy):
            if whole:
                _tidy(out.resolve(), aside(out.resolve()))
            check_writable(out)
            yield
    finally:
        for folder in absent:
            with suppress(OSError):
                folder.rmdir()


@contextmanager
def staged(out: Path, last: str, older: Collection[str] = ()) -> Iterator[Path]:
    """Yield an empty folder in `out` to write into. Its content is moved to `out` at the end. After an interruption the
    earlier results are back, after a kill with the next call.

    Args:
        last: the file that is removed first of earlier results, and moved last: results are complete if it is there.
        older: patterns of further earlier results that are removed, because not all of them are overwritten.
    """
    new, former = out / STAGING, out / FORMER
    _restore(out, former, last)
    shutil.rmtree(new, ignore_errors=True)  # left by a command that was killed
    try:
        with writing(new):
            new.mkdir(parents=True)
        yield new
        names = sorted((path.name for path in new.iterdir()), key=lambda name: name == last)
        earlier = [path for pattern in (last, *older, *names) for path in sorted(out.glob(pattern))]
        former.mkdir()
        for path in dict.fromkeys(earlier):
            os.replace(path, former / path.name)
        for name in names:
            os.replace(new / name, out / name)
    finally:
        _restore(out, former, last)
        shutil.rmtree(new, ignore_errors=True)


def _restore(out: Path, former: Path, last: str) -> None:
    """Move earlier results back where the new ones are incomplete, and remove them where these are complete."""
    if former.is_dir() and not (out / last).exists():
        for path in sorted(former.iterdir(), key=lambda path: path.name == last):
            if (target := out / path.name).is_dir():
                shutil.rmtree(target)
            os.replace(path, target)
    shutil.rmtree(former, ignore_errors=True)


@contextmanager
def replaced(out: Path, within: Path | None = None) -> Iterator[Path]:
    """Yield an empty folder that takes the place of the folder `out` at the end. After a kill at the moment between two
    renames there is no `out`: it is in `aside`, from where the next call puts it back.

    Args:
        within: the folder in which it is written, on the same file system; that of `out` if left out.
    """
    out = out.resolve()  # a link stays one, and "." has a name
    former = aside(out, within)
    new = former.with_suffix(".new")
    _tidy(out, former)
    try:
        with writing(new):
            new.mkdir(parents=True)
        yield new
        if out.exists():
            os.replace(out, former)
        os.replace(new, out)
    finally:
        _tidy(out, former)


def aside(out: Path, within: Path | None = None) -> Path:
    """Where a folder is that is being replaced, until the new one is in its place."""
    return (within or out.parent) / f".{out.name}.former"


def _tidy(out: Path, former: Path) -> None:
    """Put `out` back if it was moved aside, and remove what else is left. What is being removed is called `new`, so
    that what is aside is always whole."""
    shutil.rmtree(new := former.with_suffix(".new"), ignore_errors=True)
    if former.exists():
        os.replace(former, new if out.exists() else out)
        shutil.rmtree(new, ignore_errors=True)
