"""The commands of docs/cluster.md on a real SLURM of one node, which `slurm.sh` sets up here.

    apt-get install slurm-wlm munge slurmdbd mariadb-server && python -m pip install -e ".[test,cluster]"
    ASLP_SLURM=1 pytest -n 0 tests/cluster

A quarter of an hour on two quiet cores, most of it waiting. A training of `tiny` sleeps after each epoch: a test can
stop it in the middle on any machine. It must resume there, and end in the bits of a run without a cluster.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
from project import ENVIRONMENT, ROOT, call, copy, edit

SCRIPT = Path(__file__).parent / "slurm.sh"
METHOD = '''"""A slow method."""

import os
import time

from pipeline_src.training.methods.aslp_mc import ASLPMC


class Slow(ASLPMC):
    def after_validation(self, validation, epoch):
        super().after_validation(validation, epoch)
        time.sleep(float(os.environ.get("EPOCH_SECONDS", 0)))
'''
SITE = """
default-resources: {slurm_account: lab, slurm_partition: main}
slurm-init-seconds-before-status-checks: 5
seconds-between-status-checks: 5
slurm-keep-successful-logs: true
"""
CONTENTS = """
import json
from pipeline_src.params.load import read
from pipeline_src.pipeline.graph import build
jobs = [job for job in build(read()).jobs.values() if job.kind not in ("tables", "report")]
print(json.dumps({job.name: (job.key, job.content_of()) for job in jobs}))
"""
EPOCHS, SECONDS = 12, 12  # longer than a time limit of two minutes, in which any machine gets some epochs done
PATIENCE = 1200  # seconds
COMMAND = re.search(r"```sh\n(snakemake --workflow-profile \S+)", (ROOT / "docs/cluster.md").read_text())[1]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory) -> Iterator[None]:
    """A SLURM of one node with two GPUs."""
    if os.environ.get("ASLP_SLURM") != "1":
        pytest.skip("ASLP_SLURM=1 sets up a SLURM on this machine")
    if find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip("the plugin is missing: python -m pip install -e '.[cluster]'")
    folder = tmp_path_factory.mktemp("slurm")
    done = subprocess.run([SCRIPT, "start", folder], stderr=subprocess.PIPE, text=True, check=False)
    try:
        if done.returncode == 77:
            pytest.skip(done.stderr.strip())
        assert done.returncode == 0, done.stderr
        yield
    finally:
        subprocess.run([SCRIPT, "stop", folder], check=True)


@pytest.fixture(scope="module")
def project(slurm, tmp_path_factory) -> Path:
    """The project without results: a slow training and the baseline."""
    folder = tmp_path_factory.mktemp("cluster") / "project"
    folder.mkdir()
    copy(folder)
    (folder / "pipeline_src/training/methods/slow.py").write_text(METHOD)
    entry = '        "slp": "slp:SLP",\n'
    edit(folder / "pipeline_src/training/registry.py", entry, f'        "slow": "slow:Slow",\n{entry}')
    (folder / "site").mkdir()
    (folder / "site/config.yaml").write_text(SITE)
    edit(folder / "params.yaml", "    methods: [baseline, aslp_mc]", "    seeds: [1]\n    methods: [baseline, slow]")
    edit(folder / "params.yaml", "  baseline: {}\n", "  baseline: {}\n  slow: {start_epoch: 2}\n")
    training = f"training: {{epochs: {EPOCHS}, batch_size: 4, gpus: 1}}"  # a GPU is asked for; nothing computes on it
    edit(folder / "pipeline_src/training/machine.py", 'device="cuda"', 'device="cpu"')
    edit(folder / "params.yaml", "training: {epochs: 16, batch_size: 4, lr: 1.0e-2}", training)
    return folder


@pytest.fixture(scope="module")
def local(project) -> Path:
    """The results of the same project without a cluster, of two seeds."""
    folder = project.with_name("local")
    folder.mkdir()
    for name in ("pipeline_src", "workflow", "params.yaml"):
        source = project / name
        shutil.copytree(source, folder / name) if source.is_dir() else shutil.copy(source, folder / name)
    seed(folder, 1)
    call(folder, "snakemake", "--cores", "2", "--", "models")
    seed(folder, 0)
    call(folder, "snakemake", "--cores", "2")
    return folder


def seed(folder: Path, new: int) -> None:
    """Change the seed of the experiment."""
    file, methods = folder / "params.yaml", r"(?=\]\n    methods: \[baseline, slow\])"
    text, count = re.subn(rf"(?<=    seeds: \[)\d+{methods}", str(new), file.read_text())
    assert count == 1
    file.write_text(text)


def models(*options: str) -> str:
    """The command that only trains."""
    return " ".join([COMMAND, *options, "-- models"])


def start(folder: Path, command: str, seconds: object = SECONDS) -> subprocess.Popen:
    """Start a command; its output is in `said.txt`. The slow training sleeps `seconds` after each epoch."""
    site = {"SNAKEMAKE_PROFILE": str(folder / "site"), "EPOCH_SECONDS": str(seconds), "USER": "root"}
    with (folder / "said.txt").open("w") as said:
        environment = ENVIRONMENT | site
        return subprocess.Popen(
            f"exec {command}",
            shell=True,
            cwd=folder,
            env=environment,
            stdout=said,
            stderr=said,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a shell's `&` ignores it
        )


def ended(folder: Path, process: subprocess.Popen, good: bool = True) -> str:
    """Wait for a command; what it has printed."""
    process.wait(PATIENCE)
    said = (folder / "said.txt").read_text(errors="replace")
    assert (process.returncode == 0) == good, said
    return said


def until(what) -> None:
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end
        time.sleep(1)


def jobs(rule: str) -> list[dict[str, str]]:
    """What SLURM knows of the jobs of a rule, the first submitted first."""
    lines = subprocess.run(["scontrol", "--oneliner", "show", "job"], capture_output=True, text=True, check=True).stdout
    found = [dict(re.findall(r"(\w+)=(\S*)", line)) for line in lines.splitlines() if line.startswith("JobId")]
    return sorted(
        (job for job in found if f"rule_{rule}_" in job.get("Comment", "")), key=lambda job: int(job["JobId"])
    )


def state(job: str) -> str:
    """The last state of a job by the accounting, which keeps jobs that SLURM has purged from its list."""
    command = ["sacct", "--allocations", "--noheader", "--parsable2", "--format=State", "--jobs", job]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def running(rule: str) -> list[str]:
    return [job["JobId"] for job in jobs(rule) if job["JobState"] == "RUNNING"]


def last_epoch(folder: Path) -> int:
    """The last checkpoint of the slow training, while that is not finished; 0 before there is one."""
    files = (folder / "results/.store/unfinished" / slow_job(folder)).glob("epoch*.pt")
    return max((int(file.stem[5:]) for file in files), default=0)


def slow_job(folder: Path) -> str:
    """The key of the slow training."""
    return _slow_job(folder, (folder / "params.yaml").read_text())


@cache
def _slow_job(folder: Path, parameters: str) -> str:
    return next(key for name, (key, _) in contents(folder).items() if name.startswith("train/slow/"))


def contents(folder: Path) -> dict[str, tuple[str, str]]:
    """Key and content of every result by the package in `folder`, except those with measured minutes (T9, report)."""
    return {name: tuple(values) for name, values in json.loads(call(folder, "python", "-c", CONTENTS)).items()}


def test_a_job_beyond_the_time_limit_of_its_partition_waits_until_ctrl_c(project, slurm):
    options = "--set-resources prepare:slurm_partition=short"
    first = start(project, f"{COMMAND} {options} -- data")
    until(lambda: any(job["Reason"] == "PartitionTimeLimit" for job in jobs("prepare")))
    first.send_signal(signal.SIGINT)
    assert "Traceback" not in ended(project, first, good=False)
    until(lambda: {job["JobState"] for job in jobs("prepare")} == {"CANCELLED"})
    ended(project, start(project, f"{COMMAND} {options} prepare:runtime=5 -- data"))


def test_the_documented_command_resumes_after_its_end_and_a_cancelled_job(project, local):
    seed(project, 0)
    first = start(project, COMMAND)
    until(lambda: last_epoch(project) >= 2)
    trainings = jobs("train")
    assert all(job["TresPerJob"] == "gres/gpu:1" and job["NumNodes"] == "1" for job in trainings), trainings
    assert all(job["TimeLimit"] == "1-00:00:00" and job["NumCPUs"] == "1" for job in trainings), trainings
    epoch = last_epoch(project)
    first.send_signal(signal.SIGKILL)
    subprocess.run(["scancel", *running("train")], check=True)
    until(lambda: not running("train"))
    ended(project, start(project, COMMAND))
    log = project / f"results/tiny/logs/{slow_job(project)}.log"
    assert int(re.search(r"resumes after epoch (\d+)", log.read_text())[1]) >= epoch
    assert contents(project) == contents(local)
    assert all(content for _, content in contents(project).values())
    tables = [table for table in (local / "results/tiny/tables").iterdir() if table.stem != "T9"]
    assert len(tables) > 10
    assert all((project / table.relative_to(local)).read_bytes() == table.read_bytes() for table in tables)


def test_a_time_limit_costs_no_epoch_that_was_trained(project, local):
    seed(project, 1)
    ended(project, start(project, models("--retries 6", "--set-resources train:runtime=2")))
    assert "TIMEOUT" in [job["JobState"] for job in jobs("train")]
    names = [file.relative_to(local) for file in local.glob("results/tiny/runs/*/seed1/*.safetensors")]
    assert names and all((local / name).read_bytes() == (project / name).read_bytes() for name in names)


def test_a_failed_job_is_named_with_its_log(project, slurm):
    seed(project, 3)
    said = ended(project, start(project, models("--retries 0"), seconds="wrong"), good=False)
    assert f"Failed: train/slow/seed3\n  log: results/tiny/logs/{slow_job(project)}.log" in said
    assert "could not convert string to float: 'wrong'" in said


def test_a_cancelled_job_is_noticed_and_named(project, slurm):
    seed(project, 3)
    process = start(project, models("--retries 0"))
    until(lambda: last_epoch(project) >= 1)
    subprocess.run(["scancel", *running("train")], check=True)
    said = ended(project, process, good=False)
    assert "Failed: train/slow/seed3" in said and "results/tiny/logs/train/" in said


def test_sigterm_ends_the_controller_and_a_job_that_waits_holds_no_gpu(project, slurm):
    seed(project, 4)
    first = start(project, models())
    until(lambda: running("train"))
    trainings = running("train")
    first.terminate()
    assert first.wait(30) != 0 and running("train") == trainings
    second = start(project, models())
    until(lambda: any(job["Restarts"] != "0" for job in jobs("train")))
    ended(project, second)
    assert {state(training) for training in trainings} == {"COMPLETED"}
