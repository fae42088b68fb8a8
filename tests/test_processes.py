"""Processes that work for a command end with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pipeline_src import processes

TASKS = """
import time
from pathlib import Path

def task(name):
    Path(name).write_text("begun")
    time.sleep(0.2 if name == "first" else 60)
"""
PROGRAM = """
from pathlib import Path
from concurrent.futures import as_completed
from pipeline_src import __main__, processes
import tasks

def command():
    Path("unfinished").write_text("")
    try:
        with processes.pool(2) as pool:
            for done in as_completed([pool.submit(tasks.task, name) for name in ("first", "b", "c", "d", "e")]):
                done.result()
    finally:
        Path("unfinished").unlink()

if __name__ == "__main__":
    __main__._run = lambda app: command()
    __main__.main()
"""


def test_work_is_done_and_an_error_ends_what_runs(tmp_path):
    with processes.pool(2) as pool:
        assert list(pool.map(abs, [-1, -2, 3])) == [1, 2, 3]
    began = time.monotonic()
    with pytest.raises(ValueError, match="invalid literal"), processes.pool(2) as pool:
        slow = [pool.submit(time.sleep, 60) for _ in range(4)]
        pool.submit(abs, -1)
        int("no number")
    assert time.monotonic() - began < 50 and all(of.done() for of in slow)


@pytest.mark.slow
@pytest.mark.parametrize("to_all", [True, False])
def test_ctrl_c_ends_all_processes_at_once_and_lets_a_command_clean_up(tmp_path, to_all):
    """A terminal sends it to all of them."""
    (tmp_path / "tasks.py").write_text(TASKS)
    (tmp_path / "program.py").write_text(PROGRAM)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path.cwd()), str(tmp_path)])}
    begun = subprocess.Popen(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a shell's `&` ignores it
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "c").exists():  # the third task runs, so two do, and others wait
        assert time.monotonic() < deadline and begun.poll() is None
        time.sleep(0.05)
    workers = psutil.Process(begun.pid).children(recursive=True)
    if to_all:
        os.killpg(begun.pid, signal.SIGINT)
    else:
        begun.send_signal(signal.SIGINT)
    _, said = begun.communicate(timeout=50)
    assert begun.returncode == 130 and "Aborted!" in said and "Traceback" not in said
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive and not (tmp_path / "unfinished").exists() and not (tmp_path / "e").exists()


ORPHAN = """
import os, sys, time
from pipeline_src import processes

if __name__ == "__main__":
    processes.end_with_owner()
    with processes.pool(1) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        time.sleep(300)
"""


def test_a_job_and_its_workers_end_when_their_snakemake_was_killed(tmp_path):
    """SIGKILL leaves nobody who could tell them."""
    (tmp_path / "job.py").write_text(ORPHAN)
    with subprocess.Popen(["sleep", "300"]) as owner:
        environment = os.environ | {"PYTHONPATH": str(Path.cwd()), processes.OWNER: str(owner.pid)}
        job = subprocess.Popen([sys.executable, "job.py"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE)
        assert job.stdout
        worker = psutil.Process(int(job.stdout.readline()))
        owner.kill()
    assert job.wait(60) == 1
    worker.wait(60)
