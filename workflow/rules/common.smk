# All logic of the rules. The path of a result contains its fingerprint, so a result is current if its path exists
# (docs/workflow.md). A job's manifest is the last file that it writes.
#
# On a cluster each job parses these files again on its node (docs/cluster.md). There only its own fingerprint is computed,
# with those of its inputs.

import logging
import os
import signal
import subprocess
import sys
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout
from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent

from pipeline_src.errors import UserError, did_you_mean, naming_files
from pipeline_src.files import check_writable
from pipeline_src.params.load import read
from pipeline_src.pipeline.graph import chosen
from pipeline_src.pipeline.manifest import NAME, STORE
from pipeline_src.pipeline.plan import unchecked_datasets
from pipeline_src.pipeline.runner import reset_future_times, show
from pipeline_src.pipeline.steps.overview import overview_job
from pipeline_src.processes import OWNER

PLANS = workflow.is_main_process  # otherwise this is one job, whose command names its rule (--allowed-rules)
LOCK = FileLock(".snakemake/dense-calibration.lock")  # of the project; it ends with this process
os.environ[OWNER] = str(os.getpid())  # the jobs end with this process


def stop(message):
    """End this process with one message. Snakemake would print the lines of this file behind it."""
    print(f"error: {message}", file=sys.stderr, flush=True)
    raise SystemExit(1)


def refused(action):
    """The result of a function; a UserError ends this process."""
    try:
        with naming_files():
            return action()
    except UserError as error:
        stop(error)


def experiment_jobs():
    """The jobs of the experiment that `--config` names."""
    for key in config.keys() - {"experiment"}:
        raise UserError(
            f"--config {key}: no such key",
            expected="experiment=NAME; all else is written into params.yaml",
            fix=did_you_mean(key, ["experiment"]),
        )
    return chosen(str(config["experiment"]) if config.get("experiment") else None)


GRAPH = refused(experiment_jobs)
EXPERIMENT = GRAPH.name
TRAINING = GRAPH.settings.training
SPLITS = list(GRAPH.facts.splits)  # that are evaluated
RESULTS = GRAPH.of_kinds("tables", "figures", "gallery", "claims", "report")  # what people open
LOGS = f"results/{EXPERIMENT}/logs"

# The Python that runs Snakemake also runs the commands.
os.environ.update(PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
RUN_JOB = "python -m pipeline_src run-job {params.key} --experiment {params.experiment} --log {log}"


wildcard_constraints:
    fingerprint="[0-9a-f]{16}",


# Inputs and outputs of rules


@cache
def job_of(fingerprint):
    """The job of a fingerprint."""
    return refused(lambda: GRAPH.find(fingerprint))


def made(kind, *patterns):
    """An input function: files of the results of a kind that a job needs. `{split}` is the split that it analyses."""

    def files(wildcards):
        job = job_of(wildcards.fingerprint)
        if job.key in MADE:  # removed inputs are recomputed without it
            return []
        names = [pattern.format(split=job.parameters.get("split")) for pattern in patterns]
        found = []
        for needed in job.inputs.values():
            if needed.kind == kind:
                found += [str(path) for path in needed.paths if any(fnmatchcase(path.name, name) for name in names)]
        return list(dict.fromkeys(found))

    return ancient(files)


def result(kind, *names):
    """Files of the result of a job: their paths without its fingerprint."""
    return [f"{STORE}/{kind}/{{fingerprint}}/{name}" for name in names]


def manifest(job):
    """The file that a job writes last."""
    return f"{STORE}/{job.key}/{NAME}"


def manifests(*kinds):
    """An input function: the manifests of all jobs of some kinds."""
    return lambda wildcards: [manifest(job) for job in GRAPH.of_kinds(*kinds)]


# What the rules of all jobs share

JOB = {
    "key": lambda wildcards: job_of(wildcards.fingerprint).key,
    "name": lambda wildcards: job_of(wildcards.fingerprint).name,
    "experiment": EXPERIMENT,
}

# Resources on a cluster (docs/cluster.md).
GPUS = TRAINING.gpus if TRAINING.device != "cpu" else 0
CORES = TRAINING.threads + TRAINING.workers


def request(gpu=0, mem_mb=4000, runtime=240):
    """The resources of a rule. `runtime` is in minutes, and generous; each retry requests more memory."""
    return {
        "gpu": gpu,
        "nodes": 1,
        "mem_mb": lambda wildcards, attempt: mem_mb * attempt,
        "runtime": runtime,
    }


def show_results():
    """Show the results in the view, and prepare them for Snakemake's planning."""
    (STORE / "fit").mkdir(parents=True, exist_ok=True)  # DVC versions it, and some experiments fit nothing
    reset_future_times(GRAPH.jobs.values())
    show(GRAPH.jobs.values())


ALL, MADE = [], set()
if PLANS:
    refused(show_results)
    MADE = {job.key for job in GRAPH.jobs.values() if job.is_made}
    # The files for readers, and removed results that others were computed from.
    ALL = list(dict.fromkeys(map(manifest, [*RESULTS, *(job for job in GRAPH.jobs.values() if not job.is_made)])))


# Messages of Snakemake about every job, which its file in .snakemake/log also has.
CHATTER = ("Select jobs to execute", "Execute ", "Finished jobid: ")


def is_shown(record):
    """Whether a message is for the terminal."""
    if INTERRUPTED.is_set():
        return False
    return not (record.levelno == logging.INFO and str(record.msg).startswith(CHATTER))


class FailedJobs(logging.Handler):
    """Names each failed job with its logs: `quiet: rules` in the profile hides Snakemake's messages."""

    def emit(self, record):
        if getattr(record, "event", None) == LogEvent.JOB_ERROR and not INTERRUPTED.is_set():
            outputs = {Path(str(file).split(" (")[0]) for file in record.output}
            names = [job.name for job in GRAPH.jobs.values() if job.folder / NAME in outputs] or [record.rule_name]
            logs = [Path(str(file).split(" (")[0]) for file in record.log]
            print(f"Failed: {names[0]}", *map(self.last_lines, logs), sep="\n", file=sys.stderr, flush=True)

    @staticmethod
    def last_lines(file):
        lines = file.read_text(errors="replace").splitlines()[-6:] if file.is_file() else []
        return "\n".join([f"  log: {file}" if lines else f"  no log was written: {file}", *(f"    {line}" for line in lines)])


if PLANS:
    logger.addHandler(FailedJobs())
    for handler in logger.handlers:
        if handler.name == "DefaultStreamHandler":
            handler.addFilter(is_shown)


def check_folders():
    """Check that results can be written."""
    for folder in (STORE, GRAPH.results):
        check_writable(folder, str(folder))


def started():
    """Hold the lock of the project, and print what runs."""
    refused(check_folders)
    try:
        LOCK.acquire(timeout=0)
    except Timeout:
        stop(f"another snakemake runs in {Path.cwd()}: wait until it has ended, or end it. The lock is {LOCK.lock_file}")
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # at which Snakemake would wait for its jobs to end
    lines = [f"Experiment {EXPERIMENT}: {len(GRAPH.runs)} runs. Results are in {GRAPH.results}/."]
    print(*lines, *unchecked_datasets(GRAPH), sep="\n", file=sys.stderr, flush=True)


def finished():
    if all(job.is_made for job in RESULTS):  # not after a target such as `models`
        subprocess.run([sys.executable, "-m", "pipeline_src", "report", "--experiment", EXPERIMENT], check=False)


def failed():
    if not INTERRUPTED.is_set():
        print("The run stopped; the same command resumes it.", file=sys.stderr)
