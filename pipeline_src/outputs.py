"""The folder of `--out`: whether a command may write there, and how its results are moved there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline_src.errors import UserError, listed
from pipeline_src.files import check_writable, writing

# Command -> files by which its results are recognized; folders of two commands have calibrators.
RESULTS = {
    "judge": ("metrics.json", "counts.npz"),
    "calibrate": ("scores.json", "calibrator.json"),
    "compare": ("comparison.json",),
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
    """Raise a UserError if `out` cannot be written, or files in it would be lost or mixed.

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
    faults: dict[str, Iterable[object]] = {
        "is, or contains, an input: results would be mixed with it": [
            folder for folder in (out, *below) if folder.resolve() in read
        ],
        "has results of another command": _results_of_others(out, command),
        f"has files that {command} did not write now or before": foreign,
    }
    for fault, problems in faults.items():
        found = listed(problems)
        if found:
            raise UserError(
                f"--out {out} {fault}",
                found=found,
                expected=f"a new folder, or one with earlier results of {command}",
                fix="give another --out",
            )


def _results_of_others(out: Path, command: str) -> list[str]:
    """Return the files in `out` by which results of other commands are recognized."""
    found = []
    for other, names in RESULTS.items():
        for name in names:
            if name not in RESULTS[command] and (out / name).exists():
                found.append(f"{out / name}, of {other}")
    return found


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
        for pattern in (last, *older):
            for path in list(out.glob(pattern)):
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
        for path in sorted(new.iterdir(), key=lambda path: path.name == last):
            target = out / path.name
            if target.is_dir():
                shutil.rmtree(target)
            os.replace(path, target)
    finally:
        shutil.rmtree(new, ignore_errors=True)
