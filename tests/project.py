"""The project in a folder of its own, and its engines called there."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline_src.params.load import read
from pipeline_src.pipeline import fingerprint
from pipeline_src.pipeline.graph import build
from pipeline_src.pipeline.runner import run_job

TESTS = Path(__file__).parent
ROOT = TESTS.parent
PROJECT = ("pipeline_src", "workflow", "params.yaml", "dvc.yaml", ".dvc", ".dvcignore", ".gitignore")
ENVIRONMENT = os.environ | {
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "PYTHONPATH": "",
    "OMP_NUM_THREADS": "1",  # two processes of tests and their jobs share the cores
    **{f"GIT_{who}_{what}": "test@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}
SHOWN = {
    "analyse": 3,
    "tables": 1,
    "figures": 1,
    "gallery": 1,
    "claims": 1,
    "report": 1,
}  # jobs of `tiny` behind the statistics
BLANK = bytes.fromhex(  # an image of one pixel: what the report needs of a figure
    "89504e470d0a1a0a0000000d4948445200000001000000010100000000376ef9240000000a49444154789c63600000000200"
    "0148afa4710000000049454e44ae426082"
)


def call(folder: Path, *command: str, check: bool = True, **environment: str) -> str:
    """What a command prints, both streams; a failure shows it."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=ENVIRONMENT | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert not check or done.returncode == 0, done.stdout
    return done.stdout


def snakemake(folder: Path, *options: str, **kwargs) -> str:
    return call(folder, "snakemake", "--cores", "2", *options, **kwargs)


def planned(folder: Path, *options: str) -> dict[str, int]:
    """How many jobs of each rule Snakemake would run; {} if nothing is to be done."""
    return counted(snakemake(folder, "--dry-run", *options))


def counted(said: str) -> dict[str, int]:
    """The jobs that Snakemake says it runs, by rule."""
    if "Nothing to be done" in said:
        return {}
    table = said.split("Job stats:")[1].split("total")[0]
    return {
        rule.removeprefix("write_"): int(count)
        for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)
        if rule != "all"
    }


OUTDATED = """
import collections, json
from pipeline_src.params.load import read
from pipeline_src.pipeline.graph import build
jobs = build(read()).jobs.values()
print(json.dumps(collections.Counter(job.kind for job in jobs if not job.is_made)))
"""


def outdated(folder: Path) -> dict[str, int]:
    """How many jobs of each kind are to be run, by the package and the parameters in `folder`. Snakemake asks
    the same, and takes several times as long."""
    return json.loads(call(folder, "python", "-c", OUTDATED))


def forget_code() -> None:
    """Have the code read again at the next fingerprint, because files were edited."""
    for cached in (fingerprint._code_digests, fingerprint._places, fingerprint._code, fingerprint._known_code):
        cached.cache_clear()


def make(folder: Path, *kinds: str) -> None:
    """Make the jobs of some kinds in this process, where torch and mmseg are imported once. The package in `folder`
    must be as it is here."""
    with contextlib.chdir(folder):
        forget_code()
        for job in build(read()).of_kinds(*kinds):
            run_job(job)


def draw_quickly(patch: pytest.MonkeyPatch) -> None:
    """In this process, figures are painted and saved as blank files: saving takes half of the time of drawing.
    tests/figures looks at all files."""
    from matplotlib.figure import Figure

    patch.setattr(Figure, "savefig", lambda self, path, **options: path.write_bytes(BLANK))


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
    file.write_text(text.replace(old, new))


def results(folder: Path) -> set[str]:
    """The kind and fingerprint of all results in the store."""
    files = (folder / "results/.store").glob("*/*/manifest.json")
    return {f"{file.parent.parent.name}/{file.parent.name}" for file in files}


def copy(folder: Path) -> None:
    """The project's files, with `tiny` as the experiment."""
    for name in PROJECT:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("cache", "tmp"))
        else:
            shutil.copy(source, folder / name)
    text = (folder / "params.yaml").read_text()
    (folder / "params.yaml").write_text(re.sub(r"^experiment: \w+", "experiment: tiny", text, flags=re.MULTILINE))
