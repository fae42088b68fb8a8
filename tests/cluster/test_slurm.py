"""The commands of docs/cluster.md on a real SLURM of one node, which `slurm.sh` sets up here.

    apt-get install slurm-wlm munge slurmdbd mariadb-server && python -m pip install -e ".[test,cluster]"
    ASLP_SLURM=1 pytest -n 0 tests/cluster

A quarter of an hour on two quiet cores, most of it waiting. A training of `tiny` sleeps after each epoch: a test can
stop it in the middle on any machine. It must resume there, and end in the bits of a run without a cluster.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from project import ENVIRONMENT, ROOT, call, copy, edit

from pipeline_src.params.load import read
from pipeline_src.pipeline.jobs import build

SCRIPT = Path(__file__).parent / "slurm.sh"
METHOD = """
import os
import time

from pipeline_src.training.methods.aslp_mc import ASLPMC


class Slow(ASLPMC):
    def after_validation(self, validation, epoch):
        super().after_validation(validation, epoch)
        time.sleep(float(os.environ.get("EPOCH_SECONDS", 0)))
"""
SITE = """
default-resources: {slurm_account: lab, slurm_partition: main}
slurm-init-seconds-before-status-checks: 5
seconds-between-status-checks: 5
slurm-keep-successful-logs: true
"""
EPOCHS, SECONDS = 12, 12  # longer than a time limit of two minutes, in which any machine gets some epochs done
PATIENCE = 1200  # seconds
COMMAND = re.search(r"```sh\n(snakemake --workflow-profile \S+)", (ROOT / "docs/cluster.md").read_text())[1]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory) -> Iterator[None]:
    """A SLURM of one node with two GPUs."""
    if os.environ.get("ASLP_SLURM") != "1":
        pytest.skip("ASLP_SLURM=1 sets up a SLURM on this machine")
    for module in ("snakemake_executor_plugin_slurm", "snakemake_executor_plugin_cluster_generic"):
        if find_spec(module) is None:
            pytest.skip(f"{module} is missing: python -m pip install -e '.[cluster]'")
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
def project(tmp_path_factory) -> Path:
    """The project with a slow training, and the settings of a site whose jobs are short."""
    folder = tmp_path_factory.mktemp("cluster") / "project"
    folder.mkdir()
    copy(folder)
    (folder / "slow.py").write_text(METHOD)
    (folder / "site").mkdir()
    (folder / "site/config.yaml").write_text(SITE)
    edit(folder / "params.yaml", "    methods: [baseline, aslp_mc]", "    methods: [baseline, slow]")
    edit(folder / "params.yaml", "  baseline: {}\n", "  baseline: {}\n  slow: {file: slow.py, start_epoch: 2}\n")
    training = f"training: {{epochs: {EPOCHS}, batch_size: 4, gpus: 1}}"  # a GPU is asked for; nothing computes on it
    edit(folder / "params.yaml", "training: {epochs: 7, batch_size: 4}", training)
    return folder


@pytest.fixture(scope="module")
def local(slurm, project) -> Path:
    """The results of a run without a cluster, of a second seed too."""
    folder = shutil.copytree(project, project.with_name("local"))
    call(folder, "snakemake", "--cores", "2")
    call(folder, "snakemake", "--cores", "2", "--config", "set=seeds=[1]", "--", "models")
    return folder


def start(folder: Path, command: str, **environment: str) -> subprocess.Popen:
    """Start a command; what it prints is in `said.txt`."""
    site = {"SNAKEMAKE_PROFILE": str(folder / "site"), "EPOCH_SECONDS": str(SECONDS), "USER": "root"}
    with (folder / "said.txt").open("w") as said:
        return subprocess.Popen(
            f"exec {command}", shell=True, cwd=folder, env=ENVIRONMENT | site | environment, stdout=said, stderr=said
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
    every = [dict(re.findall(r"(\w+)=(\S*)", line)) for line in lines.splitlines() if line.startswith("JobId")]
    named = [job for job in every if f"rule_{rule}_" in job.get("Comment", "") or job.get("JobName") == rule]
    return sorted(named, key=lambda job: int(job["JobId"]))


def running(rule: str) -> list[str]:
    return [job["JobId"] for job in jobs(rule) if job["JobState"] == "RUNNING"]


def kept_epoch(folder: Path) -> int:
    """The last epoch that is kept of the slow training, while that is not finished; 0 before there is one."""
    kept = (folder / "results/.store/unfinished" / slow_job(folder)).glob("epoch*.pt")
    return max((int(file.stem[5:]) for file in kept), default=0)


def slow_job(folder: Path) -> str:
    """The key of the slow training."""
    with contextlib.chdir(folder):
        return build(read()).job("train/slow/seed0").key


def contents(folder: Path) -> dict[str, tuple[str, str]]:
    """Fingerprint and content of every result."""
    with contextlib.chdir(folder):
        return {job.name: (job.fingerprint, job.content) for job in build(read()).jobs.values()}


def same(one: Path, two: Path, pattern: str) -> None:
    names = [file.relative_to(one) for file in one.glob(pattern)]
    assert names and all((one / name).read_bytes() == (two / name).read_bytes() for name in names)


def test_the_documented_command_goes_on_after_its_end_and_a_cancelled_job(project, local):
    first = start(project, COMMAND)
    until(lambda: kept_epoch(project) >= 2)
    trainings = jobs("train")
    assert [job["JobState"] for job in trainings].count("RUNNING") == 2 or "COMPLETED" in str(trainings)
    assert all(job["TresPerJob"] == "gres/gpu:1" and job["NumNodes"] == "1" for job in trainings), trainings
    assert all(job["TimeLimit"] == "1-00:00:00" and job["NumCPUs"] == "1" for job in trainings), trainings
    kept = kept_epoch(project)
    first.send_signal(signal.SIGKILL)
    subprocess.run(["scancel", *running("train")], check=True)
    until(lambda: not running("train"))
    assert kept_epoch(project) >= kept
    said = ended(project, start(project, COMMAND))
    assert "Nothing to be done" not in said
    log = project / f"results/tiny/logs/{slow_job(project)}.log"
    assert int(re.search(r"resumes after epoch (\d+)", log.read_text())[1]) >= kept
    assert contents(project) == contents(local)
    assert "" not in dict(contents(project).values())
    for pattern in (
        "results/tiny/runs/*/seed0/history.csv",
        "results/tiny/runs/slow/seed0/alpha.csv",
        "results/tiny/tables/T1.*",
    ):
        same(local, project, pattern)


def test_a_cancelled_job_is_noticed_and_named(project, slurm):
    process = start(project, f"{COMMAND} --retries 0 --config set='seeds=[3]' method=slow -- models")
    until(lambda: running("train"))
    subprocess.run(["scancel", *running("train")], check=True)
    said = ended(project, process, good=False)
    assert "Failed: train/slow/seed3" in said and "results/tiny/logs/train-" in said


def test_sigterm_ends_the_controller_and_a_job_that_waits_holds_no_gpu(project, slurm):
    command = f"{COMMAND} --config set='seeds=[4]' method=slow -- models"
    first = start(project, command)
    until(lambda: running("train"))
    (training,) = running("train")
    first.terminate()
    assert first.wait(30) != 0 and running("train") == [training]
    second = start(project, command)
    until(lambda: any(job["Restarts"] != "0" for job in jobs("train")))
    ended(project, second)
    states = {job["JobId"]: job["JobState"] for job in jobs("train")}
    assert states[training] == "COMPLETED"


def test_a_partition_with_a_lower_time_limit_never_runs_a_job(project, slurm):
    """docs/cluster.md says what SLURM shows then; Ctrl-C cancels the job."""
    process = start(
        project, f"{COMMAND} --set-resources train:slurm_partition=short --config set='seeds=[5]' -- models"
    )
    until(lambda: [job for job in jobs("train") if job["Reason"] == "PartitionTimeLimit"])
    process.send_signal(signal.SIGINT)
    ended(project, process, good=False)
    assert not [job for job in jobs("train") if job["JobState"] == "PENDING"]


def test_a_time_limit_costs_no_epoch_that_was_trained(project, local):
    command = f"{COMMAND} --retries 6 --set-resources train:runtime=2 --config set='seeds=[1]' -- models"
    ended(project, start(project, command))
    states = [job["JobState"] for job in jobs("train")]
    assert "TIMEOUT" in states, states
    same(local, project, "results/tiny/runs/*/seed1/*.safetensors")
    same(local, project, "results/tiny/runs/*/seed1/history.csv")
    same(local, project, "results/tiny/runs/slow/seed1/alpha.csv")


def test_the_profile_for_other_clusters_ends_in_the_same_bits(project, local, tmp_path):
    made = {"results", "data", ".snakemake"}
    folder = shutil.copytree(
        local, tmp_path / "generic", ignore=lambda at, names: made & {*names} if Path(at) == local else ()
    )
    (folder / "site/config.yaml").write_text("seconds-between-status-checks: 5\n")
    command = COMMAND.replace("profiles/slurm", "profiles/cluster-generic")
    ended(folder, start(folder, f"{command} --config method=baseline -- statistics", EPOCH_SECONDS="0"))
    assert jobs("evaluations")[-1]["JobState"] == "COMPLETED"
    same(local, folder, "results/tiny/runs/baseline/seed0/*.safetensors")
    same(local, folder, "results/tiny/statistics/baseline/seed0/*.npz")
