"""The folder that a judgement is written into: checked before anything is computed, and cleared of an older one."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from pipeline_src.errors import UserError


def check(out: Path, name: str, inputs: tuple[Path | None, ...]) -> None:
    """Whether results of the model `name` can be written into `out`; nothing is left there.

    Raises:
        UserError: a file is in the way, it cannot be written into, it is one of `inputs`, or another model's results
            are there.
    """
    there = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
    if not there.is_dir():
        raise UserError(f"--out {out}: {there} is a file", expected="a folder to write into, made if it does not exist")
    if any(path is not None and path.exists() and out.resolve() == path.resolve() for path in inputs):
        raise UserError(
            f"--out {out} is the folder of maps or masks, and what is written there would be taken for one",
            do="give a folder of its own",
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
    """Delete metrics.json, which is written last (where it is, everything else is), and diagrams, which a judgement of
    one protocol or of K classes would leave."""
    for path in [out / "metrics.json", *out.glob("reliability-*.*")]:
        path.unlink(missing_ok=True)
