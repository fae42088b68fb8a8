"""`tiny` killed at random moments, gone on with, and compared: `python tests/faults/kill.py 100`.

Three levels take turns: a training run, Snakemake and DVC. SIGKILL, SIGTERM or SIGINT meets a command with all that it
has started, or the command alone, whose jobs then end by themselves while the same command is started again.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

sys.path.append(str(Path(__file__).parents[1]))

from project import ENVIRONMENT, call, copy, edit
from project import results as stored

from pipeline_src.files import sha256

LEVELS = {
    "train": [sys.executable, "-m", "pipeline_src", "run-job", "train/aslp_mc/seed0"],
    "snakemake": ["snakemake", "--cores", "2", "--quiet", "all", "--", "statistics", "results/tiny/tables/main.csv"],
    "dvc": ["dvc", "repro", "--quiet"],
}
RESULTS = ("runs/*/*/model.safetensors", "runs/*/*/*.csv", "runs/*/*/run.json", "statistics/**/*.npz", "tables/*")
MACHINE = ("timing.csv", "T9.csv", "T9.md", "T9.tex", "printed.json")  # speeds of this machine (the last has T9 too)


def results(folder: Path) -> dict[str, str]:
    """SHA-256 of models, histories, alphas, statistics and tables of `tiny`, by name."""
    top = folder / "results" / "tiny"
    files = {file for pattern in RESULTS for file in top.glob(pattern) if file.name not in MACHINE}
    return {file.relative_to(top).as_posix(): sha256(file) for file in sorted(files)}


def alphas(folder: Path) -> dict[str, list[float]]:
    """The alphas of the last epoch, by method."""
    files = (folder / "results" / "tiny" / "runs").glob("*/*/alpha.csv")
    return {file.parts[-3]: pd.read_csv(file).iloc[:, -1].tolist() for file in files}


def epochs(folder: Path) -> int:
    """The epochs that the runs at work have a checkpoint of, together."""
    last: dict[Path, int] = {}
    for file in (folder / "results/.store/unfinished").glob("*/epoch*.pt"):
        last[file.parent] = max(int(file.stem.removeprefix("epoch")), last.get(file.parent, 0))
    return sum(last.values())


def start(folder: Path, level: str) -> subprocess.Popen:
    """Start a level's command, with what it will start in a session of its own."""
    quiet = subprocess.DEVNULL
    return subprocess.Popen(
        LEVELS[level], cwd=folder, env=ENVIRONMENT, stdout=quiet, stderr=quiet, start_new_session=True
    )


SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
PATIENCE = 60  # seconds that a command may take to end after a signal


def kill(
    process: subprocess.Popen, when: Callable[[], bool], alone: bool = False, by: signal.Signals = signal.SIGKILL
) -> bool:
    """End a command and what it has started by a signal as soon as `when`, or the command `alone`; False if it ended
    before. Snakemake waits for its jobs after SIGTERM, so it is killed after a while."""
    while not when() and process.poll() is None:
        time.sleep(0.002)
    running = process.poll() is None
    with contextlib.suppress(ProcessLookupError):
        (os.kill if alone else os.killpg)(process.pid, by)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)
        os.killpg(process.pid, signal.SIGKILL) if not alone else process.kill()
    process.wait()
    return running


def after(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


# One command, many kills


def project(folder: Path, finished: Path | None = None) -> Path:
    """`tiny` with two methods that learn alphas from the second epoch on (on so few images ASLP_MEI's would be those of
    ASLP_MC), in a git repository, with the preprocessed images of a `finished` one."""
    folder.mkdir()
    copy(folder)
    file = folder / "params.yaml"
    edit(file, "    methods: [baseline, aslp_mc]\n", "    methods: [baseline, aslp_mc, als]\n")
    edit(file, "training: {epochs: 7, batch_size: 4}", "training: {epochs: 20, batch_size: 4}")
    file.write_text(file.read_text().replace("start_epoch: 5", "start_epoch: 1"))
    call(folder, "git", "init", "--quiet")
    for result in (finished / "results/.store").glob("[ps][rt]*-*") if finished else ():  # prepare and store
        shutil.copytree(result, folder / "results/.store" / result.name)
    return folder


def undisturbed(top: Path) -> tuple[dict[str, float], Path]:
    """Seconds of each level, and a finished project; the levels agree, and the alphas differ."""
    seconds, found = {}, {}
    for level in reversed(LEVELS):
        folder = project(top / level, top / "dvc" if level == "train" else None)
        started = time.monotonic()
        assert start(folder, level).wait() == 0, f"{level} fails undisturbed"
        seconds[level], found[level] = time.monotonic() - started, results(folder)
    assert found["train"].items() <= found["snakemake"].items() <= found["dvc"].items()
    of = alphas(top / "dvc")
    assert len(of) == 2 and of["aslp_mc"] != of["als"] and all(len(set(each)) > 3 for each in of.values()), of
    return seconds, top / "dvc"


def main(number: int, seed: int) -> int:
    """Kill so many times, and print a table; the number of rounds that ended in other bits."""
    rng, bad = random.Random(seed), 0
    with tempfile.TemporaryDirectory() as name:
        seconds, reference = undisturbed(Path(name))
        whole = results(reference)
        print(f"seed {seed}; undisturbed: " + ", ".join(f"{level} {of:.0f} s" for level, of in seconds.items()))
        print(f"{'':4}  {'level':<10} {'killed':<12} {'after':>7}  {'made then':<12} result")
        for count in range(1, number + 1):
            level = list(LEVELS)[count % len(LEVELS)]
            folder = project(Path(name) / "killed", reference if level == "train" else None)
            moment, alone = rng.uniform(0, seconds[level]), level != "train" and rng.random() < 0.25
            first = start(folder, level)
            by = rng.choice(SIGNALS)
            killed = kill(first, after(moment), alone, by)
            made = f"{len(stored(folder))} results"
            code = start(folder, level).wait()
            found = results(folder)
            wanted = {name: of for name, of in whole.items() if level != "train" or name.startswith("runs/aslp_mc/")}
            differing = sorted(name for name in found | wanted if found.get(name) != wanted.get(name))
            if level == "snakemake":  # it was asked for less than DVC makes
                differing = [name for name in differing if name in found or not name.startswith("tables/")]
            bad += bool(differing or code)
            outcome = f"exit code {code}" if code else ", ".join(differing) or "same bits"
            who = f"{'one' if alone else 'all'} {by.name}" if killed else "was finished"
            print(f"{count:>4}  {level:<10} {who:<12} {moment:6.1f}s  {made:<12} {outcome}", flush=True)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(first.pid, 9)  # orphans that have nothing to do any more
            shutil.rmtree(folder)
    print(f"{number - bad} of {number} ended in the bits of the undisturbed run")
    return bad


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("number", type=int)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    given = parser.parse_args()
    sys.exit(main(given.number, given.seed) > 0)
