"""Results that DVC brings damaged, in part or not at all, and runs that it can't record."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from project import call, idle, planned

from pipeline_src.engine.contract import DIGESTS

RESULTS = "results/tiny/"
MODEL, STATISTIC = f"{RESULTS}runs/baseline/seed0/model.safetensors", f"{RESULTS}statistics/aslp_mc/seed0/val.npz"

RECORD = f"""
import logging, pathlib
from pipeline_src.engine import dvc
logging.basicConfig()
dvc.record({{"report": []}}, pathlib.Path("{RESULTS}contracts"), "tiny", "tiny")
"""


@dataclass(frozen=True)
class Row:
    """One fault.

    Attributes:
        name, fault, happens: as in `bad_input.BadInput`.
        check: breaks it and looks what happens, given a finished run and an empty folder.
    """

    name: str
    fault: str
    happens: str
    check: Callable[[Path, Path], None]


def clone(finished: Path, folder: Path) -> tuple[Path, Path]:
    """A clone of a finished run without results, and a copy of its remote."""
    shutil.copytree(f"{finished}-storage", folder / "storage")
    call(folder, "git", "clone", "--quiet", str(finished), "clone")
    call(folder / "clone", "dvc", "remote", "modify", "--local", "storage", "url", str(folder / "storage"))
    # The same code, compiled, and its digests: to save time.
    shutil.copytree(finished / "pipeline_src", folder / "clone/pipeline_src", dirs_exist_ok=True)
    (folder / "clone" / DIGESTS).parent.mkdir()
    shutil.copy(finished / DIGESTS, folder / "clone" / DIGESTS)
    return folder / "clone", folder / "storage"


def stored(file: Path) -> str:
    """The place of a file in a remote."""
    md5 = hashlib.md5(file.read_bytes()).hexdigest()
    return f"files/md5/{md5[:2]}/{md5[2:]}"


def flip(file: Path) -> None:
    content, mode = bytearray(file.read_bytes()), file.stat().st_mode
    content[len(content) // 2] ^= 1
    file.chmod(0o644)
    file.write_bytes(content)
    file.chmod(mode)


def damaged(name: str, *command: str) -> Callable[[Path, Path], None]:
    """A file of a remote is damaged and pulled; `command` heals it."""

    def check(finished: Path, folder: Path) -> None:
        here, storage = clone(finished, folder)
        content, place = (finished / name).read_bytes(), stored(finished / name)
        flip(storage / place)
        call(here, "dvc", "pull", "--quiet")
        assert (here / name).read_bytes() != content
        said = call(here, *command)
        assert f"{name} is not as it was made" in said and place in said and "is as before, bit for bit" in said
        assert (here / name).read_bytes() == (here / ".dvc/cache" / place).read_bytes() == content
        assert planned(here) == {} and idle(here)

    return check


def killed_pull(finished: Path, folder: Path) -> None:
    here, _ = clone(finished, folder)
    (left := here / RESULTS / "figures/.Hj0RyX4bqbqRkqVd8EpLSU.tmp").parent.mkdir(parents=True)
    left.write_bytes(b"half")
    call(here, "dvc", "pull", "--quiet")
    assert planned(here) == {} and idle(here)


def incomplete_remote(finished: Path, folder: Path) -> None:
    here, storage = clone(finished, folder)
    place = stored(finished / MODEL)
    (storage / place).unlink()
    assert place.removeprefix("files/md5/").replace("/", "") in call(here, "dvc", "pull", check=False)
    said = " ".join(call(here, "python", "-m", "pipeline_src", "plan").split())
    assert f"dvc.lock lists what is not here: {RESULTS}contracts, data/tiny, " in said
    assert "`dvc checkout` then brings the rest" in said
    call(here, "dvc", "checkout", check=False)
    assert planned(here) == {"train": 2}


def unrecorded(make: Callable[[Path], object], why: str) -> Callable[[Path, Path], None]:
    """DVC can't record a run: it says so in one line."""

    def check(finished: Path, folder: Path) -> None:
        here, _ = clone(finished, folder)
        held = make(here)
        said = call(here, "python", "-c", RECORD)
        del held
        assert "DVC could not record this run. The next run does, once this is mended: ERROR: " in said
        assert why in said and len(said.splitlines()) == 1

    return check


def locked(here: Path) -> object:
    """As a running DVC leaves it."""
    call(here, "dvc", "status", "--quiet", check=False)  # makes its folder
    file = (here / ".dvc/tmp/lock").open("a")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


HEALED = "the file is named and made again, in DVC's cache too, and the place of the damaged one in the remote is named"
ROWS = [
    Row(
        "pulled-damaged-run",
        "a statistic in a remote is damaged, and is pulled; then `snakemake`",
        HEALED,
        damaged(STATISTIC, "snakemake", "--cores", "2"),
    ),
    Row(
        "pulled-damaged-repro",
        "a model in a remote is damaged, and is pulled; then `dvc repro`",
        HEALED,
        damaged(MODEL, "dvc", "repro"),
    ),
    Row("killed-pull", "`dvc pull` was killed, and left a temporary file", "the next `dvc pull` goes on", killed_pull),
    Row(
        "incomplete-remote",
        "a remote lacks a model",
        "`dvc pull` brings nothing; `plan` names `dvc checkout`, which brings all but the runs' folder",
        incomplete_remote,
    ),
    Row(
        "broken-config",
        "`.dvc/config` can't be read when a run ends",
        "the results stand, and a line says why DVC did not record them",
        unrecorded(lambda here: (here / ".dvc/config").write_text("[core\n"), ""),
    ),
    Row(
        "locked",
        "another DVC is at work when a run ends",
        "the results stand, and a line says why DVC did not record them",
        unrecorded(locked, "Unable to acquire lock"),
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_it_is_survived(row: Row, finished: Path, tmp_path: Path):
    row.check(finished, tmp_path)
