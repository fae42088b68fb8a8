"""The folder of results: checked before anything is computed, and cleared of older results."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from pipeline_src.errors import UserError


def check(out: Path, name: str, inputs: tuple[Path | None, ...]) -> None:
    """Check that results of the model `name` can be written into `out`.

    Raises:
        UserError: `out` is a file, cannot be written, is one of `inputs`, or holds the results of another model.
    """
    there = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
    if not there.is_dir():
        raise UserError(f"--out {out}: {there} is a file", expected="a folder to write into, made if it does not exist")
    if any(path is not None and path.exists() and out.resolve() == path.resolve() for path in inputs):
        raise UserError(
            f"--out {out} is the folder of maps or masks, and results would be mixed with them",
            do="give another folder",
        )
    try:
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        raise UserError(f"--out {out} cannot be written", found=error) from error
    if (out / "metrics.json").exists():
        try:
            other = json.loads((out / "metrics.json").read_text(encoding="utf-8"))["name"]
        except (OSError, ValueError, KeyError, TypeError):
            other = "a file that judge did not write"
        if other != name:
            raise UserError(
                f"{out / 'metrics.json'} holds another model's results",
                found=other,
                expected=name,
                do=f"give another --out, or delete {out}",
            )


def clear(out: Path) -> None:
    """Delete metrics.json, whose presence means that all results are complete, and diagrams, which are not overwritten
    by results of one protocol or of K classes."""
    for path in [out / "metrics.json", *out.glob("reliability-*.*")]:
        path.unlink(missing_ok=True)
