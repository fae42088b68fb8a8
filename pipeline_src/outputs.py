"""The folder of `--out`: whether a command may write there, and how its results are moved there.

One process writes at a time. Results of two runs are never mixed: they are complete if their last file exists.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import ParamSpec, TypeVar

from filelock import FileLock, Timeout

from pipeline_src.errors import UserError, listed
from pipeline_src.files import check_writable, writing

RESULTS = {  # command -> files by which its results are recognized; folders of two commands have calibrators
    "judge": ("metrics.json", "statistic.npz"),
    "calibrate": ("scores.json", "calibrator.json"),
    "predict": ("maps.jsonl",),
    "export": ("SHA256SUMS", "model.pt2", "calibrator.json"),
}
STAGING, FORMER, LOCK = ".new", ".former", ".lock"  # in a folder of results

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
    """Refuse a folder in which files would be lost or mixed.

    Args:
        below: folders in `out` that are also written.
        inputs: folders that the command reads.
        model, others: the model whose results are to be written, and other models whose results the folder has.
        foreign: files that the command did not write.

    Raises:
        UserError: the folder has one of these, or results of another command.
    """
    read = {path.resolve() for path in inputs if path is not None}
    mixed = [folder for folder in (out, *below) if folder.resolve() in read]
    for fault, problems in (
        ("is, or contains, an input: results would be mixed with it", mixed),
        ("has results of another command", _results_of_others(out, command)),
        (f"has results of another model than {model}", others),
        (f"has files that {command} did not write", foreign),
    ):
        if found := listed(problems):
            raise UserError(
                f"--out {out} {fault}",
                found=found,
                expected=f"a new folder, or one with earlier results of {command}",
                fix="give another --out",
            )


def _results_of_others(out: Path, command: str) -> Iterator[str]:
    for other, names in RESULTS.items():
        found = [name for name in names if name not in RESULTS[command] and (out / name).exists()]
        if other != command and found:
            yield f"{out / found[0]}, of {other}"


def exclusive(work: Callable[P, T]) -> Callable[P, T]:
    """Let one process at a time run `work`, which writes into the folder `out` of its arguments.

    Folders that are created for it and stay empty are removed.

    Raises:
        UserError: the folder cannot be written, or another process writes into it.
    """

    @wraps(work)
    def locked(*args: P.args, **options: P.kwargs) -> T:
        out: Path = signature(work).bind(*args, **options).arguments["out"]
        absent = [folder for folder in (out, *out.parents) if not folder.exists()]
        lock = FileLock(out / LOCK)
        try:
            check_writable(out)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                raise UserError(
                    f"another command writes into {out}",
                    found=f"{out / LOCK}, which it holds",
                    expected="one command at a time that writes into a folder",
                    fix="wait until it has ended, or give another --out",
                ) from None
            try:
                return work(*args, **options)
            finally:
                (out / LOCK).unlink(missing_ok=True)
                lock.release()
        finally:
            for folder in absent:
                with suppress(OSError):
                    folder.rmdir()

    return locked


@contextmanager
def staged(out: Path, last: str, older: Collection[str] = ()) -> Iterator[Path]:
    """Yield an empty folder in `out`, whose content is moved to `out` at the end.

    An interruption restores the earlier results. After a kill, the next call restores them.

    Args:
        last: the file that is removed first and written last: results are complete if it exists.
        older: patterns of further earlier results that are removed, because not all of them are overwritten.
    """
    new, former = out / STAGING, out / FORMER
    _restore(out, former, last)
    shutil.rmtree(new, ignore_errors=True)  # of a killed command
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
    """Move earlier results back if the new ones are incomplete; remove them if the new ones are complete."""
    if former.is_dir() and not (out / last).exists():
        for path in sorted(former.iterdir(), key=lambda path: path.name == last):
            if (target := out / path.name).is_dir():
                shutil.rmtree(target)
            os.replace(path, target)
    shutil.rmtree(former, ignore_errors=True)
