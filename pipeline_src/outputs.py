"""The folder of `--out`: whether a command may write there, and how results are written there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline_src.errors import UserError, listed
from pipeline_src.files import Content, check_writable, write_text, writing

# Command -> files by which its results are recognized; without the first a folder has none of its
# results. Two commands write calibrator.json.
RESULTS = {
    "judge": ("counts.npz", "metrics.json"),
    "calibrate": ("scores.json", "calibrator.json"),
    "compare": ("comparison.json",),
    "predict": ("maps.json",),
    "export": ("SHA256SUMS", "model.pt2", "calibrator.json"),
}
STAGING = ".new"  # folder in a folder of results, which holds new results until all are written


def check_output(
    out: Path,
    command: str,
    *,
    replaced: Collection[str] = (),
    below: Collection[Path] = (),
    inputs: Collection[Path | None] = (),
    foreign: Iterable[object] = (),
) -> None:
    """Raise a UserError if `out` cannot be written, or if other files in it would be lost or mixed.

    Args:
        command: name of the command that writes its results to `out`.
        replaced: patterns of the names of its results, which it removes or overwrites.
        below: folders in `out` that are also written.
        inputs: folders that the command reads with their subfolders, or patterns with stars of the
            files that it reads.
        foreign: what `out` has that the command may not overwrite, such as files of other origin
            or results of another model; the error lists it.

    Raises:
        UserError: `out` is a file or not writable; it, or a folder of `below`, is an input or lies
            in one; or it has foreign files or results of another command.
    """
    check_writable(out, f"--out {out}")
    others = []  # files by which results of other commands are recognized
    for other, names in RESULTS.items():
        for name in names:
            if name not in RESULTS[command] and (out / name).exists():
                others.append(f"{out / name}, of {other}")
    kept = list(foreign)
    # A killed command may have removed results, and leaves the folder of new ones.
    if not (out / RESULTS[command][0]).exists() and not (out / STAGING).exists():
        for pattern in replaced:
            kept += out.glob(pattern)
    mixed = []
    for folder in (out, *below):
        if any(_reads_in(folder, source) for source in inputs if source):
            mixed.append(folder)
    # What is wrong, as the end of a sentence about `out` -> the files or folders that show it.
    faults: dict[str, Iterable[object]] = {
        "is, contains, or lies in an input: results would be mixed with it": mixed,
        "has results of another command": others,
        "has files of other origin, or results of another model": kept,
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


def _reads_in(folder: Path, source: Path) -> bool:
    """Return whether new files in a folder may be read as inputs.

    Args:
        source: an input folder, or a pattern with stars (`check_output`).
    """
    root = str(source).partition("**")[0]
    if "*" in root:
        # `match` gives [ a meaning, which is a part of names here.
        return (folder.resolve() / source.name).match(str(source.resolve()).replace("[", "[[]"))
    return folder.resolve().is_relative_to(Path(root).resolve())


def write_result(path: Path, content: Content) -> None:
    """Write a result as indented JSON for readers; an infinite or undefined number is an error."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


@contextmanager
def staged(out: Path, last: str, older: Collection[str] = ()) -> Iterator[Path]:
    """Yield an empty folder in `out`, whose content is moved to `out` at the end.

    An error leaves the earlier results.

    Args:
        last: the file that is removed first and written last: results are complete if it exists.
        older: patterns of the names of other results, whose files and folders of an earlier call
            are removed: the new results may not overwrite all of them, and no folder.
    """
    new = out / STAGING
    with writing(new):
        shutil.rmtree(new, ignore_errors=True)  # of a killed command
        new.mkdir(parents=True)
    try:
        yield new
        for pattern in (last, *older):
            for path in list(out.glob(pattern)):
                if not path.is_dir():
                    path.unlink()
                elif path.name == pattern:  # only a file is known by a part of its name
                    shutil.rmtree(path)
        # False sorts before True: `last` is moved at the end.
        for path in sorted(new.iterdir(), key=lambda path: path.name == last):
            os.replace(path, out / path.name)
    finally:
        shutil.rmtree(new, ignore_errors=True)
