"""Archives of datasets, unpacked within limits, and digests of the files that they hold.

The digests reveal files that change later.
"""

from __future__ import annotations

import json
import os
import tarfile
import zipfile
from contextlib import suppress
from pathlib import Path

from pipeline_src.errors import UserError, listed
from pipeline_src.files import reading, sha256, write_text, writing

DIGESTS = ".unpacked.json"  # file with the digests, in the dataset's folder
GB = 10**9
GROWTH = 20  # how many times its own size an archive may unpack to


def unpack(archive: Path, into: Path, max_gb: float = 0) -> None:
    """Unpack a zip or (compressed) tar archive into a folder.

    The members may have 1 GB in total, or 20 times the size of the archive up to 50 GB, or
    `max_gb`, whichever is most. A broken or malicious archive so cannot fill the disk.

    Raises:
        UserError: the archive is broken, encrypted, of another kind or too large; or a member is a
            device, or leads out of the folder.
    """
    # Bytes that the next members may have.
    left = max(GB, min(GROWTH * archive.stat().st_size, 50 * GB), max_gb * GB)
    with (
        reading(
            f"archive {archive} cannot be unpacked",
            expected="a complete .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz, not encrypted",
            fix="with too many bytes, raise `max_unpacked_gb` of the dataset; else download it "
            "again, or unpack it yourself (as a .rar or .7z) and write `folder:` instead of "
            "`archive:`",
        ),
        writing(into),
    ):
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zipped:
                for entry in zipped.infolist():
                    left -= entry.file_size
                    _check_member(entry.filename, left)
                    zipped.extract(entry, into)
        else:
            with tarfile.open(archive) as packed:
                for member in packed:
                    left -= member.size
                    _check_member(member.name, left)
                    packed.extract(member, into, filter="data")


def _check_member(name: str, left: float) -> None:
    """Raise a ValueError if a member's path leads out of the folder, or the limit is exceeded.

    Args:
        name: path of the member in the archive.
        left: bytes that are left of the limit on the unpacked size, after this member.
    """
    if left < 0:
        raise ValueError(f"too many bytes up to {name}")
    if os.path.isabs(name) or os.path.normpath(name).startswith("../"):
        raise ValueError(f"{name} leads out of the archive's folder")


def write_digests(root: Path) -> None:
    """Write the SHA-256 of all files below a folder into the folder, for `checked_digests`."""
    write_text(root / DIGESTS, json.dumps(_digests(root)))


def checked_digests(root: Path) -> dict[str, str]:
    """Return the SHA-256 of all files of an unpacked dataset by path.

    Raises:
        UserError: files were changed, added or removed since they were unpacked.
    """
    recorded: dict[str, str] = {}
    with suppress(OSError, ValueError, TypeError):  # a damaged file lists nothing
        recorded = dict(json.loads((root / DIGESTS).read_bytes()))
    actual = _digests(root)
    changed = [name for name in recorded | actual if recorded.get(name) != actual.get(name)]
    if changed:
        raise UserError(
            f"files in {root} are not as they were unpacked:{listed(changed)}",
            expected="the files of the archive, or of the generator of synthetic data",
            fix=f"rm -r {root}, and start the same command again",
        )
    return actual


def _digests(root: Path) -> dict[str, str]:
    """Return the SHA-256 of all files below a folder by relative path, without `DIGESTS`."""
    digests = {}
    for path in sorted(root.rglob("*")):
        if path.is_file() and path != root / DIGESTS:
            digests[path.relative_to(root).as_posix()] = sha256(path)
    return digests
