"""The folder of `--out`: whether a command may write there, and how its results are moved there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline_src.errors import UserError, listed
from pipeline_src.files import check_writable, writing

RESULTS = {  # command -> files by which its results are recognized; folders of two commands have calibrators
    "judge": ("metrics.json", "counts.npz"),
    "calibrate": ("scores.json", "calibrator.json"),
    "predict": ("maps.json",),
    "export": ("SHA256SUMS", "model.pt2", "calibrator.json"),
}
STAGING = ".new"  # in a folder of results


def check_output(
    out: Path,
    command: str,
    *,
    below: Collection[Path] = (),
    inputs: Collection[Path | None] = (),
    foreign: Iterable[object] = (),
) -> None:
    """Raise a UserError for a folder `out` that cannot be written, or in which files would be lost
    or mixed.

    Args:
        below: folders in `out` that are also written.
        inputs: folders that the command reads.
        foreign: results of another model, and files that the command did not write.

    Raises:
        UserError: it is a file, it is not writable, or it has one of these or results of another
            command.
    """
    check_writable(out, f"--out {out}")
    read = {path.resolve() for path in inputs if path is not None}
    mixed = [folder for folder in (out, *below) if folder.resolve() in read]
    foreign_results = [
        f"{out / name}, of {other}"
        for other, names in RESULTS.items()
        for name in names
        if name not in RESULTS[command] and (out / name).exists()
    ]
    for fault, problems in (
        ("is, or contains, an input: results would be mixed with it", mixed),
        ("has results of another command", foreign_results),
        (f"has files that {command} did not write now or before", foreign),
    ):
        if found := listed(problems):
            raise UserError(
                f"--out {out} {fault}",
                found=found,
                expected=f"a new folder, or one with earlier results of {command}",
                fix="give another --out",
            )


@contextmanager
def staged(out: Path, last: str, older: Collection[str] = ()) -> Iterator[Path]:
    """Yield an empty folder in `out`, whose content is moved to `out` at the end.

    An error leaves the earlier results.

    Args:
        last: the file that is removed first and written last: results are complete if it exists.
        older: patterns of further earlier results that are removed, because not all of them are
            overwritten.
    """
    new = out / STAGING
    with writing(new):
        shutil.rmtree(new, ignore_errors=True)  # of a killed command
        new.mkdir(parents=True)
    try:
        yield new
        names = sorted((path.name for path in new.iterdir()), key=lambda name: name == last)
        for path in [path for pattern in (last, *older) for path in out.glob(pattern)]:
            _remove(path)
        for name in names:
            if (out / name).is_dir():
                _remove(out / name)
            os.replace(new / name, out / name)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
