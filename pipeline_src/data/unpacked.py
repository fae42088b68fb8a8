"""Digests of the files of an unpacked dataset: files that change later differ from those of the archive."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline_src.errors import UserError, listed
from pipeline_src.files import sha256, write_text

DIGESTS = ".unpacked.json"  # in the dataset's folder


def write_digests(root: Path) -> None:
    """Write the SHA-256 of all files below a folder into the folder."""
    write_text(root / DIGESTS, json.dumps(_digests(root)))


def check_digests(root: Path) -> None:
    """Compare all files of an unpacked dataset with their digests.

    Raises:
        UserError: files were changed, added or removed since.
    """
    recorded = json.loads((root / DIGESTS).read_text(encoding="utf-8"))
    actual = _digests(root)
    changed = [name for name in recorded | actual if recorded.get(name) != actual.get(name)]
    if changed:
        raise UserError(
            f"files in {root} are not as they were unpacked:{listed(changed)}",
            expected="the files of the archive, or of the generator of synthetic data",
            fix=f"rm -r {root}, and start the same command again",
        )


def _digests(root: Path) -> dict[str, str]:
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and path != root / DIGESTS]
    return {path.relative_to(root).as_posix(): sha256(path) for path in files}
