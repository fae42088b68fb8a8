# All logic of the rules. The path of a result contains its fingerprint, so a result is current if its path exists
# (docs/workflow.md). A job writes its manifest last, which is the output that its rule declares.
#
# On a cluster each job parses these files again on its node (docs/cluster.md). There only its own fingerprint is computed,
# with those of its inputs.

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

from filelock import FileLock, Timeout
from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent

from pipeline_src.errors import UserError, did_you_mean, naming_files
from pipeline_src.files import check_writable
from pipeline_src.params.load import read
from pipeline_src.pipeline.jobs import chosen
from pipeline_src.pipeline.manifest import NAME, STORE
from pipeline_src.pipeline.report import overview_job
from pipeline_src.pipeline.runner import reset_future_times, show
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
RESULTS = GRAPH.of_kinds("tables", "figures", "gallery", "claims", "report")  # what people open

# The Python that runs Snakemake also runs the commands.
os.environ.update(PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))

# Resources on a cluster (docs/cluster.md). `runtime` is in minutes, and generous: a training that exceeds it resumes from its
# last epoch. Each retry requests more memory.
GPUS = TRAINING.gpus if TRAINING.device != "cpu" else 0
CORES = TRAINING.threads + TRAINING.workers
DEFAULT = {"threads": 1, "gpu": 0, "mem_mb": 4000, "runtime": 240}
REQUESTS = {
    "prepare": {"mem_mb": 2000},
    "store": {"mem_mb": 2000},
    "train": {"threads": CORES, "gpu": GPUS, "mem_mb": 4000 + 1000 * TRAINING.workers, "runtime": 24 * 60},
    "evaluations": {"threads": CORES, "gpu": GPUS},
    "analyse": {},
    "tables": {},
    "figures": {},
    "gallery": {"threads": CORES, "gpu": GPUS},
    "claims": {},
    "report": {},
}
TARGETS = ("tables", "figures", "claims", "report")  # names of rules without wildcards in the Snakefile


wildcard_constraints:
    fingerprint="[0-9a-f]{16}",


def manifest(job):
    """The output of the rule that makes a job."""
    return f"{STORE}/{GRAPH.target(job).key}/{NAME}"


def manifests(*kinds):
    """An input function: the manifests of all jobs of some kinds."""
    return lambda wildcards: [manifest(job) for job in GRAPH.of_kinds(*kinds)]


def key_of(kind):
    return lambda wildcards: f"{kind}/{wildcards.fingerprint}"


def job_of(kind, wildcards):
    """The job of a fingerprint."""
    return refused(lambda: GRAPH.find(key_of(kind)(wildcards)))


def name_of(kind):
    return lambda wildcards: job_of(kind, wildcards).name


def inputs_of(kind):
    """An input function: the manifests that a job of a kind needs."""

    def inputs(wildcards):
        job = job_of(kind, wildcards)
        needed = GRAPH.needed(job)
        if job.key in MADE:  # removed inputs are recomputed without it
            needed = [other for other in needed if GRAPH.target(other).key in MADE]
        return list(dict.fromkeys(map(manifest, needed)))

    return inputs


def resource(kind, name):
    """The resource of a kind of job; memory grows with each retry."""
    value = (DEFAULT | REQUESTS[kind])[name]
    return lambda wildcards, attempt: value * (attempt if name == "mem_mb" else 1)


def show_results():
    """Show the results in the view, and prepare the manifests for Snakemake's planning."""
    reset_future_times(GRAPH.jobs.values())
    for batch in GRAPH.of_kinds("evaluations"):
        if not batch.is_made:  # one of its evaluations was removed
            (batch.folder / NAME).unlink(missing_ok=True)
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
    lines += [text for job in GRAPH.of_kinds("prepare") if (text := job.options["unchecked"])]
    print("\n".join(lines), file=sys.stderr, flush=True)


def finished():
    if all(job.is_made for job in RESULTS):  # not after a target such as `models`
        subprocess.run([sys.executable, "-m", "pipeline_src", "report", "--experiment", EXPERIMENT], check=False)


def failed():
    if not INTERRUPTED.is_set():
        print("The run stopped; the same command resumes it.", file=sys.stderr)
